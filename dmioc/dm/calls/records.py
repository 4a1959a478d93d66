"""DM's own records as they came, for clients that know DM's keys (``dm-protocol.md §3.2, §4.4, §6.3, §6.5, §7.1``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dmioc.dm.calls.base import Calls
from dmioc.dm.readers.bodies import ObjectReader, RowsReader, decoded
from dmioc.errors import DmNotFoundError
from dmioc.model.record import RecordKind

_LISTS = {
    RecordKind.EXPERIMENT: "getExperimentsByStation",
    RecordKind.DAQ: "listDaqs",
    RecordKind.UPLOAD: "listUploads",
    RecordKind.WORKFLOW: "listWorkflows",
}
_Record = dict[str, Any]


class RecordCalls(Calls):
    """The records of `dmioc.engine.ports.DmBackend`."""

    async def record(
        self, kind: RecordKind, name: str, *, owner: str = "", experiment: str = ""
    ) -> Mapping[str, object]:
        """One record by DM's name, id or (a file) path of it; raises `DmNotFoundError`.

        ``owner`` is needed for workflows and jobs, ``experiment`` for files.
        """
        method, values = {
            RecordKind.EXPERIMENT: ("getExperimentByName", {"name": name}),
            RecordKind.DAQ: ("getDaqInfo", {"id": name}),
            RecordKind.UPLOAD: ("getUploadInfo", {"id": name}),
            RecordKind.WORKFLOW: ("getWorkflowByName", {"owner": owner, "name": name}),
            RecordKind.JOB: ("getProcessingJobById", {"owner": owner, "id": name}),
            RecordKind.FILE: ("getExperimentFile", {"name": experiment, "path": name}),
        }[kind]
        # A file that is not there yet is what clients wait for.
        return await self._call(method, values, _one, is_question=kind is RecordKind.FILE)

    async def records(self, kind: RecordKind, *, owner: str = "") -> Sequence[Mapping[str, object]]:
        """Every experiment, DAQ or upload of the station, or workflow of an owner, in DM's order."""
        values = {"owner": owner, "query": "{}"} if kind is RecordKind.WORKFLOW else {}
        key = "name" if kind in (RecordKind.EXPERIMENT, RecordKind.WORKFLOW) else "id"
        return await self._call(_LISTS[kind], values, _rows(key))

    async def file_ready(self, experiment: str, path: str) -> bool:
        """Whether DM calls a stored file ready for processing; False while there is none (``dm-protocol.md §7.4``)."""
        values = {"name": experiment, "path": path}
        try:
            found = await self._call("statFile", values, _one, is_question=True)
        except DmNotFoundError:
            return False
        return found.get("readyForProcessing") is True


def _one(what: str) -> ObjectReader[_Record]:
    return ObjectReader(what, lambda what, body: decoded(what, body, _Record))


def _rows(key: str) -> Callable[[str], RowsReader[_Record, _Record]]:
    return lambda what: RowsReader(what, _Record, lambda record: record, lambda record: str(record.get(key)))
