"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """Implements `dmioc.engine.ports.Clock` by the system's time."""

    def now_s(self) -> float:
        """POSIX seconds UTC."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()
