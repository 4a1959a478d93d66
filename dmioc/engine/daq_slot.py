"""A DAQ slot: start or attach to a DAQ, stop it, wait for expected files (``pv-contract.md §4``)."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command, Orders
from dmioc.engine.objects import path_setpoint
from dmioc.engine.roots import start_daq
from dmioc.engine.transfer_slot import TransferOrder, TransferSlot
from dmioc.errors import CommandFailedError, DmError, DmUnreachableError, RefusedError
from dmioc.model import Service, TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse
    from dmioc.engine.ports import DmBackend
    from dmioc.model import Transfer

_LOG = logging.getLogger(__name__)


class DaqSlot(TransferSlot):
    """One of the groups ``DAQ1:``, ``DAQ2:`` …"""

    def __init__(self, core: Core, group: str, experiment: ExperimentInUse, wake: Callable[[], None]) -> None:
        super().__init__(core, group, TransferKind.DAQ, experiment, wake)
        core.commands.register(
            Command(f"{group}Start", Orders(self._order, self.start)),
            Command(f"{group}Stop", Orders(dict, self.stop)),
            Command(f"{group}Wait", self.wait),
        )

    def _order(self) -> Order:
        directory = path_setpoint(self.core.store, f"{self.group}DataDirectory", "the directory to watch")
        return msgspec.to_builtins(TransferOrder(self.experiment.name, directory, self.options()))

    async def start(self, order: Order, is_again: bool) -> str:
        """Command Start: attach to the active DAQ of the same experiment and directory, else start one.

        That holds for a start that is carried out again too: the DAQ that it started then is the active one.
        """
        async with self.lock:
            asked = msgspec.convert(order, TransferOrder)
            directory = asked.path
            if is_again:
                # What the slot held before may have ended.
                await self.poll()
            experiment = await self.experiment.confirmed(asked.experiment)
            active = await active_daq(self.core.dm, experiment, directory)
            if active is None:
                self.refuse_if_active()
                try:
                    daq = await start_daq(self.core, experiment, directory, asked.options)
                except DmError as error:
                    active = await self._active_after(error, experiment, directory)
                else:
                    self.hold(daq, attached=False)
                    return f"DAQ {daq.id} of {experiment} watches {directory}"
            return self._attach(active)

    async def _active_after(self, error: DmError, experiment: str, directory: str) -> Transfer:
        """The active DAQ after a start that DM did not say yes to; raises the error of the start if there is none.

        Another slot or client may have started it since DM was asked, or DM started it and its answer was lost.
        """
        try:
            active = await active_daq(self.core.dm, experiment, directory)
        except DmError:
            raise error from None
        if active is None:
            raise error
        return active

    def _attach(self, daq: Transfer) -> str:
        if self.transfer is None or self.transfer.id != daq.id:
            self.refuse_if_active()
        self.hold(daq, attached=True)
        return f"attached to DAQ {daq.id} of {daq.experiment}, {daq.directory}"

    async def wait(self) -> str:
        """Command Wait: until the expected files are stored, with no errors and none waiting."""
        daq = self.transfer
        if daq is None:
            raise RefusedError(f"{self.group} holds no DAQ: start one first")
        wanted = self.core.store.text(f"{self.group}ExpectFile")
        candidates = file_candidates(wanted, daq.directory, daq.destination) if wanted else ()
        # What is known may be older than the files that the client has just written.
        asked = asyncio.create_task(self.ask_anew())
        found = asyncio.create_task(self._look_for(daq, candidates)) if candidates else asked
        try:
            return await self.wait_finished(lambda: self._all_here(asked, found), "Wait")
        finally:
            asked.cancel()
            found.cancel()
            await asyncio.gather(asked, found, return_exceptions=True)

    def _all_here(self, asked: asyncio.Task[None], found: asyncio.Task[None]) -> str | None:
        daq = self.transfer
        if daq is None:
            raise CommandFailedError(f"{self.group} no longer holds a DAQ")
        if not asked.done():
            return None
        asked.result()
        expected = int(self.core.store.number(f"{self.group}Expect"))
        settled = daq.files_waiting == 0
        if settled and daq.files_failed:
            raise CommandFailedError(f"{daq.files_failed} of {daq.files_total} files failed: {daq.error or 'see DM'}")
        if found.done():
            found.result()
        enough = settled and daq.files_done >= expected
        if enough and found.done():
            return f"{daq.files_done} files stored, none waiting, no errors"
        if daq.status.is_finished and not enough:
            reason = daq.error or f"{daq.files_done} of {expected} expected files"
            raise CommandFailedError(f"DAQ {daq.id} is {daq.status.value}: {reason}")
        return None

    async def _look_for(self, daq: Transfer, candidates: tuple[str, ...]) -> None:
        """Return when the catalog knows the file; raises `CommandFailedError` when it cannot come any more."""
        while True:
            # Looked at before the catalog is asked: the last file may come with the end.
            held = self.transfer
            ended = held is None or held.id != daq.id or held.status.is_finished
            is_there = await self._in_catalog(daq.experiment, candidates)
            if is_there:
                self.changed.fire()
                return
            if ended and is_there is not None:
                state = "gone from the slot" if held is None else held.status.value
                raise CommandFailedError(f"DAQ {daq.id} is {state}: {candidates[0]} is not among its files")
            if self.core.links[Service.CAT].away_for_s() > self.core.store.number("LostAfter"):
                raise CommandFailedError(f"DM CAT, which knows whether {candidates[0]} is stored, does not answer")
            await asyncio.sleep(self.core.store.number("PollPeriod"))

    async def _in_catalog(self, experiment: str, paths: tuple[str, ...]) -> bool | None:
        """Whether the catalog knows one of the paths; None when it does not answer."""
        try:
            return any([await self.core.dm.file_exists(experiment, path) for path in paths])
        except DmUnreachableError as error:
            _LOG.info("%s: catalog did not answer: %s", self.group, error)
            return None


async def active_daq(dm: DmBackend, experiment: str, directory: str) -> Transfer | None:
    """The active DAQ of the experiment and directory, as DM says now; raises `DmError`."""
    for daq in await dm.transfers(TransferKind.DAQ):
        if daq.status.is_active and daq.experiment == experiment and _is_same(daq.directory, directory):
            return daq
    return None


def _is_same(directory: str, other: str) -> bool:
    """Whether two paths name one directory; DM may give another spelling than it was given."""
    return posixpath.normpath(directory) == posixpath.normpath(other)


def file_candidates(wanted: str, directory: str, destination: str) -> tuple[str, ...]:
    """Paths under which the catalog may know a file of a DAQ.

    Args:
        wanted: as put: a path in the watched directory, absolute or relative to it, or one relative to the experiment, which
            then begins with the destination.
        directory: the watched directory.
        destination: subdirectory of the experiment, may be empty.

    Raises `RefusedError` for a path that lies outside of the directory.
    """
    relative = posixpath.relpath(wanted, directory) if posixpath.isabs(wanted) and directory else wanted.lstrip("/")
    relative = posixpath.normpath(relative)
    if relative == ".." or relative.startswith("../"):
        raise RefusedError(f"{wanted} is expected, which does not lie in {directory}")
    inside = posixpath.normpath(destination) if destination else ""
    stored = posixpath.join(inside, relative)
    # Without the destination the name may be that of an older file of another DAQ.
    is_of_experiment = inside and relative.startswith(f"{inside}/")
    return (stored, relative) if is_of_experiment else (stored,)
