"""Processes of clients that are asked by lines of JSON, and answer so."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from epics_environment import client_environment
from servers import HERE

ANSWERS_WITHIN_S = 120.0
STOPS_WITHIN_S = 10.0


class ClientProcess:
    """A script of this directory; it says ``ready`` when its clients are connected, and ends at the end of its stdin."""

    def __init__(self, script: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), *words],
            env=os.environ | client_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> None:
        """Wait for its first line."""
        answer = self._answer()
        assert answer == {"ready": True}, answer

    def ask(self, what: str) -> Any:
        """Send a word and wait for the answer."""
        self.send(what)
        return self._answer()

    def send(self, what: str) -> None:
        """Send a word; `answer` is to be called later."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """The answer to `send`."""
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWERS_WITHIN_S)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.process.kill()
            raise AssertionError(f"{self.process.args} gave no answer within {ANSWERS_WITHIN_S} s, or has ended")
        return json.loads(line)

    def end(self) -> None:
        """End it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def say(answer: Any) -> None:
    """A line for the process that asks."""
    print(json.dumps(answer), flush=True)


def serve(questions: dict[str, Callable[[], Any]], between: Callable[[], None], period_s: float) -> None:
    """Answer lines of stdin until it ends; ``between`` is called about every ``period_s``, from this thread."""
    say({"ready": True})
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], period_s)
        if ready:
            line = sys.stdin.readline()
            if not line:
                return
            say(questions[json.loads(line)]())
        between()
