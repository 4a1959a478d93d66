"""How the body of a workflow ended, as the gateway is told, and when signals may end it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from types import FrameType

from dmioc.streaming.reports import StreamState

_SIGNALS = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
"""Signals that end a body, with the handler that Python gives them, unless the workflow chose otherwise."""


class Ending:
    """Makes SIGTERM and Ctrl-C end the body, and tells what its end is called.

    Python runs a handler between any two steps of the main thread. One that raises just after a lock was taken leaves it taken
    for ever, and the threads that send reports stand still: within `held` a signal is kept until nothing is locked.
    """

    def __init__(self) -> None:
        self._signal = ""
        self._pending = 0
        self._depth = 0

    def follow_signals(self, undo: ExitStack) -> None:
        """Make SIGTERM, by which DM ends a stage, and SIGINT end the body."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, usual in _SIGNALS.items():
            if signal.getsignal(number) is usual:
                signal.signal(number, self._on_signal)
                undo.callback(signal.signal, number, usual)

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep a signal that comes until the end of the block; for the main thread, wherever it takes a lock."""
        is_main = threading.current_thread() is threading.main_thread()
        self._depth += is_main
        try:
            yield
        finally:
            self._depth -= is_main
        if is_main and not self._depth:
            self.raise_pending()

    @property
    def is_pending(self) -> bool:
        """Whether a signal is kept."""
        return self._pending != 0

    def raise_pending(self) -> None:
        """Raise what a kept signal asks for: `SystemExit` or `KeyboardInterrupt`."""
        number, self._pending = self._pending, 0
        if number:
            self._raise(number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = "SIGTERM"
        sys.exit(128 + number)

    def of(self, error: BaseException | None) -> tuple[StreamState, str]:
        """State and message for a body that did not report its end: what it raised, or None if it just ended."""
        if isinstance(error, KeyboardInterrupt):
            return StreamState.ABORTED, "interrupted by Ctrl-C"
        if self._signal:
            return StreamState.ABORTED, f"ended by {self._signal}"
        if error is None:
            return StreamState.FAILED, "ended without a result"
        return StreamState.FAILED, f"{type(error).__name__}: {error}"
