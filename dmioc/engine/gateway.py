"""The engine as a whole: what the servers serve and put to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind, coerce
from dmioc.engine.commands import Command, Commands
from dmioc.engine.core import Core
from dmioc.engine.daq_slot import DaqSlot
from dmioc.engine.entrance import UNGUARDED, Entrance, Guards, Takers
from dmioc.engine.experiment import INDEX, NAME, ExperimentInUse
from dmioc.engine.health import Health
from dmioc.engine.jobs import JobBoard
from dmioc.engine.journal import Journal
from dmioc.engine.links import Links
from dmioc.engine.messages import Messages
from dmioc.engine.metadata import MetadataSender
from dmioc.engine.polling import Poller
from dmioc.engine.puts import CommandState, Outcome
from dmioc.engine.rpc import Queries
from dmioc.engine.saving import Saver
from dmioc.engine.store import Store
from dmioc.engine.stream_slot import StreamSlot
from dmioc.engine.transfers import TransferBoard
from dmioc.engine.upload_slot import UploadSlot
from dmioc.engine.workflow_slot import WorkflowSlot
from dmioc.errors import CommandFailedError, RefusedError
from dmioc.model import Service, Severity, TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from pathlib import Path

    from dmioc.catalogue import Catalogue, Raw
    from dmioc.engine.access import AccessControl
    from dmioc.engine.ports import Clock, DmBackend, Sink, StructureSink
    from dmioc.engine.puts import Origin, RpcAnswer, Snapshot
    from dmioc.engine.readings import Value

JOURNAL = "journal.sqlite"
_REFRESH_TIMEOUT_S = 60.0
_LOOK_AGAIN_S = 0.05
_PERIODS = frozenset({"PollPeriod", "IdlePollPeriod"})

Slot = DaqSlot | UploadSlot | WorkflowSlot | StreamSlot


class Gateway:
    """Watches DM, holds the one state, and takes puts; implements `dmioc.engine.puts.Puttable`.

    Args:
        catalogue: what is served.
        dm: the DM to watch.
        clock: time.
        directory: where autosave and journal are kept; must exist.
        jobs_listed: how many of the newest jobs are kept for ``JOB:List``.
        prefix: before every PV's name, for workflows that are told the names of PVs.
        guards: who may put, what transfers may read, and where puts are put on record.

    Raises `StateFileError` when the journal cannot be opened. To be made inside the running loop.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dm: DmBackend,
        clock: Clock,
        directory: Path,
        jobs_listed: int,
        *,
        prefix: str = "",
        guards: Guards = UNGUARDED,
    ) -> None:
        store = Store(catalogue, clock)
        messages = Messages(catalogue, store, clock)
        journal = Journal(directory / JOURNAL)
        commands = Commands(catalogue, store, clock, messages, journal)
        links = Links(store, clock, messages)
        self._core = Core(catalogue, store, clock, dm, links, messages, commands, journal, guards.roots)
        self.experiment = ExperimentInUse(self._core)
        self.jobs = JobBoard(self._core, jobs_listed, lambda: any(slot.is_active for slot in self._workflow_slots))
        self.boards = tuple(TransferBoard(self._core, kind) for kind in TransferKind)
        self._daq_poller = self._slot_poller("DAQ slots", Service.DAQ, lambda: self._daq_slots)
        self._upload_poller = self._slot_poller("upload slots", Service.DAQ, lambda: self._upload_slots)
        self._job_poller = self._slot_poller("workflow slots", Service.PROC, lambda: self._workflow_slots)
        self._daq_slots = tuple(
            DaqSlot(self._core, group, self.experiment, self._waker(TransferKind.DAQ, self._daq_poller))
            for group in self._groups("DAQ")
        )
        self._upload_slots = tuple(
            UploadSlot(self._core, group, self.experiment, self._waker(TransferKind.UPLOAD, self._upload_poller))
            for group in self._groups("UPL")
        )
        self._workflow_slots = tuple(
            WorkflowSlot(self._core, group, self.jobs, self._job_poller.wake) for group in self._groups("WF")
        )
        self.metadata = MetadataSender(self._core, self.experiment)
        self.health = Health(self._core)
        self._saver = Saver(self._core, directory, self._held)
        save = self._saver.save_if_changed
        self._stream_poller = self._slot_poller("jobs of streams", Service.PROC, lambda: self._stream_slots)
        self._stream_slots = tuple(
            StreamSlot(self._core, group, self.jobs, self._workflow_slots, prefix=prefix, save=save)
            for group in self._groups("STR")
        )
        self._queries = Queries(
            self._core, self.experiment, self.jobs, self.boards, self._workflow_slots, prefix=prefix
        )
        takers = Takers(self._put, self._put_structure, self._queries.call)
        self._entrance = Entrance(self._core, guards, takers, prefix)
        self._tasks: list[asyncio.Task[None]] = []
        commands.register(Command("Refresh", self._refresh))

    def _groups(self, kind: str) -> Sequence[str]:
        """Groups of the slots of a kind: ``DAQ1:``, ``DAQ2:`` …"""
        groups = dict.fromkeys(pv.group for pv in self._core.catalogue)
        return [group for group in groups if group.startswith(kind) and group[len(kind) : -1].isdigit()]

    def _slot_poller(self, question: str, service: Service, slots: Callable[[], Sequence[Slot]]) -> Poller:
        async def work() -> bool:
            return await _poll_side_by_side(slots())

        def period_s() -> float:
            active = any(slot.is_active for slot in slots())
            return self._core.store.number("PollPeriod" if active else "IdlePollPeriod")

        return Poller(question, self._core.links[service], self._core.store, work, period_s)

    def _waker(self, kind: TransferKind, poller: Poller) -> Callable[[], None]:
        """Has the slots polled, and the list in which their transfers stand."""
        pollers = (poller, *(board.poller for board in self.boards if board.kind is kind))

        def wake() -> None:
            for one in pollers:
                one.wake()

        return wake

    @property
    def catalogue(self) -> Catalogue:
        """What is to be served."""
        return self._core.catalogue

    @property
    def messages(self) -> Messages:
        """The events."""
        return self._core.messages

    def snapshot(self) -> Snapshot:
        """The state now."""
        return self._core.store.snapshot()

    def add_sink(self, sink: Sink) -> None:
        """Let the sink have every later change."""
        self._core.store.add_sink(sink)

    def add_structure_sink(self, sink: StructureSink) -> None:
        """Let the sink have every later change of a table or a structure."""
        self._core.store.add_structure_sink(sink)

    @property
    def _slots(self) -> tuple[Slot, ...]:
        return (*self._daq_slots, *self._upload_slots, *self._workflow_slots, *self._stream_slots)

    def _held(self, groups: Container[str] | None) -> Mapping[str, Mapping[str, str]]:
        asked = [slot for slot in self._slots if groups is None or slot.group in groups]
        return {slot.group: held for slot in asked if (held := slot.held())}

    @property
    def _pollers(self) -> tuple[Poller, ...]:
        boards = tuple(board.poller for board in self.boards)
        slots = (self._daq_poller, self._upload_poller, self._job_poller, self._stream_poller)
        return (*self.experiment.pollers, *boards, *self.jobs.pollers, *slots)

    def restore(self) -> None:
        """Bring back setpoints and slots of the last run, and report commands that it did not end."""
        held = self._saver.restore()
        self.experiment.restored()
        for slot in self._slots:
            slot.restore(held.get(slot.group, {}))
        for entry in self._core.journal.unfinished():
            self._core.commands.restored(entry, self._dm_answers)
        self._core.store.commit()
        self._core.store.add_sink(self._saver)
        self._core.store.add_structure_sink(self._saver)

    async def _dm_answers(self) -> None:
        """Return when every service of DM answers, at the latest after ``LostAfter``."""
        clock, store = self._core.clock, self._core.store
        deadline_s = clock.monotonic_s() + store.number("LostAfter")
        while store.label("State") != "Connected" and clock.monotonic_s() < deadline_s:
            await asyncio.sleep(_LOOK_AGAIN_S)

    def start(self) -> None:
        """Start to poll, to beat and to save."""
        for poller in self._pollers:
            self._tasks.append(asyncio.create_task(poller.run(), name=f"poll {poller.question}"))
        for slot in self._stream_slots:
            self._tasks.append(asyncio.create_task(slot.run(), name=f"deadlines {slot.group}"))
        self._tasks.append(asyncio.create_task(self._beat(), name="beat"))
        self._tasks.append(asyncio.create_task(self._saver.run(), name="autosave"))
        self._tasks.append(asyncio.create_task(self._entrance.audit.run(), name="audit"))

    async def stop(self) -> None:
        """End commands as Interrupted, stop polling, save, and close the journal."""
        await self._core.commands.interrupt_all()
        await asyncio.gather(*(slot.stop() for slot in self._stream_slots))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._saver.stop()
        await self._entrance.audit.stop()
        self._core.store.commit()
        self._core.journal.close()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            await self.health.beat()
            self._core.links.tick()
            self._core.store.commit()
            next_s = max(next_s + 1.0, loop.time())
            await asyncio.sleep(next_s - loop.time())

    async def _refresh(self) -> str:
        ended = await asyncio.gather(*(poller.now(_REFRESH_TIMEOUT_S) for poller in self._pollers))
        away = [link for link in self._core.links.by_service.values() if link.error]
        if away or not all(ended):
            reasons = "; ".join(f"DM {link.service.value}: {link.error}" for link in away)
            raise CommandFailedError(f"not everything was answered: {reasons or 'a poll did not end in time'}")
        return "everything was polled"

    def put(self, name: str, raw: Raw, origin: Origin) -> asyncio.Future[Outcome]:
        """Take a put; see `dmioc.engine.puts.Puttable.put`."""
        return self._entrance.put(name, raw, origin)

    def put_structure(self, name: str, fields: Mapping[str, object], origin: Origin) -> asyncio.Future[Outcome]:
        """Take a put to a structure; see `dmioc.engine.puts.Puttable.put_structure`."""
        return self._entrance.put_structure(name, fields, origin)

    def refused(self, name: str, raw: object, origin: Origin, reason: str) -> str:
        """Take note of a put that a server did not take; see `dmioc.engine.puts.Puttable.refused`."""
        return self._entrance.refused(name, raw, origin, reason)

    @property
    def access(self) -> AccessControl:
        """The rules in force: who may read and write."""
        return self._entrance.access

    def _put_structure(self, name: str, fields: Mapping[str, object], origin: Origin) -> asyncio.Future[Outcome]:
        slot = next((slot for slot in self._stream_slots if slot.report_name == name), None)
        if slot is None:
            raise RefusedError(f"{name} is read-only")
        changed = slot.put_report(fields, origin)
        return asyncio.ensure_future(self._saved()) if changed else _ended(Outcome(CommandState.OK))

    async def _saved(self) -> Outcome:
        """The outcome of a put that is to outlive a crash, once it is on disk."""
        await self._saver.save_if_changed()
        return Outcome(CommandState.OK)

    async def call(self, method: str, arguments: Mapping[str, object], origin: Origin) -> RpcAnswer:
        """Answer a query by name; see `dmioc.engine.puts.Puttable.call`."""
        return await self._entrance.call(method, arguments, origin)

    def _put(self, name: str, raw: Raw, origin: Origin) -> asyncio.Future[Outcome]:
        pv = self.catalogue[name]
        if not pv.writable:
            raise RefusedError(f"{name} is read-only")
        value = coerce(pv, raw)
        if pv.kind is Kind.COMMAND:
            if value != 1:
                raise RefusedError(f"{name} takes 1 to run, not {value}")
            return self._run(name, origin)
        if name == INDEX:
            return self._select_row(value)
        self._set(name, value)
        if name == NAME:
            return asyncio.ensure_future(self.experiment.put_name())
        return _ended(Outcome(CommandState.OK))

    def _run(self, name: str, origin: Origin) -> asyncio.Future[Outcome]:
        if name not in self._core.commands.names:
            raise RefusedError(f"{name} is not served by this version")
        result = self._core.commands.start(name, origin)
        if result.done():
            self._core.messages.add(name, f"refused for {origin}: {result.result().message}", Severity.MINOR)
            self._core.store.commit()
        return result

    def _set(self, name: str, value: Value) -> None:
        self._core.store.set(name, value)
        self._core.store.commit()
        if name in _PERIODS:
            for poller in self._pollers:
                poller.wake()

    def _select_row(self, value: Value) -> asyncio.Future[Outcome]:
        if not isinstance(value, int):
            raise RefusedError(f"{INDEX} takes a row number, not {value!r}")
        # A name that does not fit is refused: cut, it would be another experiment's.
        self._core.store.set(NAME, coerce(self.catalogue[NAME], self.experiment.row_name(value)))
        self._set(INDEX, value)
        return asyncio.ensure_future(self.experiment.put_name())


def _ended(outcome: Outcome) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(outcome)
    return future


async def _poll_side_by_side(slots: Sequence[Slot]) -> bool:
    """Poll every slot; whether any asked DM. Raises the first error after all have ended."""
    results = await asyncio.gather(*(slot.poll() for slot in slots), return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise errors[0]
    return any(result is True for result in results)
