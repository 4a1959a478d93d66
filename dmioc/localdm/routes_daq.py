"""Handlers of the data acquisition service DAQ (``dm-protocol.md §4, §5``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dmioc.localdm.answers import InvalidRequest
from dmioc.localdm.calls import Call, Handlers, at_once, in_thread

Record = dict[str, Any]


class TransferService(Protocol):
    """DAQs and uploads as the handlers need them; all but `upload_records` are called from the event loop and quick."""

    async def start_daq(self, experiment: str, directory: str, info: dict[str, Any]) -> Record:
        """Start a DAQ; raises `ObjectNotFound`, `InvalidArgument`, `InvalidRequest`."""
        ...

    async def stop_daq(self, experiment: str, directory: str) -> Record:
        """Ask a DAQ to stop; raises `ObjectNotFound`."""
        ...

    def daqs(self) -> Sequence[Record]:
        """Every DAQ, running and finished."""
        ...

    def daq(self, id: str) -> Record:
        """One DAQ; raises `ObjectNotFound`."""
        ...

    def clear_daq(self, id: str) -> Record:
        """Forget a finished DAQ; raises `ObjectNotFound`, `InvalidObjectState`."""
        ...

    async def start_upload(self, experiment: str, directory: str, info: dict[str, Any]) -> Record:
        """Start an upload; raises as `start_daq`."""
        ...

    async def stop_upload(self, id: str) -> Record:
        """Ask an upload to stop; raises `ObjectNotFound`."""
        ...

    def uploads(self) -> Sequence[Record]:
        """Every upload, running and finished."""
        ...

    def upload(self, id: str) -> Record:
        """One upload; raises `ObjectNotFound`."""
        ...

    def clear_upload(self, id: str) -> Record:
        """Forget a finished upload; raises `ObjectNotFound`, `InvalidObjectState`."""
        ...

    def upload_records(self, query: dict[str, Any]) -> Sequence[Record]:
        """History of uploads that fit a query; blocks."""
        ...


class TransferRoutes:
    """DAQs and uploads."""

    def __init__(self, transfers: TransferService) -> None:
        self._transfers = transfers

    def handlers(self) -> Handlers:
        """The handlers by endpoint."""
        return {
            "startDaq": self._start_daq,
            "stopDaq": self._stop_daq,
            "listDaqs": at_once(lambda call: self._transfers.daqs()),
            "getDaqInfo": at_once(lambda call: self._transfers.daq(call.text("id"))),
            "clearDaq": at_once(lambda call: self._transfers.clear_daq(call.text("id"))),
            "upload": self._upload,
            "stopUpload": self._stop_upload,
            "listUploads": at_once(lambda call: self._transfers.uploads()),
            "getUploadInfo": at_once(lambda call: self._transfers.upload(call.text("id"))),
            "clearUpload": at_once(lambda call: self._transfers.clear_upload(call.text("id"))),
            "listUploadRecords": in_thread(lambda call: self._transfers.upload_records(call.document("queryDict"))),
            "listProcessingPlugins": at_once(lambda call: []),
            "isolateExperiment": at_once(_refuse_isolation),
            "isConfiguredForIsolation": at_once(lambda call: False),
        }

    async def _start_daq(self, call: Call) -> object:
        info = call.document("taskInfo")
        return await self._transfers.start_daq(call.needed("name"), call.needed("directory"), info)

    async def _stop_daq(self, call: Call) -> object:
        return await self._transfers.stop_daq(call.needed("name"), call.needed("directory"))

    async def _upload(self, call: Call) -> object:
        info = call.document("taskInfo")
        return await self._transfers.start_upload(call.needed("name"), call.needed("directory"), info)

    async def _stop_upload(self, call: Call) -> object:
        return await self._transfers.stop_upload(call.text("id"))


def _refuse_isolation(call: Call) -> object:
    raise InvalidRequest(f"Beamline {call.text('beamline')} is not configured for isolation: localdm has none.")
