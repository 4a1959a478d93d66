"""A DAQ or an upload as its slot shows it: pure functions of what DM said and of time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dmioc.engine.projection import ShownTimes
from dmioc.engine.readings import Alarm
from dmioc.model import Severity, Status, Transfer, TransferKind

if TYPE_CHECKING:
    from dmioc.engine.projection import Alarms

RATE_WINDOW_S = 5.0


@dataclass(frozen=True, slots=True)
class TransferView(ShownTimes):
    """What the readbacks of a slot show; the attributes are the sources that the catalogue names."""

    status: Status = Status.IDLE
    status_word: str = ""
    id: str = ""
    attached: int = 0
    experiment: str = ""
    directory: str = ""
    source_path: str = ""
    destination: str = ""
    files_total: int = 0
    files_done: int = 0
    files_waiting: int = 0
    files_failed: int = 0
    percent: float = 0.0
    rate: float = 0.0
    bytes_done: float = 0.0
    last_file: str = ""
    error: str = ""
    alarms: Alarms = field(default_factory=dict[str, tuple[Severity, Alarm]])


@dataclass(frozen=True, slots=True)
class Limits:
    """When nothing happening is an alarm; seconds."""

    no_files_after_s: float
    no_progress_after_s: float


def judged(transfer: Transfer) -> Transfer:
    """The transfer with the state that the contract gives it (``pv-contract.md §5``).

    An upload that DM calls done is Failed when it stored no file or when files failed, with the reason; a DAQ stays as it is.
    """
    if transfer.kind is not TransferKind.UPLOAD or transfer.status is not Status.DONE:
        return transfer
    if transfer.files_failed:
        error = transfer.error or f"{transfer.files_failed} of {transfer.files_total} files failed"
        return replace(transfer, status=Status.FAILED, error=error)
    if transfer.files_total == 0:
        return replace(transfer, status=Status.FAILED, error=transfer.error or "no files were uploaded")
    return transfer


def transfer_view(
    transfer: Transfer,
    *,
    source_path: str,
    attached: bool,
    rate: float,
    now_s: float,
    still_for_s: float,
    limits: Limits,
) -> TransferView:
    """What a slot shows of a transfer that was `judged`.

    Args:
        transfer: what DM said last.
        source_path: path as it was put, of an upload.
        attached: whether it ran before the slot's Start.
        rate: files stored per second.
        now_s: POSIX seconds.
        still_for_s: seconds since a count last changed.
        limits: when standing still is an alarm.
    """
    active = transfer.status.is_active
    end_s = transfer.end_time_s or now_s
    run_time_s = transfer.run_time_s or (end_s - transfer.start_time_s if transfer.start_time_s else 0.0)
    return TransferView(
        status=transfer.status,
        status_word=transfer.status_word,
        id=transfer.id,
        attached=int(attached),
        experiment=transfer.experiment,
        directory=transfer.directory,
        source_path=source_path or transfer.directory,
        destination=transfer.destination,
        files_total=transfer.files_total,
        files_done=transfer.files_done,
        files_waiting=transfer.files_waiting,
        files_failed=transfer.files_failed,
        percent=transfer.percent,
        rate=round(rate, 2) if active else 0.0,
        bytes_done=transfer.bytes_done,
        last_file=transfer.last_file,
        start_time_s=transfer.start_time_s,
        end_time_s=transfer.end_time_s,
        event_time_s=transfer.end_time_s or (transfer.start_time_s if active else 0.0),
        run_time_s=round(max(run_time_s, 0.0), 1),
        error=transfer.error,
        alarms=_alarms(transfer, run_time_s, still_for_s, limits),
    )


def _alarms(transfer: Transfer, run_time_s: float, still_for_s: float, limits: Limits) -> Alarms:
    alarms: dict[str, tuple[Severity, Alarm]] = {}
    active = transfer.status.is_active
    if transfer.files_failed:
        alarms["files_failed"] = (Severity.MINOR, Alarm.STATE)
        if active or transfer.status is Status.DONE:
            alarms["status"] = (Severity.MINOR, Alarm.STATE)
    if active and transfer.files_waiting and still_for_s > limits.no_progress_after_s:
        alarms["status"] = (Severity.MAJOR, Alarm.TIMEOUT)
    daq_runs = transfer.kind is TransferKind.DAQ and transfer.status is Status.RUNNING
    if daq_runs and transfer.files_total == 0 and run_time_s > limits.no_files_after_s:
        alarms["files_total"] = (Severity.MINOR, Alarm.STATE)
    return alarms


class Rate:
    """Files stored per second over the last seconds, and how long the counts have stood still."""

    def __init__(self, now_s: float) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._counts: tuple[int, int, int, float] | None = None
        self._changed_s = now_s

    def add(self, now_s: float, transfer: Transfer) -> None:
        """Take the counts of one answer; ``now_s`` on a monotonic clock."""
        counts = (transfer.files_total, transfer.files_done, transfer.files_failed, transfer.bytes_done)
        if counts != self._counts:
            self._counts = counts
            self._changed_s = now_s
        self._seen.append((now_s, transfer.files_done))
        while len(self._seen) > 2 and now_s - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()

    def per_second(self) -> float:
        """Files per second between the first and the last answer of the window."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return max(last - first, 0) / (last_s - first_s) if last_s > first_s else 0.0

    def still_for_s(self, now_s: float) -> float:
        """Seconds since a count last changed."""
        return now_s - self._changed_s
