"""An upload slot: one file or one directory into the experiment (``pv-contract.md §5``)."""

from __future__ import annotations

import asyncio
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from dmioc.engine.commands import Command
from dmioc.engine.objects import path_setpoint
from dmioc.engine.transfer_slot import TransferSlot
from dmioc.errors import RefusedError
from dmioc.model import TransferKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse

_LOOK_TIMEOUT_S = 2.0


class UploadSlot(TransferSlot):
    """One of the groups ``UPL1:``, ``UPL2:`` …"""

    def __init__(self, core: Core, group: str, experiment: ExperimentInUse, wake: Callable[[], None]) -> None:
        super().__init__(core, group, TransferKind.UPLOAD, experiment, wake)
        start, run, stop, wait = (f"{group}{name}" for name in ("Start", "Run", "Stop", "Wait"))
        core.commands.register(
            Command(start, self.start, excludes=(run,)),
            Command(run, self.run, excludes=(start,)),
            Command(stop, self.stop),
            Command(wait, self.wait),
        )

    async def start(self) -> str:
        """Command Start: submit the upload."""
        async with self.lock:
            store = self.core.store
            path = path_setpoint(store, f"{self.group}SourcePath", "the file or directory to upload")
            mode, reprocess = store.label(f"{self.group}Mode"), store.label(f"{self.group}Reprocess") == "Yes"
            directory, own = await upload_options(path, mode, reprocess=reprocess)
            options = self.options(own)
            self.refuse_if_active()
            experiment = await self.experiment.confirmed()
            upload = await self.core.dm.start_upload(experiment, directory, options)
            self.hold(upload, attached=False, source_path=path)
            return f"upload {upload.id} of {path} to {experiment}"

    async def run(self) -> str:
        """Command Run: submit the upload and wait for its end."""
        await self.start()
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
