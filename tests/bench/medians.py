"""The median time of one operation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

WARM_UP = 10


def median_ms(operation: Callable[[int], object], count: int) -> float:
    """Median time of so many, after some that are not counted; the operation gets the number of its turn."""
    for turn in range(min(WARM_UP, count)):
        operation(turn)
    times = []
    for turn in range(count):
        began = time.perf_counter()
        operation(turn)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)
