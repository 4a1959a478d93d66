"""The thread that sends reports: state changes at once, counters at a bounded rate, a heartbeat when nothing else is sent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dmioc.streaming.errors import StreamError, StreamRefused, StreamTimeoutError
from dmioc.streaming.reports import Report, StreamState, one_line

_LOG = logging.getLogger(__name__)
_RETRY_S = 0.2
_END_S = 5.0
"""Longest wait for the thread, which may be in the middle of a put."""
"""Pause between two attempts while the gateway is away, beside the deadline of each."""

Send = Callable[[Mapping[str, object]], None]
"""Puts the fields of one report; raises `StreamTimeoutError` or `StreamRefused`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two heartbeats, and least seconds between two reports of counters."""

    heartbeat_s: float
    least_s: float


class Reporter:
    """Sends what `change` and `update` leave, from its own thread, until the gateway refuses or `stop`.

    While the gateway is away it goes on trying; each attempt has a sequence number of its own, since one whose answer was
    lost may have been taken.

    Args:
        send: puts one report.
        pace: how often.
        seq: the last sequence number of the session that the gateway has taken, 0 for none.
        changed: notified when a report was taken or refused; guards everything here.
    """

    def __init__(self, send: Send, pace: Pace, seq: int, changed: threading.Condition) -> None:
        self._send = send
        self._pace = pace
        self._seq = seq
        self._changed = changed
        self._report = Report()
        self._version = 0
        self._sent_version = -1
        self._urgent_version = 0
        self._heartbeat = 0
        self._beat_s = 0.0
        self._tried_s = 0.0
        self._is_away = False
        self._stopping = False
        self.error: StreamError | None = None
        self._thread = threading.Thread(target=self._run, name="stream reports", daemon=True)

    @property
    def report(self) -> Report:
        """What was last asked to be reported."""
        return self._report

    def start(self) -> None:
        """Begin to send; the first report is Accepted."""
        self._thread.start()

    def update(self, **counters: Any) -> None:
        """Change counters and message; sent soon."""
        with self._changed:
            self._take(replace(self._report, **counters))

    def change(self, state: StreamState, message: str | None = None, result: str = "") -> int:
        """Change the state; sent at once. Answers the number to wait for by `is_sent`.

        A final state stays what it is.
        """
        with self._changed:
            report = self._report
            if not report.state.is_final:
                message = report.message if message is None else message
                self._take(replace(report, state=state, message=message, result=result or report.result))
                self._urgent_version = self._version
            return self._version

    def _take(self, report: Report) -> None:
        report = replace(report, message=one_line(report.message))
        if report != self._report:
            self._report = report
            self._version += 1
            self._changed.notify_all()

    def is_sent(self, version: int) -> bool:
        """Whether the gateway has taken this change or a later one; to be asked with ``changed`` held."""
        return self._sent_version >= version

    def stop(self) -> None:
        """Send nothing more and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            while self._wait_until_due():
                self._send_one()
        except StreamRefused as error:
            self._end(error)
        except Exception as error:
            # The supervisor of this thread: the workflow must learn that nobody reports for it any more.
            _LOG.exception("bug in the reports of a stream")
            self._end(StreamError(f"no reports are sent any more: {type(error).__name__}: {error}"))

    def _end(self, error: StreamError) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def _wait_until_due(self) -> bool:
        """Wait until a report is to be sent; False when there is nothing more to send."""
        with self._changed:
            while True:
                is_over = self._report.state.is_final and self.is_sent(self._version)
                if self._stopping or is_over:
                    return False
                wait_s = self._due_s() - time.monotonic()
                if wait_s <= 0:
                    return True
                self._changed.wait(wait_s)

    def _due_s(self) -> float:
        """When the next report is to be sent, on the clock that never jumps."""
        if self._is_away:
            return self._tried_s + _RETRY_S
        if not self.is_sent(self._urgent_version):
            return 0.0
        beat_s = self._beat_s + self._pace.heartbeat_s
        return beat_s if self.is_sent(self._version) else min(beat_s, self._tried_s + self._pace.least_s)

    def _send_one(self) -> None:
        with self._changed:
            report, version = self._report, self._version
            now_s = time.monotonic()
            if now_s >= self._beat_s + self._pace.heartbeat_s:
                self._heartbeat += 1
                self._beat_s = now_s
            self._seq += 1
            self._tried_s = now_s
            fields = {**report.fields(), "seq": self._seq, "heartbeat": self._heartbeat}
        try:
            self._send(fields)
        except StreamTimeoutError as error:
            self._note_away(str(error))
            return
        self._note_away("")
        with self._changed:
            self._sent_version = version
            self._changed.notify_all()

    def _note_away(self, reason: str) -> None:
        if bool(reason) != self._is_away:
            if reason:
                _LOG.warning("the gateway is away, reports are kept and tried again: %s", reason)
            else:
                _LOG.info("the gateway takes reports again")
        self._is_away = bool(reason)
        self._tried_s = time.monotonic()
