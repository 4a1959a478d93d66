"""A real terminal of 80 x 24 (tmux) with a command in it: keys go in, what a person sees comes out."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from waiting import wait_until

END = "the command has ended with"


class Terminal:
    """One tmux server of its own, with one window."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._server = f"dmioc-{secrets.token_hex(4)}"
        script = f"{shlex.join(command)}; echo {END} $?; cat"
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", script, environment=environment
        )

    def _tmux(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        finished = subprocess.run(
            ["tmux", "-u", "-L", self._server, *arguments],
            env=os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"} | (environment or {}),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return finished.stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names: ``Down``, ``C-c``; a text is typed."""
        self._tmux("send-keys", *keys)

    def lines(self, with_colours: bool = False) -> list[str]:
        """The 24 lines of the screen."""
        options = ["-e"] if with_colours else []
        return self._tmux("capture-pane", "-p", *options).split("\n")[:24]

    def wait_for(self, wanted: str | Callable[[list[str]], bool], timeout_s: float = 30.0) -> list[str]:
        """The screen as soon as a text is on it, or a function of its lines is true."""
        seen: list[str] = []

        def is_there() -> bool:
            seen[:] = self.lines()
            return wanted in "\n".join(seen) if isinstance(wanted, str) else wanted(seen)

        try:
            wait_until(is_there, timeout_s, period_s=0.05)
        except AssertionError:
            raise AssertionError(f"not within {timeout_s} s: {wanted!r}; the screen is\n" + "\n".join(seen)) from None
        return seen

    def close_window(self) -> None:
        """Close the terminal under the command, as a person does with a window or a lost ssh."""
        self._tmux("kill-server")

    def pid(self) -> int:
        """Process id of the shell that runs the command."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def close(self) -> None:
        """End the server; nothing when it has ended."""
        subprocess.run(["tmux", "-L", self._server, "kill-server"], capture_output=True, timeout=30, check=False)


@contextmanager
def terminal(command: Sequence[str], environment: dict[str, str]) -> Iterator[Terminal]:
    """A terminal for the time of a test."""
    opened = Terminal(command, environment)
    try:
        yield opened
    finally:
        opened.close()
