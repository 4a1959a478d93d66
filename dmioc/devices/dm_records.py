"""DM's own records with the few methods of the vendor's objects that users call (``dm-protocol.md §2.4``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dmioc.devices.rpc import StationRpc
from dmioc.model.record import RecordKind


class DmRecord(dict[str, Any]):
    """A record of DM: a dictionary with DM's keys, and what the vendor's objects have besides."""

    DEFAULT_KEY_LIST: ClassVar[Sequence[str]] = ("id", "name", "status")
    """Keys that DM's own tools print when they are not told which."""

    @property
    def data(self) -> dict[str, Any]:
        """The record as a plain dictionary."""
        return dict(self)

    def getDictRep(self, keyList: str | Sequence[str] = "ALL") -> dict[str, Any]:  # noqa: N802, N803  # DM's names
        """The record as a plain dictionary: all of it, the keys of a list, or for ``DEFAULT`` those of `DEFAULT_KEY_LIST`."""
        if keyList == "ALL":
            return dict(self)
        keys = self.DEFAULT_KEY_LIST if keyList == "DEFAULT" else keyList
        return {key: self[key] for key in keys if key in self}


class DmExperiment(DmRecord):
    """An experiment (``dm-protocol.md §3.2``)."""

    DEFAULT_KEY_LIST = ("id", "name", "experimentTypeId", "experimentStationId", "startDate", "endDate")


class DmTransfer(DmRecord):
    """A DAQ or an upload (``dm-protocol.md §4.4``); ``errorMessage`` is always there."""

    DEFAULT_KEY_LIST = ("id", "experimentName", "dataDirectory", "status", "nProcessedFiles", "nProcessingErrors")

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__({"errorMessage": "", **record})


class DmJob(DmRecord):
    """A processing job (``dm-protocol.md §6.5``)."""

    DEFAULT_KEY_LIST = ("id", "owner", "status", "startTime", "endTime", "runTime", "errorMessage")

    def getWorkflowStage(self, stageId: str) -> dict[str, Any]:  # noqa: N802, N803  # DM's names
        """One stage with its ``childProcesses``; raises `KeyError` for a stage that the workflow does not have."""
        return self["workflow"]["stages"][stageId]


_CLASSES: Mapping[RecordKind, type[DmRecord]] = {
    RecordKind.EXPERIMENT: DmExperiment,
    RecordKind.DAQ: DmTransfer,
    RecordKind.UPLOAD: DmTransfer,
    RecordKind.JOB: DmJob,
}


def one_record(rpc: StationRpc, kind: RecordKind, name: str, **arguments: str) -> Any:
    """DM's record of one object, by its name, id or (a file) path; raises as `StationRpc.call`."""
    answer = rpc.call("record", kind=kind.value, name=name, **arguments)
    return _CLASSES.get(kind, DmRecord)(json.loads(answer["JSON"]))


def all_records(rpc: StationRpc, kind: RecordKind, **arguments: str) -> list[Any]:
    """DM's records of one kind, in DM's order; raises as `StationRpc.call`."""
    answer = rpc.call("records", kind=kind.value, **arguments)
    return [_CLASSES.get(kind, DmRecord)(record) for record in json.loads(answer["JSON"])]
