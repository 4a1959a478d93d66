"""Searching the output of a stage for variables, in a process that can be ended (``dm-protocol.md §6.4``)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

_WORKER = Path(__file__).with_name("regex_worker.py")


class RegexError(Exception):
    """A pattern is wrong or needs too long; the text names it, in one line."""


class RegexSearcher:
    """Searches one after the other, in a process that is made for the first and kept for the next.

    Python's ``re`` cannot be interrupted and holds the interpreter while it works, so that a pattern like ``(a+)+$`` in
    this process, in a thread or not, would stop every server in it.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="localdm-regex")
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    async def variables(self, patterns: Sequence[str], text: str) -> Mapping[str, str]:
        """Named groups of the first match of each pattern, later patterns winning; raises `RegexError`."""
        request = {"patterns": patterns, "text": text, "limit_s": self._limit_s}
        line = msgspec.json.encode(request) + b"\n"
        answer_line = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, line)
        if not answer_line:
            raise RegexError(f"{', '.join(map(repr, patterns))} needed more than {self._limit_s:g} s")
        answer = msgspec.json.decode(answer_line)
        if "error" in answer:
            raise RegexError(f"{answer['pattern']!r}: {answer['error']}")
        return {name: value.rstrip("\n") for name, value in answer["variables"].items()}

    def close(self) -> None:
        """End the process and a search that is under way."""
        self._is_closed = True  # said before looking, so that a process just being made is ended by its maker
        process = self._process
        if process is not None:
            process.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._end()

    def _ask(self, line: bytes) -> bytes:
        if self._process is None:
            command = [sys.executable, "-I", "-S", str(_WORKER)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stdin, stdout = self._process.stdin, self._process.stdout
        answer = b""
        if not self._is_closed and stdin is not None and stdout is not None:
            try:
                stdin.write(line)
                stdin.flush()
                answer = stdout.readline()
            except BrokenPipeError:
                answer = b""
        if not answer:
            self._end()
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.communicate()
