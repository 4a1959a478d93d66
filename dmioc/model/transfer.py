"""A DAQ or an upload: files on their way into an experiment's storage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dmioc.model.status import Status


class TransferKind(Enum):
    """Which of DM's two ways of transfer it is."""

    DAQ = "daq"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One DAQ or upload as DM reports it (``dm-protocol.md §4.4, §5``).

    Times are POSIX seconds UTC, 0.0 where DM gave none; ``run_time_s`` is DM's own or end minus start;
    ``bytes_done`` is -1 where DM does not count bytes (no known DM does; localdm does).
    """

    id: str
    kind: TransferKind
    experiment: str
    directory: str
    destination: str = ""
    status: Status = Status.UNKNOWN
    status_word: str = ""
    files_total: int = 0
    files_done: int = 0
    files_waiting: int = 0
    files_failed: int = 0
    percent: float = 0.0
    bytes_done: float = -1.0
    last_file: str = ""
    start_time_s: float = 0.0
    end_time_s: float = 0.0
    run_time_s: float = 0.0
    error: str = ""
