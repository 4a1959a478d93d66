"""What the processing service is told at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Limits and places of processing jobs.

    Attributes:
        scratch_directory: A stage without ``workingDir`` runs in ``scratch_directory/<job id>``, made when needed.
        max_running_jobs: Jobs at work side by side; others stay ``pending``, first come first served.
        max_parallel_files: Processes side by side in a stage that is run once per file (``parallelExec``).
        max_files: Most files one job or stage may name.
        max_output_bytes: Kept of each output of each process: the last bytes.
        max_job_output_bytes: Kept of all outputs of a job; beyond it the oldest are emptied first.
        abort_grace_s: Time between SIGTERM and SIGKILL when a job is aborted.
        output_drain_s: How long output is awaited after the shell of a stage has ended and left something behind.
        regex_limit_s: Longest search of one stage's ``outputVariableRegexList``.
        write_period_s: Shortest time between two writes of changed records.
        stop_grace_s: Time between SIGTERM and SIGKILL in `Jobs.stop`.
        environment: Added to what a stage inherits, e.g. the EPICS addresses and ``DMIOC_PREFIX``.
    """

    scratch_directory: Path
    max_running_jobs: int = 4
    max_parallel_files: int = 4
    max_files: int = 10_000
    max_output_bytes: int = 262_144
    max_job_output_bytes: int = 8_388_608
    abort_grace_s: float = 5.0
    output_drain_s: float = 1.0
    regex_limit_s: float = 2.0
    write_period_s: float = 0.05
    stop_grace_s: float = 1.0
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
