"""What is known of each PV now, and whether it may be believed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from dmioc.model import Severity

Columns = Mapping[str, tuple[str, ...] | tuple[int, ...] | tuple[float, ...]]
"""A table by its columns."""
Content = int | float | str | tuple[str, ...] | Columns
"""Value of one PV: enums and commands by their label, lists of text as a tuple, tables by columns."""


class Trust(Enum):
    """Whether a value may be believed to be so now."""

    FRESH = "fresh"
    INVALID = "INVALID"
    DISCONNECTED = "DISCONNECTED"


@dataclass(frozen=True, slots=True)
class Reading:
    """One PV as its last update told.

    Attributes:
        content: None while no value has come yet.
        severity: alarm severity.
        alarm: EPICS' word for the alarm status, e.g. ``COMM``; empty without an alarm.
        time_s: POSIX time that the gateway gives the value.
        is_connected: whether the PV is connected now; if not, the rest is what it last was.
        since_s: POSIX time on this machine since when its severity, or its absence, is so.
        seen_s: POSIX time on this machine when it came.
    """

    content: Content | None
    severity: Severity = Severity.NO_ALARM
    alarm: str = ""
    time_s: float = 0.0
    is_connected: bool = True
    since_s: float = 0.0
    seen_s: float = 0.0

    @property
    def trust(self) -> Trust:
        """Whether the content may be believed to be so now."""
        if not self.is_connected or self.content is None:
            return Trust.DISCONNECTED
        return Trust.INVALID if self.severity is Severity.INVALID else Trust.FRESH

    @property
    def severity_word(self) -> str:
        """``MINOR``, ``MAJOR``, ``INVALID`` or ``DISCONNECTED``; empty for no alarm."""
        if self.trust is Trust.DISCONNECTED:
            return self.trust.value
        return "" if self.severity is Severity.NO_ALARM else self.severity.name


class Board:
    """The newest reading of every PV that is watched, by its name without prefix; may be used from several threads.

    Of the one PV that it is told to log, a text, every different one is kept.
    """

    def __init__(self, logged_name: str = "", kept: int = 0) -> None:
        self._logged_name = logged_name
        self._log: deque[Reading] = deque(maxlen=kept)
        self._readings: dict[str, Reading] = {}
        self._lock = threading.Lock()
        self._on_change: Callable[[], None] | None = None

    def listen(self, on_change: Callable[[], None] | None) -> None:
        """Have this called after every change, in the thread that brought it; it must return at once."""
        self._on_change = on_change

    def publish(self, name: str, reading: Reading) -> None:
        """A value has come."""
        now_s = time.time()
        with self._lock:
            before = self._readings.get(name)
            is_same = before is not None and (before.is_connected, before.severity) == (True, reading.severity)
            since_s = before.since_s if before is not None and is_same else now_s
            self._readings[name] = reading = replace(reading, since_s=since_s, seen_s=now_s)
            if name == self._logged_name and (not self._log or self._log[-1].content != reading.content):
                self._log.append(reading)
        self._changed()

    def lose(self, names: Iterable[str]) -> None:
        """The PVs are not connected any more."""
        now_s = time.time()
        with self._lock:
            for name in names:
                before = self._readings.get(name)
                if before is None:
                    self._readings[name] = Reading(None, is_connected=False, since_s=now_s)
                elif before.is_connected:
                    self._readings[name] = replace(before, is_connected=False, since_s=now_s)
        self._changed()

    def forget(self, names: Iterable[str]) -> None:
        """The PVs are not watched any more."""
        with self._lock:
            for name in names:
                self._readings.pop(name, None)

    def readings(self) -> Mapping[str, Reading]:
        """All of them, as they are at one moment."""
        with self._lock:
            return MappingProxyType(dict(self._readings))

    def log(self) -> tuple[Reading, ...]:
        """What was kept of the logged PV, oldest first."""
        with self._lock:
            return tuple(self._log)

    def is_connected(self, name: str) -> bool:
        """Whether a value has come, and the PV was not lost since."""
        reading = self._readings.get(name)
        return reading is not None and reading.is_connected

    def _changed(self) -> None:
        on_change = self._on_change
        if on_change is not None:
            on_change()
