"""What DAQ slots and upload slots share: holding one transfer of DM and following it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmioc.engine.objects import NotFoundCount, json_object, merged
from dmioc.engine.projection import Shown, publish_view
from dmioc.engine.signals import Signal
from dmioc.engine.transfer_view import Limits, Rate, TransferView, judged, transfer_view
from dmioc.engine.waits import wait_for
from dmioc.errors import CommandFailedError, DmNotFoundError, DmUnreachableError, RefusedError
from dmioc.model import Service, Severity, Status, Transfer, TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """What a Start asks for.

    Attributes:
        experiment: the one in use then.
        path: the directory to watch; for an upload the file or directory.
        options: DM's own keys.
        mode: of an upload, ``Files`` or ``Directory``.
        reprocess: of an upload, whether unchanged files are uploaded again.
        time_s: when it was asked for, POSIX.
    """

    experiment: str
    path: str
    options: dict[str, object]
    mode: str = ""
    reprocess: bool = False
    time_s: float = 0.0


class TransferSlot:
    """One slot: its group of PVs, and the transfer it holds.

    Args:
        core: the shared parts.
        group: its group, e.g. ``DAQ1:``.
        kind: DAQ or upload.
        experiment: the experiment in use, asked at Start.
        wake: has the slot and the list of its kind polled soon.
    """

    def __init__(
        self, core: Core, group: str, kind: TransferKind, experiment: ExperimentInUse, wake: Callable[[], None]
    ) -> None:
        self.core = core
        self.group = group
        self.experiment = experiment
        self.transfer: Transfer | None = None
        self.changed = Signal()
        self.lock = asyncio.Lock()
        self._kind = kind
        self._wake = wake
        self._pvs = core.catalogue.group(group)
        self._source_path = ""
        self._attached = False
        self._asked = 0
        self._answered = 0
        self._not_found = NotFoundCount()
        self._rate = Rate(core.clock.monotonic_s())
        self.publish()

    @property
    def is_active(self) -> bool:
        """Whether the slot holds a transfer that is still to change."""
        return self.transfer is not None and self.transfer.status.is_active

    def held(self) -> Mapping[str, str]:
        """What to keep over a restart; empty for an empty slot."""
        if self.transfer is None:
            return {}
        held = self.transfer
        return {
            "id": held.id,
            "experiment": held.experiment,
            "directory": held.directory,
            "path": self._source_path,
            "attached": str(int(self._attached)),
        }

    def restore(self, held: Mapping[str, str]) -> None:
        """Hold again what was held before the restart; its state is Unknown until DM answers."""
        if held.get("id"):
            self._source_path = held.get("path", "")
            self.hold(
                Transfer(held["id"], self._kind, held.get("experiment", ""), held.get("directory", "")),
                attached=held.get("attached") == "1",
            )

    def hold(self, transfer: Transfer, *, attached: bool, source_path: str | None = None) -> None:
        """Follow a transfer from now on."""
        if source_path is not None:
            self._source_path = source_path
        self._attached = attached
        self._not_found = NotFoundCount()
        self._rate = Rate(self.core.clock.monotonic_s())
        self.take(transfer)
        self._wake()

    def take(self, transfer: Transfer) -> None:
        """Take what DM said of the held transfer, and publish it."""
        before = self.transfer
        self.transfer = judged(transfer)
        self._rate.add(self.core.clock.monotonic_s(), transfer)
        if before is not None and before.id == transfer.id and before.status is not self.transfer.status:
            self._announce()
            self._wake()
        self.publish()
        self.changed.fire()

    def _announce(self) -> None:
        transfer = self.transfer
        if transfer is not None and transfer.status.is_finished:
            counts = f"{transfer.files_done} of {transfer.files_total} files"
            text = f"{self._kind.value} {transfer.id} of {transfer.experiment}: {transfer.status.value}, {counts}"
            self.core.messages.add(self.group, f"{text}: {transfer.error}".rstrip(": "), transfer.status.severity)

    def publish(self) -> None:
        """Stage the readbacks; the caller commits."""
        store = self.core.store
        if self.transfer is None:
            publish_view(store, self._pvs, TransferView(), Shown(from_dm=False, alarms={}))
            return
        view = transfer_view(
            self.transfer,
            source_path=self._source_path,
            attached=self._attached,
            rate=self._rate.per_second(),
            now_s=self.core.clock.now_s(),
            still_for_s=self._rate.still_for_s(self.core.clock.monotonic_s()),
            limits=Limits(store.number("NoFilesAfter"), store.number("NoProgressAfter")),
        )
        publish_view(store, self._pvs, view, Shown(from_dm=True, alarms=view.alarms))

    async def poll(self) -> bool:
        """Ask DM for the held transfer, if it can still change; False if it cannot; raises `DmError`."""
        held = self.transfer
        if held is None or (held.status.is_finished and held.status is not Status.LOST):
            return False
        self._asked += 1
        number = self._asked
        try:
            answer = await self.core.dm.transfer(self._kind, held.id)
        except DmNotFoundError:
            answer = held
            if self._not_found.is_lost():
                error = f"DM no longer knows {self._kind.value} {held.id}"
                answer = replace(held, status=Status.LOST, error=error)
        else:
            self._not_found.found()
        # The slot may have been given another transfer while DM was asked, or a younger answer.
        if self.transfer is not None and self.transfer.id == held.id and number > self._answered:
            self._answered = number
            self.take(answer)
        return True

    async def ask_anew(self) -> None:
        """Have an answer of DM that is younger than this call; DM is asked again while it does not answer."""
        while True:
            try:
                await self.poll()
            except DmUnreachableError as error:
                _LOG.info("%s: DM did not answer: %s", self.group, error)
                await asyncio.sleep(self.core.store.number("PollPeriod"))
            else:
                return

    def options(self) -> dict[str, object]:
        """DM's options of the next Start: the slot's own setpoints and the JSON of ``Options``; raises `RefusedError`."""
        store, group = self.core.store, self.group
        values: dict[str, object] = {}
        destination = store.text(f"{group}DestDirectory")
        if destination:
            values["destDirectory"] = destination
        arguments = json_object(store, f"{group}WorkflowArgs")
        values |= workflow_options(store.text(f"{group}Workflow"), arguments, self.core.dm.owner, f"{group}Workflow")
        return merged({f"a setpoint of {group}": values, f"{group}Options": json_object(store, f"{group}Options")})

    def refuse_if_active(self) -> None:
        """Raises `RefusedError` while the slot holds a transfer that runs: it would be lost from sight."""
        if self.is_active and self.transfer is not None:
            raise RefusedError(
                f"{self.group} holds {self._kind.value} {self.transfer.id} of {self.transfer.directory},"
                " which is still running: stop it first or use another slot"
            )

    async def stop(self, _order: Order, is_again: bool) -> str:
        """Command Stop: ask DM to stop the transfer and wait until it says so."""
        async with self.lock:
            if is_again:
                await self.poll()
            held = self.transfer
            if is_again and (line := self.stopped()):
                return line
            if held is None or not held.status.is_active:
                raise RefusedError(f"{self.group} holds no {self._kind.value} that is running: nothing to stop")
            await self.core.dm.stop_transfer(held)
        self._wake()
        return await self.wait_finished(self.stopped, "stop")

    def stopped(self) -> str | None:
        """A line when the held transfer is finished, in whatever state."""
        held = self.transfer
        if held is None or not held.status.is_finished:
            return None
        return f"{self._kind.value} {held.id} is {held.status.value}, {held.files_done} of {held.files_total} files"

    def succeeded(self) -> str | None:
        """A line when the held transfer is Done; raises `CommandFailedError` at every other finished state."""
        line = self.stopped()
        if line is None or self.transfer is None or self.transfer.status is Status.DONE:
            return line
        raise CommandFailedError(f"{line}: {self.transfer.error}".rstrip(": "))

    async def wait_finished(self, check: Callable[[], str | None], what: str) -> str:
        """Wait for a check of the held transfer, at most ``WaitTimeout``."""
        return await wait_for(
            check,
            changed=self.changed,
            link=self.core.links[Service.DAQ],
            store=self.core.store,
            clock=self.core.clock,
            timeout_s=self.core.store.number(f"{self.group}WaitTimeout"),
            what=f"{self.group}{what}",
        )

    def note(self, text: str) -> None:
        """Say in words what the slot did; the caller commits."""
        self.core.messages.add(self.group, text, Severity.NO_ALARM)


def workflow_options(workflow: str, arguments: Mapping[str, object], owner: str, name: str) -> dict[str, object]:
    """DM's keys for a workflow to start for each file; none for an empty name.

    Args:
        workflow: its name.
        arguments: its arguments; none may be given without a workflow.
        owner: whose workflow it is.
        name: of the PV or the argument that holds the name; ``Args`` is added for the one that holds the arguments.
    """
    if not workflow:
        if arguments:
            raise RefusedError(f"{name}Args is set and {name} is empty: set both or none")
        return {}
    # dm-protocol.md §4.3: workflowName and workflowOwner must be given together.
    options: dict[str, object] = {"workflowName": workflow, "workflowOwner": owner}
    return options | {"workflowArgs": dict(arguments)} if arguments else options
