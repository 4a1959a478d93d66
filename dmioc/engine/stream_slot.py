"""A streaming slot: the session of a workflow that runs before data flow (``pv-contract.md §8``).

The rules of a session are in `dmioc.model.stream`; here are its commands, its deadlines by the clock, its PVs, and how it is
kept over a restart. The job behind it is in `dmioc.engine.stream_job`.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command
from dmioc.engine.objects import json_object
from dmioc.engine.projection import as_value, iso8601
from dmioc.engine.readings import Alarm
from dmioc.engine.signals import Signal
from dmioc.engine.stream_job import StreamJob
from dmioc.engine.stream_reports import report_of
from dmioc.errors import CommandFailedError, RefusedError
from dmioc.model import Severity, StreamState
from dmioc.model.stream import step
from dmioc.model.stream_events import Abort, Begin, End, Offer, Restored, Tick
from dmioc.model.stream_session import Instant, Limits, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from dmioc.engine.core import Core
    from dmioc.engine.jobs import JobBoard
    from dmioc.engine.puts import Origin
    from dmioc.engine.readings import Field
    from dmioc.engine.workflow_slot import WorkflowSlot
    from dmioc.model.stream_events import Event

_LOOK_AGAIN_S = 0.25
_TICK_S = 1.0
_SHORTEST_TICK_S = 0.01
_REFUSALS_TOLD_EVERY_S = 10.0
_READY = frozenset({StreamState.READY, StreamState.STREAMING, StreamState.DRAINING})
_DRAINED = frozenset({StreamState.DONE})
_COUNTED_ALARMS = ("errors", "missed")
_MINOR = (Severity.MINOR, Alarm.STATE)


class StreamSlot:
    """One of the groups ``STR1:``, ``STR2:`` …

    Args:
        core: the shared parts.
        group: its group of PVs.
        board: the owner's jobs.
        workflow_slots: the slots whose workflows can be started with a session, from 1.
        prefix: before every PV's name, so that the workflow gets full names.
        save: brings the session to disk; a command that the workflow acts on is kept before it is told.
    """

    def __init__(
        self,
        core: Core,
        group: str,
        board: JobBoard,
        workflow_slots: Sequence[WorkflowSlot],
        *,
        prefix: str,
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self._core = core
        self.group = group
        self._prefix = prefix
        self._save = save
        self._pvs = core.catalogue.group(group)
        self._report = core.catalogue[f"{group}Report"]
        self._command = core.catalogue[f"{group}Command"]
        self._job = StreamJob(core, group, board, workflow_slots, session=lambda: self.session, apply=self.apply)
        self._told_refusal_s = -_REFUSALS_TOLD_EVERY_S
        self.session = Session()
        self.changed = Signal()
        core.commands.register(
            Command(f"{group}Offer", self.offer),
            Command(f"{group}Begin", self.begin),
            Command(f"{group}End", self.end),
            Command(f"{group}Abort", self.abort),
        )
        self._publish()

    @property
    def report_name(self) -> str:
        """The structure that the workflow writes."""
        return self._report.name

    @property
    def is_active(self) -> bool:
        """Whether DM may be asked for the job behind the session."""
        return self.session.state.is_active

    def held(self) -> Mapping[str, str]:
        """What to keep over a restart: the whole session, also a finished one with its epoch."""
        if not self.session.epoch:
            return {}
        # Seconds of this process's clock mean nothing in the next.
        kept = replace(self.session, since_s=0.0, heard_s=0.0)
        return {"session": msgspec.json.encode(kept).decode()}

    def restore(self, held: Mapping[str, str]) -> None:
        """Go on with the session of the last run; its deadlines begin anew."""
        if "session" not in held:
            return
        try:
            kept = msgspec.json.decode(held["session"], type=Session)
        except msgspec.DecodeError as error:
            self._core.messages.add(self.group, f"the saved session is left out: {error}", Severity.MINOR)
            return
        self.session = step(kept, Restored(self._now()))
        self._job.restored(self.session)
        if self.is_active:
            self._core.messages.add(self.group, f"{kept.name} goes on: {kept.state_word}")
        self._publish()

    def _now(self) -> Instant:
        return Instant(self._core.clock.monotonic_s(), self._core.clock.now_s())

    def _limits(self) -> Limits:
        ready, heartbeat, drain = (
            self._core.store.number(f"{self.group}{name}Timeout") for name in ("Ready", "Heartbeat", "Drain")
        )
        return Limits(ready, heartbeat, drain)

    def apply(self, event: Event) -> None:
        """Let an event happen and publish what it changed; raises `RefusedError` for one that cannot be now."""
        self._enter(step(self.session, event))

    def _enter(self, session: Session, *, quietly: bool = False) -> None:
        before, self.session = self.session, session
        if session.state is not before.state:
            reason = f": {session.error}" if session.error else ""
            self._core.messages.add(self.group, f"{session.name} {session.state_word}{reason}", session.state.severity)
        if not quietly:
            self._publish()
            self._core.store.commit()
        self.changed.fire()

    def _publish(self) -> None:
        """Stage the readbacks and structures; a value keeps its time until it changes."""
        store, session = self._core.store, self.session
        alarmed = {name: _MINOR for name in _COUNTED_ALARMS if getattr(session, name)}
        if alarmed and self.is_active:
            alarmed["state_word"] = _MINOR
        for pv in self._pvs:
            if pv.source:
                value = as_value(pv, getattr(session, pv.source))
                if value != store.value(pv.name) or pv.source == "state_word":
                    time_s = getattr(session, pv.time_source) if pv.time_source else None
                    store.set(pv.name, value, time_s=time_s or None, alarm=alarmed.get(pv.source))
        for name, time_s in (("StartTime", session.start_time_s), ("EndTime", session.end_time_s)):
            store.set(f"{self.group}{name}", iso8601(time_s), time_s=time_s or None)
        self._publish_age()
        reported_s = max(session.report_time_s, session.state_time_s)
        for pv, time_s in ((self._report, reported_s), (self._command, session.command_time_s)):
            fields: dict[str, Field] = {column.name: getattr(session, column.source) for column in pv.columns}
            store.set_structure(pv.name, fields, time_s or None)

    def _publish_age(self) -> None:
        age_s = -1.0
        if self.is_active and self.session.seq:
            age_s = float(int(max(self._core.clock.monotonic_s() - self.session.heard_s, 0.0)))
        self._core.store.set(f"{self.group}HeartbeatAge", age_s)

    def put_report(self, fields: Mapping[str, object], origin: Origin) -> bool:
        """Take what a workflow wrote; whether it changed the state. Raises `RefusedError` with the reason."""
        before = self.session.state
        try:
            self.apply(report_of(self._report, fields, self._now()))
            return self.session.state is not before
        except RefusedError as error:
            now_s = self._core.clock.monotonic_s()
            # A workflow of an old session may beat on many times a second.
            if now_s - self._told_refusal_s >= _REFUSALS_TOLD_EVERY_S:
                self._told_refusal_s = now_s
                self._core.messages.add(self._report.name, f"refused for {origin}: {error}", Severity.MINOR)
                self._core.store.commit()
            raise

    def tick(self) -> None:
        """Look at the deadlines; the caller commits."""
        session = step(self.session, Tick(self._now(), self._limits()))
        if session is self.session:
            self._publish_age()
        else:
            self._enter(session)

    async def run(self) -> None:
        """Watch the deadlines until cancelled."""
        while True:
            self.tick()
            self._core.store.commit()
            deadlines = self.session.deadlines(self._limits())
            next_s = min((at_s for at_s, _, _ in deadlines), default=float("inf")) - self._core.clock.monotonic_s()
            await self.changed.wait(max(min(next_s, _TICK_S), _SHORTEST_TICK_S))

    async def poll(self) -> bool:
        """Ask DM for the job behind the session, if nobody else does; False if there was nothing to ask; raises `DmError`."""
        return await self._job.poll()

    async def stop(self) -> None:
        """End what runs on its own; the session goes on in the next run of the gateway."""
        await self._job.stop()

    async def offer(self) -> str:
        """Command Offer: a new session, with its workflow if one is to be started; ends when it is Ready."""
        store = self._core.store
        number = int(store.number(f"{self.group}WFSlot"))
        source = store.text(f"{self.group}Source")
        names = {
            "reportPv": f"{self._prefix}{self._report.name}",
            "commandPv": f"{self._prefix}{self._command.name}",
            "sourcePv": source,
        }
        limits = self._limits()
        timeouts = {
            "readyTimeout": limits.ready_s,
            "heartbeatTimeout": limits.heartbeat_s,
            "drainTimeout": limits.drain_s,
        }
        args = json.dumps({**names, **timeouts}, ensure_ascii=False)
        offered = step(self.session, Offer(self._now(), str(uuid.uuid4()), number, source, args))
        start = self._job.plan(offered, names) if number else None
        await self._enter_kept(offered)
        if start is not None:
            self._job.start(start)
        return await self._until(_READY, "Offer")

    def _args(self) -> str:
        """What Begin and End pass on; raises `RefusedError` for a text that is no JSON object."""
        return json.dumps(json_object(self._core.store, f"{self.group}Args"), ensure_ascii=False)

    async def begin(self) -> str:
        """Command Begin: data will flow now."""
        await self._enter_kept(step(self.session, Begin(self._now(), self._args())))
        return f"{self.session.name} is {self.session.state_word}"

    async def end(self) -> str:
        """Command End: no more data come; ends when the workflow has drained."""
        await self._enter_kept(step(self.session, End(self._now(), self._args())))
        return await self._until(_DRAINED, "End")

    async def abort(self) -> str:
        """Command Abort: give the session up at once; the job behind it is asked to stop, and not waited for."""
        self.apply(Abort(self._now()))
        name = self.session.name
        self._job.give_up(self.session)
        await self._save()
        return f"{name} is aborted"

    async def _enter_kept(self, session: Session) -> None:
        """Enter a session that the workflow acts on as soon as it is published: it is on disk before."""
        self._enter(session, quietly=True)
        await self._save()
        self._publish()
        self._core.store.commit()

    async def _until(self, wanted: frozenset[StreamState], what: str) -> str:
        """Wait for a state; raises `CommandFailedError` when the session ends before."""
        session_id = self.session.id
        while True:
            self.tick()
            session = self.session
            if session.id != session_id:
                raise CommandFailedError(f"{what}: session {session_id} ended and another one was offered")
            if session.state in wanted:
                return f"{session.name} is {session.state_word}"
            if not session.state.is_active:
                raise CommandFailedError(f"{session.name} is {session.state_word}: {session.error}".rstrip(": "))
            await self.changed.wait(_LOOK_AGAIN_S)
