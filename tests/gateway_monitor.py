"""What a monitor of one of the gateway's PVs saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from client_timeouts import ANSWER_TIMEOUT_S
from waiting import wait_until


@dataclass(frozen=True)
class Event:
    """One update: value, alarm severity 0 to 3, POSIX time stamp."""

    value: Any
    severity: int
    time_s: float


@contextmanager
def watched(name: str) -> Iterator[list[Event]]:
    """Every update of a PV (full name) from now on, the one at the start included."""
    import epics

    seen: list[Event] = []

    def take(value: Any, severity: int, timestamp: float, **_: Any) -> None:
        seen.append(Event(value, severity, timestamp))

    pv = epics.PV(name, auto_monitor=True, callback=take)
    try:
        assert pv.wait_for_connection(timeout=ANSWER_TIMEOUT_S), f"{name} is not found"
        wait_until(lambda: seen, what=f"first update of {name}")
        yield seen
    finally:
        pv.disconnect()


def values(seen: list[Event], from_severity: int = 0, to_severity: int = 2) -> list[Any]:
    """The values of the updates whose severity lies in the range; INVALID ones are left out by default."""
    return [event.value for event in list(seen) if from_severity <= event.severity <= to_severity]
