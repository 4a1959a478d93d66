"""A DAQ slot: start or attach to a DAQ, stop it, wait for expected files (``pv-contract.md §4``)."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from typing import TYPE_CHECKING

from dmioc.engine.commands import Command
from dmioc.engine.transfer_slot import TransferSlot
from dmioc.errors import CommandFailedError, DmUnreachableError, RefusedError
from dmioc.model import TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse

_LOG = logging.getLogger(__name__)


class DaqSlot(TransferSlot):
    """One of the groups ``DAQ1:``, ``DAQ2:`` …"""

    def __init__(self, core: Core, group: str, experiment: ExperimentInUse, wake: Callable[[], None]) -> None:
        super().__init__(core, group, TransferKind.DAQ, experiment, wake)
        core.commands.register(
            Command(f"{group}Start", self.start),
            Command(f"{group}Stop", self.stop),
            Command(f"{group}Wait", self.wait),
        )

    async def start(self) -> str:
        """Command Start: attach to the active DAQ of the same experiment and directory, else start one."""
        async with self.lock:
            store = self.core.store
            directory = store.text(f"{self.group}DataDirectory")
            if not directory:
                raise RefusedError(f"{self.group}DataDirectory is empty: put the directory to watch")
            options = self.options({})
            experiment = await self.experiment.confirmed()
            for daq in await self.core.dm.transfers(TransferKind.DAQ):
                if daq.status.is_active and (daq.experiment, daq.directory) == (experiment, directory):
                    self.hold(daq, attached=True)
                    return f"attached to DAQ {daq.id} of {experiment}, {directory}"
            self.refuse_if_active()
            daq = await self.core.dm.start_daq(experiment, directory, options)
            self.hold(daq, attached=False)
            return f"DAQ {daq.id} of {experiment} watches {directory}"

    async def wait(self) -> str:
        """Command Wait: until the expected files are stored, with no errors and none waiting."""
        if self.transfer is None:
            raise RefusedError(f"{self.group} holds no DAQ: start one first")
        await self.poll()
        wanted = self.core.store.text(f"{self.group}ExpectFile")
        watcher = asyncio.create_task(self._look_for(wanted)) if wanted else None
        try:
            return await self.wait_finished(lambda: self._all_here(watcher), "Wait")
        finally:
            if watcher is not None:
                watcher.cancel()

    def _all_here(self, watcher: asyncio.Task[None] | None) -> str | None:
        daq = self.transfer
        if daq is None:
            raise CommandFailedError(f"{self.group} no longer holds a DAQ")
        expected = int(self.core.store.number(f"{self.group}Expect"))
        settled = daq.files_waiting == 0
        if settled and daq.files_failed:
            raise CommandFailedError(f"{daq.files_failed} of {daq.files_total} files failed: {daq.error or 'see DM'}")
        file_here = watcher is None or watcher.done()
        if watcher is not None and watcher.done():
            watcher.result()
        if settled and daq.files_done >= expected and file_here:
            return f"{daq.files_done} files stored, none waiting, no errors"
        if daq.status.is_finished:
            reason = daq.error or (
                f"{daq.files_done} of {expected} expected files" if file_here else "the file is missing"
            )
            raise CommandFailedError(f"DAQ {daq.id} is {daq.status.value}: {reason}")
        return None

    async def _look_for(self, wanted: str) -> None:
        """Return when the catalog knows the file; a catalog that does not answer is asked again until the wait ends."""
        daq = self.transfer
        if daq is None:
            return
        candidates = file_candidates(wanted, daq.directory, daq.destination)
        while not await self._in_catalog(daq.experiment, candidates):
            await asyncio.sleep(self.core.store.number("PollPeriod"))
        self.changed.fire()

    async def _in_catalog(self, experiment: str, paths: tuple[str, ...]) -> bool:
        try:
            return any([await self.core.dm.file_exists(experiment, path) for path in paths])
        except DmUnreachableError as error:
            _LOG.info("%s: catalog did not answer: %s", self.group, error)
            return False


def file_candidates(wanted: str, directory: str, destination: str) -> tuple[str, ...]:
    """Paths under which the catalog may know a file of a DAQ.

    Args:
        wanted: as put: a path in the watched directory (absolute or relative to it) or relative to the experiment.
        directory: the watched directory.
        destination: subdirectory of the experiment, may be empty.
    """
    relative = wanted
    if posixpath.isabs(wanted):
        relative = posixpath.relpath(wanted, directory) if directory else wanted.lstrip("/")
    stored = posixpath.normpath(posixpath.join(destination, relative))
    return tuple(dict.fromkeys((stored, posixpath.normpath(relative))))
