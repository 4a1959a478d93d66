"""A job as its slot shows it, and its report: pure functions of what DM said and of time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmioc.catalogue.workflows import OUTPUT_BYTES, REPORT_BYTES
from dmioc.engine.projection import ShownTimes, fit, iso8601, last_bytes
from dmioc.engine.readings import Alarm
from dmioc.model import Job, Severity, StageRun, Status

if TYPE_CHECKING:
    from dmioc.engine.projection import Alarms

_LAST_LINE_CHARACTERS = 200
_NO_RUN = StageRun("")


@dataclass(frozen=True, slots=True)
class JobView(ShownTimes):
    """What the readbacks of a workflow slot show; the attributes are the sources that the catalogue names."""

    status: Status = Status.IDLE
    status_word: str = ""
    id: str = ""
    attached: int = 0
    workflow: str = ""
    owner: str = ""
    args: str = ""
    stage: str = ""
    stage_index: int = 0
    stage_count: int = 0
    percent: float = 0.0
    submit_time: str = ""
    submit_time_s: float = 0.0
    exit_status: int = -1
    command: str = ""
    std_out: str = ""
    std_err: str = ""
    error: str = ""
    files: int = 0
    report: str = ""
    alarms: Alarms = field(default_factory=dict[str, tuple[Severity, Alarm]])


def run_time_s(job: Job, now_s: float) -> float:
    """Seconds from the start of the job to its end or now; DM's own figure once it is finished."""
    summary = job.summary
    if not summary.start_time_s:
        return 0.0
    if summary.status.is_finished:
        return summary.run_time_s or max(summary.end_time_s - summary.start_time_s, 0.0)
    return max(now_s - summary.start_time_s, 0.0)


def error_text(job: Job) -> str:
    """What went wrong, in one line; DM gives no message when a command fails (``dm-protocol.md §6.5``)."""
    if job.summary.error or job.summary.status is not Status.FAILED:
        return job.summary.error
    failed = next((run for run in reversed(job.stage_runs) if run.status is Status.FAILED), None)
    if failed is None:
        return f"failed in stage {job.summary.stage}" if job.summary.stage else ""
    lines = failed.std_err.strip().splitlines()
    reason = f": {lines[-1][:_LAST_LINE_CHARACTERS]}" if lines else ""
    return f"stage {failed.stage}, process {failed.process}: exit status {failed.exit_status}{reason}"


def stages_done(job: Job) -> int:
    """How many stages of the workflow have ended."""
    if job.summary.status is Status.DONE:
        return len(job.stage_names)
    if job.summary.stage in job.stage_names:
        return job.stage_names.index(job.summary.stage)
    return 0


def job_view(job: Job, *, attached: bool, report: str, now_s: float, still: bool) -> JobView:
    """What a slot shows of a job.

    Args:
        job: what DM said last.
        attached: whether it ran before the slot's Start.
        report: the last report.
        now_s: POSIX seconds.
        still: whether it has made no progress for so long that it is an alarm.
    """
    summary = job.summary
    last = next((run for run in reversed(job.stage_runs) if run.process >= 0), _NO_RUN)
    count = len(job.stage_names)
    in_stages = summary.stage in job.stage_names
    times = (summary.end_time_s, summary.start_time_s, summary.submit_time_s)
    return JobView(
        status=summary.status,
        status_word=summary.status_word,
        id=summary.id,
        attached=int(attached),
        workflow=summary.workflow,
        owner=summary.owner,
        args=json.dumps(job.arguments, ensure_ascii=False, default=str) if job.arguments else "",
        stage=summary.stage,
        stage_index=job.stage_names.index(summary.stage) + 1 if in_stages else 0,
        stage_count=count,
        percent=round(100.0 * stages_done(job) / count, 1) if count else 0.0,
        submit_time=iso8601(summary.submit_time_s),
        submit_time_s=summary.submit_time_s,
        start_time_s=summary.start_time_s,
        end_time_s=summary.end_time_s,
        event_time_s=next((time_s for time_s in times if time_s), 0.0),
        run_time_s=round(run_time_s(job, now_s), 1 if summary.status.is_active else 3),
        exit_status=last.exit_status,
        command=fit(last.command, OUTPUT_BYTES),
        std_out=last_bytes(last.std_out, OUTPUT_BYTES),
        std_err=last_bytes(last.std_err, OUTPUT_BYTES),
        error=error_text(job),
        files=job.files,
        report=report,
        alarms={"status": (Severity.MAJOR, Alarm.TIMEOUT)} if still and summary.status.is_active else {},
    )


def report_text(job: Job, concise: bool, now_s: float) -> str:
    """The report on a job: one line on the whole and, unless concise, an aligned table of its stages."""
    summary = job.summary
    place = f", stage {summary.stage}" if summary.stage else ""
    head = f"{summary.workflow} {summary.id}: {summary.status.value}{place}, {run_time_s(job, now_s):.1f} s"
    error = error_text(job)
    lines = [f"{head}: {error}" if error else head]
    if not concise:
        lines += _stage_table(job)
    return fit("\n".join(lines), REPORT_BYTES)


def _stage_table(job: Job) -> list[str]:
    rows = [("stage", "process", "status", "exit", "time s", "output")]
    for run in job.stage_runs:
        output = (run.std_err or run.std_out).strip().splitlines()
        rows.append(
            (
                run.stage,
                str(run.process) if run.process >= 0 else "-",
                run.status.value,
                str(run.exit_status) if run.process >= 0 else "-",
                f"{run.run_time_s:.1f}",
                output[-1][:_LAST_LINE_CHARACTERS] if output else "",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5])).rstrip()
        for row in rows
    ]
