"""An upload slot: one file or one directory into the experiment (``pv-contract.md §5``)."""

from __future__ import annotations

import asyncio
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command, Orders
from dmioc.engine.objects import merged, path_setpoint
from dmioc.engine.roots import start_upload
from dmioc.engine.transfer_slot import TransferOrder, TransferSlot
from dmioc.errors import InterruptedCommandError, RefusedError
from dmioc.model import Transfer, TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse

_LOOK_TIMEOUT_S = 2.0
_CLOCKS_AGREE_S = 1.0


class UploadSlot(TransferSlot):
    """One of the groups ``UPL1:``, ``UPL2:`` …"""

    def __init__(self, core: Core, group: str, experiment: ExperimentInUse, wake: Callable[[], None]) -> None:
        super().__init__(core, group, TransferKind.UPLOAD, experiment, wake)
        start, run, stop, wait = (f"{group}{name}" for name in ("Start", "Run", "Stop", "Wait"))
        core.commands.register(
            Command(start, Orders(self._order, self.start), excludes=(run,)),
            Command(run, Orders(self._order, self.run), excludes=(start,)),
            Command(stop, Orders(dict, self.stop)),
            Command(wait, self.wait),
        )

    def _order(self) -> Order:
        store = self.core.store
        order = TransferOrder(
            experiment=self.experiment.name,
            path=path_setpoint(store, f"{self.group}SourcePath", "the file or directory to upload"),
            options=self.options(),
            mode=store.label(f"{self.group}Mode"),
            reprocess=store.label(f"{self.group}Reprocess") == "Yes",
            time_s=self.core.clock.now_s(),
        )
        return msgspec.to_builtins(order)

    async def start(self, order: Order, is_again: bool) -> str:
        """Command Start: submit the upload; again, follow the one that DM began then, if there is one."""
        async with self.lock:
            asked = msgspec.convert(order, TransferOrder)
            directory, own = await upload_options(asked.path, asked.mode, reprocess=asked.reprocess)
            options = merged({f"a setpoint of {self.group}": own, f"{self.group}Options": asked.options})
            if is_again:
                await self.poll()
            upload = await self._begun(asked, directory) if is_again else None
            if upload is None:
                self.refuse_if_active()
                experiment = await self.experiment.confirmed(asked.experiment)
                upload = await start_upload(self.core, experiment, directory, options)
            self.hold(upload, attached=False, source_path=asked.path)
            return f"upload {upload.id} of {asked.path} to {asked.experiment}"

    async def _begun(self, asked: TransferOrder, directory: str) -> Transfer | None:
        """The first upload of the directory to the experiment that DM began since it was asked for.

        DM keeps no id of the request with an upload, so that its clock has to agree with this one.
        """
        begun = [
            upload
            for upload in await self.core.dm.transfers(TransferKind.UPLOAD)
            if (upload.experiment, upload.directory) == (asked.experiment, directory)
            and upload.start_time_s >= asked.time_s - _CLOCKS_AGREE_S
        ]
        return min(begun, key=lambda upload: upload.start_time_s, default=None)

    async def run(self, order: Order, is_again: bool) -> str:
        """Command Run: submit the upload and wait for its end."""
        line = await self.start(order, is_again)
        if is_again:
            raise InterruptedCommandError(
                f"the gateway was started anew: {line}, and nobody waits for its end any more"
            )
        return await self.wait_finished(self.succeeded, "Run")

    async def wait(self) -> str:
        """Command Wait: wait for the end of the upload."""
        if self.transfer is None:
            raise RefusedError(f"{self.group} holds no upload: start one first")
        return await self.wait_finished(self.succeeded, "Wait")


async def upload_options(path: str, mode: str, *, reprocess: bool) -> tuple[str, dict[str, object]]:
    """The directory to upload from, and DM's own keys for what of it (``dm-protocol.md §5``).

    Args:
        path: a file or a directory.
        mode: ``Files`` or ``Directory``.
        reprocess: whether unchanged files are uploaded again.
    """
    directory, file_name = await _split(path)
    options: dict[str, object] = {"processingMode": mode.lower()}
    if file_name:
        options["experimentFilePath"] = file_name
    if reprocess:
        options["reprocessFiles"] = True
    return directory, options


async def _split(path: str) -> tuple[str, str]:
    """Directory and file name of what is to be uploaded; the name is empty for a directory.

    Looks at the file system when the path can be seen from here; else a trailing slash or a name without an extension
    means a directory (the files may be visible on DM's machine only).
    """
    seen = await _look(path)
    is_file = seen if seen is not None else bool(not path.endswith("/") and posixpath.splitext(path)[1])
    if not is_file:
        return path, ""
    return posixpath.split(path)


async def _look(path: str) -> bool | None:
    """Whether it is a file; None when it cannot be seen from here, also when its file server hangs."""
    try:
        async with asyncio.timeout(_LOOK_TIMEOUT_S):
            return await asyncio.to_thread(_is_file, path)
    except TimeoutError:
        return None


def _is_file(path: str) -> bool | None:
    try:
        found = Path(path)
        return found.is_file() if found.exists() else None
    except (OSError, ValueError):
        return None
