"""Jobs of the gateway in DM's keys, and the stages of one as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dmioc.devices.apstools_words import status_word
from dmioc.devices.dm_records import DmJob
from dmioc.devices.text_table import text_table

_LABELS = ("stage_id", "process", "processTime", "status", "runTime", "exitStatus", "stdOut", "stdErr")
_TIMES = (("submission", "submitted"), ("start", "started"), ("end", "ended"))


def job_rows(rows: Sequence[Mapping[str, Any]]) -> list[DmJob]:
    """Jobs from rows of ``JOB:List`` (newest first), oldest first as DM lists them, with DM's keys (``dm-protocol.md §6.5``)."""
    return [_job(row) for row in reversed(rows)]


def _job(row: Mapping[str, Any]) -> DmJob:
    found = {
        "id": row["id"],
        "workflow": {"name": row["workflow"]},
        "status": status_word(row["status"]),
        "stage": row["stage"],
        "runTime": row["runTime"],
        "errorMessage": row["error"],
    }
    for key, column in _TIMES:
        if row[column]:
            found |= {f"{key}Timestamp": row[column], f"{key}Time": datetime.fromisoformat(row[column]).timestamp()}
    return DmJob(found)


def stages_report(job: Mapping[str, Any], truncate: int, elapsed_s: float) -> str:
    """A line on the job and a table of its processes.

    Args:
        job: DM's record.
        truncate: so many characters of each output.
        elapsed_s: since it was started.
    """
    workflow: Mapping[str, Any] = job.get("workflow") or {}
    rows: list[tuple[object, ...]] = []
    stages: Mapping[str, Mapping[str, Any]] = workflow.get("stages") or {}
    for stage_id, stage in sorted(stages.items()):
        processes: Mapping[str, Mapping[str, Any]] = stage.get("childProcesses") or {"": {}}
        rows += [_row(stage_id, key, process, truncate) for key, process in processes.items()]
    head = f"{workflow.get('description', '')!r} workflow={workflow.get('name', '')!r} id={job['id'][:8]!r}"
    return f"{head} elapsed={elapsed_s:.1f}s\n{text_table(_LABELS, rows)}"


def _row(stage_id: str, key: str, process: Mapping[str, Any], truncate: int) -> tuple[object, ...]:
    submitted_s, ended_s = process.get("submitTime"), process.get("endTime")
    taken_s = max(ended_s - submitted_s, 0.0) if submitted_s and ended_s else 0.0
    outputs = (str(process.get(name, "")).strip()[:truncate] for name in ("stdOut", "stdErr"))
    run_time_s = round(process.get("runTime") or 0.0, 4)
    return (
        stage_id,
        key,
        round(taken_s, 3),
        process.get("status", ""),
        run_time_s,
        process.get("exitStatus", ""),
        *outputs,
    )
