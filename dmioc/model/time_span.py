"""When something began and ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """POSIX seconds of a beginning and an end, 0.0 for one that has not been or is not known."""

    start_time_s: float = 0.0
    end_time_s: float = 0.0
