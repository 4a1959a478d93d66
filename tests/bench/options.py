"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """``quick`` ones only show that everything runs."""

    rounds: int = 7
    operations: int = 300
    """Gets, puts or monitor events of one kind in a round."""
    copy_rounds: int = 3
    large_mb: int = 512
    """Size of each of four large files; 0: none are copied."""
    small_files: int = 10_000
    lists_s: float = 10.0
    """How long gets are timed during lists."""
    list_rounds: int = 2
    jobs: int = 5000
    requests_s: float = 7.0
    job_runs: int = 15
    idle_s: float = 10.0
    starts: int = 5


QUICK = Options(
    rounds=2,
    operations=30,
    copy_rounds=1,
    large_mb=8,
    small_files=200,
    lists_s=2.0,
    list_rounds=1,
    jobs=500,
    requests_s=2.0,
    job_runs=3,
    idle_s=2.0,
    starts=2,
)
