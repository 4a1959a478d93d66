"""How the body of a workflow ended, as the gateway is told."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

from dmioc.streaming.reports import StreamState


class Ending:
    """Makes SIGTERM end the body, and tells what its end is called."""

    def __init__(self) -> None:
        self._signal = ""

    def follow_signals(self, undo: ExitStack) -> None:
        """Make SIGTERM, by which DM ends a stage, end the body; only where the workflow did not choose otherwise."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)
            undo.callback(signal.signal, signal.SIGTERM, signal.SIG_DFL)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> NoReturn:
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
