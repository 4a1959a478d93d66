"""The gateway's side of the handshake for tests: the two PVs on a real p4p server, ruled by the engine's own state machine."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace
from typing import Any

from p4p import Type, Value
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV
from waiting import wait_until

from dmioc.errors import RefusedError
from dmioc.model.stream import step
from dmioc.model.stream_events import Abort, Begin, End, Offer, Report
from dmioc.model.stream_session import Instant, Session, StreamState

REPORT = Type(
    [
        ("session", "s"),
        ("epoch", "i"),
        ("seq", "l"),
        ("state", "s"),
        ("message", "s"),
        ("received", "l"),
        ("processed", "l"),
        ("missed", "l"),
        ("errors", "l"),
        ("heartbeat", "l"),
        ("result", "s"),
    ],
    id="dmioc:StreamReport:1.0",
)
COMMAND = Type(
    [("session", "s"), ("epoch", "i"), ("seq", "l"), ("command", "s"), ("args", "s")], id="dmioc:StreamCommand:1.0"
)


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())


class StreamGateway:
    """``STR1:`` of a gateway; `stop` and `serve` make it go away and come back with its session."""

    def __init__(self) -> None:
        self.prefix = f"T{uuid.uuid4().hex[:6]}:STR1:"
        self.report_pv, self.command_pv = f"{self.prefix}Report", f"{self.prefix}Command"
        self.session = Session()
        self.reports: list[tuple[float, Report]] = []
        self.refusals: list[str] = []
        self._lock = threading.Lock()
        self._server: Any = None
        self.serve()

    def serve(self) -> None:
        self._report = SharedPV(initial=Value(REPORT, self._report_fields()))
        self._command = SharedPV(initial=Value(COMMAND, self._command_fields()))
        self._report.put(self._take)  # pyright: ignore[reportUnknownMemberType]
        provider = StaticProvider("stream")
        provider.add(self.report_pv, self._report)
        provider.add(self.command_pv, self._command)
        self._server = Server(providers=[provider])

    def stop(self) -> None:
        self._server.stop()

    def _report_fields(self) -> dict[str, object]:
        s = self.session
        return {"session": s.id, "epoch": s.epoch, "seq": s.seq, "state": s.state.value, "message": s.message}

    def _command_fields(self) -> dict[str, object]:
        s = self.session
        return {"session": s.id, "epoch": s.epoch, "seq": s.command_seq, "command": s.command, "args": s.args}

    def _take(self, pv: Any, op: Any) -> None:
        value = op.value()
        fields = {name: value[name] for name in value.changedSet()}
        state = StreamState(fields.pop("state"))
        with self._lock:
            report = Report(_now(), state=state, **fields)
            try:
                self.session = step(self.session, report)
            except RefusedError as error:
                self.refusals.append(str(error))
                op.done(error=str(error))
                return
            self.reports.append((time.monotonic(), report))
            pv.post(Value(REPORT, self._report_fields()))
        op.done()

    def _do(self, event: Any) -> None:
        with self._lock:
            self.session = step(self.session, event)
            self._command.post(Value(COMMAND, self._command_fields()))

    def offer(self) -> str:
        """A new session; answers its id."""
        self._do(Offer(_now(), str(uuid.uuid4())))
        return self.session.id

    def begin(self) -> None:
        self._do(Begin(_now()))

    def end(self, args: str = "{}") -> None:
        with self._lock:
            self.session = replace(step(self.session, End(_now())), args=args)
            self._command.post(Value(COMMAND, self._command_fields()))

    def abort(self, reason: str) -> None:
        self._do(Abort(_now(), reason))

    @property
    def state(self) -> str:
        return self.session.state.value

    def wait_for(self, state: str, timeout_s: float = 30.0) -> None:
        wait_until(lambda: self.state == state, timeout_s, what=f"session is {state}, not {self.state}")

    @property
    def names(self) -> dict[str, str]:
        """Keyword arguments for a workflow of the current session."""
        return {"report_pv": self.report_pv, "command_pv": self.command_pv, "session": self.session.id}
