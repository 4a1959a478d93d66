"""DAQs and uploads as clients see them: DM's records (``dm-protocol.md §4.4, §5``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from dmioc.localdm.ports import Places
from dmioc.localdm.transfers.file_table import FileTable
from dmioc.localdm.transfers.task_info import TaskInfo
from dmioc.localdm.wire import local_timestamp

DAQ, UPLOAD = "daq", "upload"
RUNNING, DONE, FAILED, ABORTING, ABORTED = "running", "done", "failed", "aborting", "aborted"
ACTIVE_STATUSES = frozenset((RUNNING, ABORTING))
NOTHING_NEW = "no new files for upload"


@dataclass(slots=True)
class TransferRecord:
    """One DAQ or upload: what was asked for, and how far it is apart from its files. Times are POSIX seconds."""

    number: int
    id: str
    kind: str
    experiment: str
    directory: str
    info: Mapping[str, object]
    task: TaskInfo
    places: Places
    owner: str
    started_ns: int
    status: str = RUNNING
    stopping: bool = False
    baseline_known: bool = False
    ended_s: float | None = None
    error_message: str = ""
    problems: dict[str, str] = field(default_factory=dict[str, str])
    """What went wrong apart from single files, by what it concerns."""

    @property
    def started_s(self) -> float:
        """When it was started."""
        return self.started_ns / 1e9

    @property
    def target_root(self) -> str:
        """The experiment's directory below which files are put: data, or analysis."""
        places = self.places
        return str(places.analysis_directory if self.task.analysis_root else places.data_directory)

    @property
    def target(self) -> str:
        """The directory that corresponds to the source directory."""
        return f"{self.target_root}/{self.task.destination}".rstrip("/")

    @property
    def staging(self) -> str:
        """The hidden directory for temporary names, on the file system of the target."""
        return f"{self.target_root}/.dmioc-{self.id}"

    def catalog_path(self, path: str) -> str:
        """The catalog's path of a file of the source: below data/, or ``analysis/`` and the path below analysis/."""
        inside = f"{self.task.destination}/{path}" if self.task.destination else path
        return f"analysis/{inside}" if self.task.analysis_root else inside

    def as_dict(self, table: FileTable, skipped: int, errors_kept: int) -> dict[str, object]:
        """The record with the counts of its files, keys as in ``dm-protocol.md §4.4``; taskInfo keys are echoed."""
        now_s = time.time() if self.ended_s is None else self.ended_s
        texts = chain(
            (f"{about}: {text}" for about, text in self.problems.items()),
            (f"{path}: {text}" for path, text in table.errors.items()),
        )
        record: dict[str, object] = {
            **self.info,
            "id": self.id,
            "experimentName": self.experiment,
            "experimentStationName": self.places.station,
            "dataDirectory": self.directory,
            "status": self.status,
            "countFiles": table.seen,
            "nProcessedFiles": table.processed,
            "nCompletedFiles": table.processed,
            "nWaitingFiles": table.waiting,
            "nProcessingErrors": table.failed + len(self.problems),
            "processingErrors": list(islice(texts, errors_kept)),
            "percentageComplete": round(100.0 * table.processed / table.seen, 2) if table.seen else 100.0,
            "startTime": self.started_s,
            "startTimestamp": local_timestamp(self.started_s),
            "runTime": max(0.0, now_s - self.started_s),
            "storageDirectory": self.target_root,
            "storageHost": self.places.storage_host,
            "storageUrl": self.places.storage_url,
            "workflowJobOwner": self.task.workflow_job_owner or self.owner,
            "processedBytes": table.processed_bytes,
            "lastFile": f"{self.task.destination}/{table.last_file}".lstrip("/") if table.last_file else "",
            "filesSkipped": skipped,
        }
        if self.ended_s is not None:
            record["endTime"] = self.ended_s
            record["endTimestamp"] = local_timestamp(self.ended_s)
        if self.error_message:
            record["errorMessage"] = self.error_message
        return record
