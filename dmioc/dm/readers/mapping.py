"""From DM's records to the model."""

from __future__ import annotations

import json
from datetime import datetime

import msgspec

from dmioc.dm.readers.bodies import decoded
from dmioc.dm.readers.refusals import one_line
from dmioc.dm.readers.wire import (
    ExperimentRecord,
    JobRecord,
    JobRowRecord,
    NamedRecord,
    Number,
    StageRecord,
    TransferRecord,
    WorkflowRecord,
    keys_of,
)
from dmioc.model import (
    OUTPUT_LENGTH,
    REQUEST_ARGUMENT,
    Experiment,
    Job,
    JobSummary,
    StageRun,
    Status,
    Transfer,
    TransferKind,
    Workflow,
)

_ERRORS_LENGTH = 4096
# Keys of DM's own with text values, besides those of the record (dm-protocol.md §3.2): no metadata of a user.
_EXPERIMENT_KEYS = frozenset(
    {
        *keys_of(ExperimentRecord),
        "updateDate",
        "authGroupName",
        "stationName",
        "systemDirectory",
        "beamlineUserAccount",
        "beamlineAdminAccount",
        "globusGroupId",
    }
)
_JOB_KEYS = frozenset({*keys_of(JobRecord), "submissionTimestamp", "startTimestamp", "endTimestamp"}) - {
    REQUEST_ARGUMENT
}


def number(value: Number, missing: float = 0.0) -> float:
    """The value as a float, also when DM wrote it as text; ``missing`` for none and for a text that is no number."""
    if value is None:
        return missing
    try:
        found = float(value)
    except ValueError:
        return missing
    return found if abs(found) < float("inf") else missing


def _run_time_s(run_time: Number, start_s: float, end_s: float) -> float:
    """DM's own run time, else end minus start, else 0.0: some records have no ``runTime`` (``dm-protocol.md §4.4``)."""
    if run_time is not None:
        return number(run_time)
    return end_s - start_s if start_s and end_s else 0.0


def iso_date(text: str | None) -> str:
    """DM's ``2026-02-13 00:00:00.5-06:00`` as ISO 8601 to the second; a text of another form stays as it is."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text.strip()).isoformat(timespec="seconds")
    except ValueError:
        return text


def _name(record: NamedRecord | None) -> str:
    return (record.name or "") if record else ""


def experiment_of(record: ExperimentRecord, metadata: dict[str, str] | None = None) -> Experiment:
    """An experiment; ``metadata`` are the keys that users added."""
    users = tuple(record.experiment_username_list or ())
    return Experiment(
        name=record.name,
        id=record.id or 0,
        type=_name(record.experiment_type),
        description=record.description or "",
        start_date=iso_date(record.start_date),
        end_date=iso_date(record.end_date),
        created=iso_date(record.create_date),
        root_path=record.root_path or "",
        storage_name=_name(record.primary_storage),
        storage_host=record.storage_host or "",
        storage_url=record.storage_url or "",
        storage_directory=record.storage_directory or "",
        data_directory=record.data_directory or "",
        analysis_directory=record.analysis_directory or "",
        users=users,
        user_count=len(users),
        metadata=metadata or {},
    )


def full_experiment(what: str, body: bytes) -> Experiment:
    """A complete experiment from its JSON text; keys with text that are not DM's own are its metadata (``§3.2``)."""
    record = decoded(what, body, ExperimentRecord)
    content = decoded(what, body, dict[str, object])
    metadata = {key: value for key, value in content.items() if key not in _EXPERIMENT_KEYS and isinstance(value, str)}
    return experiment_of(record, metadata)


def transfer_of(record: TransferRecord, kind: TransferKind) -> Transfer:
    """A DAQ or an upload; what DM did not count is worked out from what it did (``dm-protocol.md §4.4``)."""
    total = int(number(record.count_files, number(record.n_files)))
    # Which of the two counts what is done differs by version and by record: the other one stays 0 or is missing.
    done = int(max(number(record.n_processed_files), number(record.n_completed_files)))
    failed = int(number(record.n_processing_errors))
    start_s, end_s = number(record.start_time), number(record.end_time)
    word = record.status or ""
    return Transfer(
        id=record.id,
        kind=kind,
        experiment=record.experiment_name or "",
        directory=record.data_directory or "",
        destination=record.dest_directory or "",
        status=Status.from_word(word),
        status_word=word,
        files_total=total,
        files_done=done,
        files_waiting=int(number(record.n_waiting_files, max(total - done - failed, 0))),
        files_failed=failed,
        percent=number(record.percentage_complete, 100.0 * done / total if total else 0.0),
        bytes_done=number(record.processed_bytes, -1.0),
        last_file=record.last_file or "",
        start_time_s=start_s,
        end_time_s=end_s,
        run_time_s=_run_time_s(record.run_time, start_s, end_s),
        error=record.error_message or _errors_text(record.processing_errors),
    )


def _errors_text(errors: object) -> str:
    """``processingErrors`` as one line; its shape is unknown, it is only known to be true if there are errors."""
    if not errors:
        return ""
    if isinstance(errors, str):
        return one_line(errors, _ERRORS_LENGTH)
    return one_line(json.dumps(errors, ensure_ascii=False), _ERRORS_LENGTH)


def full_transfer(what: str, body: bytes, kind: TransferKind) -> Transfer:
    """A DAQ or an upload from its JSON text."""
    return transfer_of(decoded(what, body, TransferRecord), kind)


def workflow_of(record: WorkflowRecord) -> Workflow:
    """A workflow; stages in the order in which DM runs them: sorted by the text of their keys (``§6.3``)."""
    stages = tuple(sorted(record.stages or ()))
    return Workflow(record.name, record.owner or "", record.description or "", stages)


def job_summary_of(record: JobRowRecord | JobRecord) -> JobSummary:
    """A row of the job list, or the same of a complete job."""
    start_s, end_s = number(record.start_time), number(record.end_time)
    word = record.status or ""
    return JobSummary(
        id=record.id,
        owner=record.owner or "",
        workflow=(record.workflow.name or "") if record.workflow else "",
        status=Status.from_word(word),
        status_word=word,
        stage=record.stage or "",
        submit_time_s=number(record.submission_time),
        start_time_s=start_s,
        end_time_s=end_s,
        run_time_s=_run_time_s(record.run_time, start_s, end_s),
        error=record.error_message or "",
        request_id=record.request_id if isinstance(record.request_id, str) else "",
    )


def full_job(what: str, body: bytes) -> Job:
    """A complete job from its JSON text.

    Output variables of the workflow stand among the arguments: DM keeps both as top-level keys (``§6.5``).
    """
    record = decoded(what, body, JobRecord)
    content = decoded(what, body, dict[str, msgspec.Raw])
    arguments = {key: decoded(what, bytes(raw), object) for key, raw in content.items() if key not in _JOB_KEYS}
    stages = dict(sorted(((record.workflow.stages or {}) if record.workflow else {}).items()))
    return Job(
        summary=job_summary_of(record),
        stage_names=tuple(stages),
        stage_runs=tuple(run for name, stage in stages.items() for run in _stage_runs(name, stage)),
        arguments=arguments,
        files=int(number(record.count_files)),
    )


def _stage_runs(name: str, stage: StageRecord) -> list[StageRun]:
    """The processes of a stage by their number, which counts over the whole job; one row for a stage that has none."""
    runs = [
        StageRun(
            stage=name,
            process=child.child_process_number if child.child_process_number is not None else _process_number(key),
            status=Status.from_word(child.status or ""),
            exit_status=-1 if child.exit_status is None else child.exit_status,
            run_time_s=_run_time_s(child.run_time, number(child.start_time), number(child.end_time)),
            command=child.command or "",
            std_out=(child.std_out or "")[-OUTPUT_LENGTH:],
            std_err=(child.std_err or "")[-OUTPUT_LENGTH:],
        )
        for key, child in (stage.child_processes or {}).items()
    ]
    if not runs:
        status = Status.from_word(stage.status) if stage.status else Status.IDLE
        return [StageRun(stage=name, status=status, command=stage.command or "")]
    return sorted(runs, key=lambda run: run.process)


def _process_number(key: str) -> int:
    return int(key) if key.isdecimal() else 0
