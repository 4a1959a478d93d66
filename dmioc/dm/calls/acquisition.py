"""Calls of the data acquisition service: DAQs and uploads (``dm-protocol.md §4, §5``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dmioc.dm.calls.base import Calls
from dmioc.dm.calls.values import json_text
from dmioc.dm.readers.bodies import ObjectReader, RowsReader, json_reader
from dmioc.dm.readers.mapping import full_transfer, transfer_of
from dmioc.dm.readers.wire import TransferRecord
from dmioc.model import Transfer, TransferKind

_STARTS = {TransferKind.DAQ: "startDaq", TransferKind.UPLOAD: "upload"}
_LISTS = {TransferKind.DAQ: "listDaqs", TransferKind.UPLOAD: "listUploads"}
_GETS = {TransferKind.DAQ: "getDaqInfo", TransferKind.UPLOAD: "getUploadInfo"}


class AcquisitionCalls(Calls):
    """The DAQs and uploads of `dmioc.engine.ports.DmBackend`."""

    async def start_daq(self, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
        """Start a DAQ; ``options`` are DM's own ``daqInfo`` keys (``dm-protocol.md §4.3``)."""
        return await self._start(TransferKind.DAQ, experiment, directory, options)

    async def start_upload(self, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
        """Start an upload of a directory, or of one file in it by ``experimentFilePath``."""
        return await self._start(TransferKind.UPLOAD, experiment, directory, options)

    async def _start(
        self, kind: TransferKind, experiment: str, directory: str, options: Mapping[str, object]
    ) -> Transfer:
        values = {"name": experiment, "dir": directory, "json": json_text(options, "the options")}
        return await self._call(_STARTS[kind], values, _one(kind))

    async def stop_transfer(self, transfer: Transfer) -> None:
        """Ask DM to stop a DAQ (by experiment and directory) or an upload (by id); DM may need time to do it."""
        if transfer.kind is TransferKind.DAQ:
            values = {"name": transfer.experiment, "dir": transfer.directory}
            await self._call("stopDaq", values, json_reader)
        else:
            await self._call("stopUpload", {"id": transfer.id}, json_reader)

    async def transfers(self, kind: TransferKind) -> Sequence[Transfer]:
        """Every DAQ or upload that DM lists, running and finished."""
        convert = partial(transfer_of, kind=kind)
        return await self._call(
            _LISTS[kind], {}, lambda what: RowsReader(what, TransferRecord, convert, lambda found: found.id)
        )

    async def transfer(self, kind: TransferKind, transfer_id: str) -> Transfer:
        """One DAQ or upload; raises `DmNotFoundError`."""
        return await self._call(_GETS[kind], {"id": transfer_id}, _one(kind))


def _one(kind: TransferKind) -> Callable[[str], ObjectReader[Transfer]]:
    return lambda what: ObjectReader(what, partial(full_transfer, kind=kind))
