"""A value as clients see it: with its time and its alarm."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from dmioc.model import Severity

Value = int | float | str | tuple[str, ...]
"""What a scalar PV can hold: ``int`` (also an enum's index), ``float``, ``str``, or lines of text."""


class Alarm(IntEnum):
    """EPICS alarm status, the words and numbers of EPICS base that this gateway uses."""

    NO_ALARM = 0
    STATE = 7
    COMM = 9
    TIMEOUT = 10
    UDF = 17


@dataclass(frozen=True, slots=True)
class Reading:
    """Value of one PV, the POSIX time of the event behind it in seconds, and its alarm."""

    value: Value
    time_s: float
    severity: Severity = Severity.NO_ALARM
    alarm: Alarm = Alarm.NO_ALARM
