"""What plans answer: how things in DM stood when the plan ended, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dmioc.model import Status


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """A job.

    Attributes:
        job_id: DM's id; empty when no job was started.
        workflow: its workflow.
        slot: the workflow slot that follows it, e.g. ``WF1``.
        status: the status word (``pv-contract.md §1``); a job that was not waited for may still run.
        stage: the stage at work, or the last one.
        error: what went wrong, in DM's words; empty for a job that is Done.
        run_time_s: from its start to its end, or to now.
        attached: whether the job ran before: the same request id started it.
    """

    job_id: str
    workflow: str
    slot: str
    status: str
    stage: str = ""
    error: str = ""
    run_time_s: float = 0.0
    attached: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it has ended well."""
        return self.status == Status.DONE.value


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """A DAQ or an upload.

    Attributes:
        id: DM's id.
        slot: the slot that follows it, e.g. ``DAQ1``.
        status: the status word.
        experiment: the experiment that it copies into.
        directory: the directory that it copies from; of an upload, the file or directory.
        dest_directory: where in the experiment.
        files_total, files_done, files_waiting, files_failed: counts of files.
        error: what went wrong, in DM's words.
        attached: whether the DAQ ran before the plan.
    """

    id: str
    slot: str
    status: str
    experiment: str
    directory: str
    dest_directory: str = ""
    files_total: int = 0
    files_done: int = 0
    files_waiting: int = 0
    files_failed: int = 0
    error: str = ""
    attached: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it has ended well."""
        return self.status == Status.DONE.value


@dataclass(frozen=True, slots=True)
class SetupOutcome:
    """What `setup_user` did.

    Attributes:
        experiment: the name of the experiment in use.
        state: ``Loaded``, or ``Unverified`` while DM does not answer.
        daq: the DAQ of the data directory; None when none was asked for, or DM does not answer.
        upload: the upload of the file; None as for the DAQ.
        warnings: what could not be done because DM does not answer, one line each.
    """

    experiment: str
    state: str
    daq: TransferOutcome | None = None
    upload: TransferOutcome | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataOutcome:
    """One dataset of DM's catalog; with ``error`` the one that could not be added."""

    run_uid: str
    experiment: str
    dataset: str = ""
    id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """A streaming session.

    Attributes:
        session: its uuid.
        slot: the streaming slot, e.g. ``STR1``.
        state: the state it ended in, e.g. ``Done``.
        job_id: the job behind it; empty when none was started.
        received, processed, missed, errors: the workflow's counts.
        message: the workflow's last words.
        result: the workflow's result; None when it gave none.
        error: why the session ended; empty for Done.
    """

    session: str
    slot: str
    state: str
    job_id: str = ""
    received: int = 0
    processed: int = 0
    missed: int = 0
    errors: int = 0
    message: str = ""
    result: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What `file_based` and `streaming` answer.

    Attributes:
        plan_result: what the acquisition plan returned.
        run_uids: uids of the runs that it made.
        daq: the DAQ that was waited for.
        job: the job that was started.
        stream: the streaming session.
        metadata: the datasets, one for each run.
    """

    plan_result: Any = None
    run_uids: tuple[str, ...] = ()
    daq: TransferOutcome | None = None
    job: JobOutcome | None = None
    stream: StreamOutcome | None = None
    metadata: tuple[MetadataOutcome, ...] = field(default=())
