"""Workflows and processing jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dmioc.model.status import Status

REQUEST_ARGUMENT = "dmiocRequestId"
"""Argument that every job of ours carries; DM echoes arguments in the job record (``dm-protocol.md §6.5``)."""

OUTPUT_LENGTH = 16384
"""Characters that are kept of an output: they stand in memory several times, in every slot and for every client of a table."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow DM knows: steps that process data (``dm-protocol.md §6.3``)."""

    name: str
    owner: str
    description: str = ""
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageRun:
    """One child process of one stage, or a stage that has none yet (``process`` is then -1).

    ``exit_status`` is -1 until the process has ended; ``run_time_s`` is 0.0 until then. ``std_out`` and ``std_err`` are the
    ends of what it wrote, at most `OUTPUT_LENGTH` characters each.
    """

    stage: str
    process: int = -1
    status: Status = Status.IDLE
    exit_status: int = -1
    run_time_s: float = 0.0
    command: str = ""
    std_out: str = ""
    std_err: str = ""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One row of the job list; times are POSIX seconds UTC, 0.0 where DM gave none (``dm-protocol.md §6.5``).

    ``request_id`` is the argument `REQUEST_ARGUMENT` if the job carries one.
    """

    id: str
    owner: str = ""
    workflow: str = ""
    status: Status = Status.UNKNOWN
    status_word: str = ""
    stage: str = ""
    submit_time_s: float = 0.0
    start_time_s: float = 0.0
    end_time_s: float = 0.0
    run_time_s: float = 0.0
    error: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a workflow, complete.

    ``stage_names`` holds every stage of the workflow in the order of execution (sorted by key), also those not reached;
    ``stage_runs`` the child processes in the order in which they were started; ``arguments`` what was submitted.
    """

    summary: JobSummary
    stage_names: tuple[str, ...] = ()
    stage_runs: tuple[StageRun, ...] = ()
    arguments: dict[str, object] = field(default_factory=dict[str, object])
    files: int = 0
