"""The workflow's side of the streaming handshake (``pv-contract.md §8``)."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from dmioc.streaming.commands import Commands
from dmioc.streaming.ending import Ending
from dmioc.streaming.errors import StreamAborted, StreamError, StreamTimeoutError
from dmioc.streaming.pva import PvaClient
from dmioc.streaming.reporter import Pace, Reporter
from dmioc.streaming.reports import StreamState, result_text
from dmioc.streaming.settings import StreamTimes, stream_settings

_LOG = logging.getLogger(__name__)
_SIGNAL_LOOK_S = 0.1
"""How soon a wait sees a signal, which is kept while locks are held."""
_ABORT_COMMAND_S = 0.5
"""How long the command Abort may come after the refusal of a report that follows it."""


class StreamingWorkflow:
    """A workflow that takes part in the handshake, as a context manager::

        with StreamingWorkflow() as stream:
            connect_to(stream.source_pv)
            stream.ready()
            stream.wait_begin()
            for number, frame in enumerate(frames(until=stream.ended), start=1):
                stream.progress(received=number, processed=number)
            stream.done({"frames": number})

    On entry it reports Accepted, and from then on a heartbeat from a thread of its own. The gateway may be restarted in between:
    the session goes on. Ctrl-C and SIGTERM are reported as Aborted, any other exception as Failed with its text, and leaving
    without `done` as Failed. Begin makes it Streaming by itself.

    Args:
        report_pv: full name of the Report PV; for this and the others, when empty: the word ``reportPv=NAME`` of the command
            line, then the variable ``DMIOC_REPORT_PV``.
        command_pv: full name of the Command PV (``commandPv=``, ``DMIOC_COMMAND_PV``).
        session: uuid of the session (``session=``, ``DMIOC_SESSION``).
        epoch: number of the offer (``epoch=``, ``DMIOC_EPOCH``); when not given it is read from the Command PV.
        source_pv: PV of the data (``sourcePv=``, ``DMIOC_SOURCE_PV``), not used here.
        arguments: words of the command line; the process's own when None.
        environment: variables; the process's own when None.
        times: see `StreamTimes`.

    Raises `StreamSettingsError` when a name is missing; on entry `StreamTimeoutError` when the gateway does not answer and
    `StreamRefused` when the session is not the current one. Every method but the properties raises `StreamRefused` once the
    gateway has refused a report, and `StreamAborted` once the plan has aborted the session. To be used by one thread.
    """

    def __init__(
        self,
        *,
        report_pv: str = "",
        command_pv: str = "",
        session: str = "",
        epoch: int | None = None,
        source_pv: str = "",
        arguments: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        times: StreamTimes | None = None,
    ) -> None:
        given = {
            "report_pv": report_pv,
            "command_pv": command_pv,
            "session": session,
            "epoch": epoch,
            "source_pv": source_pv,
        }
        words = sys.argv[1:] if arguments is None else arguments
        self._settings = stream_settings(given, words, os.environ if environment is None else environment)
        self._times = times or StreamTimes()
        self._changed = threading.Condition()
        self._closing = ExitStack()
        self._reporter: Reporter
        self._commands: Commands
        self._epoch = self._settings.epoch or 0
        self._ending = Ending()

    @property
    def session(self) -> str:
        """The session's uuid."""
        return self._settings.session

    @property
    def epoch(self) -> int:
        """Number of the offer, known after entry."""
        return self._epoch

    @property
    def source_pv(self) -> str:
        """Full name of the PV of the data; empty if none was given."""
        return self._settings.source_pv

    @property
    def state(self) -> StreamState:
        """What this side reports."""
        return self._reporter.report.state

    @property
    def command(self) -> str:
        """The plan's last command to this session: ``offer``, ``begin``, ``end`` or ``abort``."""
        return self._commands.last

    @property
    def command_args(self) -> Mapping[str, object]:
        """Arguments of that command."""
        return self._commands.args

    @property
    def begun(self) -> threading.Event:
        """Set once Begin has come: data flow."""
        return self._commands.begun

    @property
    def ended(self) -> threading.Event:
        """Set once End has come: no more data come."""
        return self._commands.ended

    @property
    def aborted(self) -> threading.Event:
        """Set once the plan has given the session up."""
        return self._commands.aborted

    def __enter__(self) -> StreamingWorkflow:
        with ExitStack() as undo:
            self._ending.follow_signals(undo)
            pva = PvaClient()
            undo.callback(pva.close)
            seq = self._read_session(pva)
            with self._ending.held():
                self._begin(pva, seq, undo)
            self._closing = undo.pop_all()
        return self

    def _begin(self, pva: PvaClient, seq: int, undo: ExitStack) -> None:
        self._reporter = Reporter(self._sender(pva), self._pace(), seq, self._changed)
        self._commands = Commands(pva.watch(self._settings.command_pv), self.session, self._changed, self._on_command)
        undo.callback(self._commands.stop)
        undo.callback(self._reporter.stop)
        self._reporter.start()
        self._wait_for(lambda: self._reporter.is_sent(0), self._times.connect_s, "the gateway to take Accepted")
        self._commands.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._ending.held(), self._closing:
            self._report_end(error)

    def _read_session(self, pva: PvaClient) -> int:
        """Learn the session's epoch, and the last report taken, which an earlier process of the session may have sent."""
        command = pva.get(self._settings.command_pv, self._times.connect_s)
        report = pva.get(self._settings.report_pv, self._times.connect_s)
        if self._settings.epoch is None:
            # If it is of another session, the gateway refuses the report and says why.
            self._epoch = int(command.get("epoch", 0))
        is_ours = report.get("session", "") == self.session
        return int(report.get("seq", 0)) if is_ours else 0

    def _sender(self, pva: PvaClient) -> Callable[[Mapping[str, object]], None]:
        def send(fields: Mapping[str, object]) -> None:
            named = {"session": self.session, "epoch": self.epoch, **fields}
            pva.put(self._settings.report_pv, named, self._times.put_s)

        return send

    def _pace(self) -> Pace:
        return Pace(self._times.heartbeat_s, 1.0 / self._times.reports_per_s)

    def _on_command(self) -> None:
        """Follow Begin; called with ``_changed`` held."""
        if self._commands.begun.is_set() and self.state is StreamState.READY:
            self._reporter.change(StreamState.STREAMING)

    def check(self) -> None:
        """Raise `StreamRefused` or `StreamAborted` if the session is over for this side; to be called in long loops."""
        if self._commands.aborted.is_set():
            raise StreamAborted(self._commands.reason)
        self._check_reports()

    def _check_reports(self) -> None:
        """Raise why no more reports are taken; not to be called with ``_changed`` held."""
        if self._reporter.error is None:
            return
        # An abort comes as a command and as the refusal of the next report, in either order.
        if self._commands.aborted.wait(_ABORT_COMMAND_S):
            raise StreamAborted(self._commands.reason)
        raise self._reporter.error

    def ready(self, message: str = "") -> None:
        """Report Ready: everything is in place for data. Raises `StreamTimeoutError` if the gateway stays away."""
        self._change(StreamState.READY, message)

    def wait_begin(self, timeout_s: float | None = None) -> None:
        """Wait until data flow: for Begin, or an End that came as quickly; raises `StreamTimeoutError`."""
        self._wait_for_event(self.begun, timeout_s, "Begin")

    def wait_end(self, timeout_s: float | None = None) -> None:
        """Wait until no more data come; raises `StreamTimeoutError`."""
        self._wait_for_event(self.ended, timeout_s, "End")

    def progress(
        self,
        *,
        received: int | None = None,
        processed: int | None = None,
        missed: int | None = None,
        errors: int | None = None,
        message: str | None = None,
    ) -> None:
        """Report counts since the start of the session; None leaves one as it is. Returns at once, whatever the gateway does.

        Raises `ValueError` for a negative count.
        """
        self.check()
        given: dict[str, Any] = {"received": received, "processed": processed, "missed": missed, "errors": errors}
        changes = {name: int(value) for name, value in given.items() if value is not None}
        if any(value < 0 for value in changes.values()):
            raise ValueError(f"counts of a stream are 0 or more, not {changes}")
        with self._ending.held():
            self._reporter.update(**changes, **({} if message is None else {"message": message}))

    def draining(self, message: str = "") -> None:
        """Report Draining: no more data come, those received are still worked on."""
        self._check_begun("draining")
        self._change(StreamState.DRAINING, message)

    def done(self, result: Mapping[str, object] | None = None, message: str = "") -> None:
        """Report Done with a result, any JSON object, and wait until the gateway has taken it.

        Raises `TypeError` or `ValueError` for a result that has no JSON form, `StreamTimeoutError` if the gateway stays away.
        """
        self._check_begun("done")
        self._change(StreamState.DONE, message, result_text(result or {}))

    def _check_begun(self, what: str) -> None:
        self.check()
        if not self.begun.is_set():
            raise StreamError(f"{what} before Begin: call wait_begin() first")

    def _change(self, state: StreamState, message: str, result: str = "") -> None:
        self.check()
        with self._ending.held():
            version = self._reporter.change(state, message or None, result)
            self._wait_for(
                lambda: self._reporter.is_sent(version), self._times.report_s, f"the gateway to take {state.value}"
            )

    def _wait_for_event(self, event: threading.Event, timeout_s: float | None, what: str) -> None:
        def has_come() -> bool:
            if self._commands.aborted.is_set():
                raise StreamAborted(self._commands.reason)
            return event.is_set()

        self._wait_for(has_come, timeout_s, what)

    def _wait_for(self, is_true: Callable[[], bool], timeout_s: float | None, what: str) -> None:
        deadline_s = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        with self._ending.held(), self._changed:
            while not is_true() and self._reporter.error is None and not self._ending.is_pending:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0.0:
                    raise StreamTimeoutError(f"waited {timeout_s:g} s for {what}")
                self._changed.wait(min(left_s, _SIGNAL_LOOK_S))
            if is_true():
                return
        self._ending.raise_pending()
        self._check_reports()

    def _report_end(self, error: BaseException | None) -> None:
        """Report how the body ended, if it did not say so itself."""
        if self.state.is_final or self._reporter.error is not None or self.aborted.is_set():
            return
        state, message = self._ending.of(error)
        version = self._reporter.change(state, message)
        try:
            self._wait_for(
                lambda: self._reporter.is_sent(version), self._times.last_s, f"the gateway to take {state.value}"
            )
        except StreamError as problem:
            # The session may be over already, or the gateway away: the exception of the body matters more.
            _LOG.warning("%s (%s) could not be reported: %s", state.value, message, problem)
