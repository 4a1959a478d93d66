"""A value as clients see it: with its time and its alarm."""

from __future__ import annotations

from collections.abc import Mapping
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
    SOFT = 15
    UDF = 17


@dataclass(frozen=True, slots=True)
class Reading:
    """Value of one PV, the POSIX time of the event behind it in seconds, and its alarm."""

    value: Value
    time_s: float
    severity: Severity = Severity.NO_ALARM
    alarm: Alarm = Alarm.NO_ALARM


Cells = tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
"""One column of a table, by its kind in the catalogue."""


@dataclass(frozen=True, slots=True)
class TableReading:
    """Columns of one table, of equal length and in the catalogue's order, with the time of the last change and its alarm.

    A column that did not change is the same object as in the reading before.
    """

    columns: Mapping[str, Cells]
    time_s: float
    severity: Severity = Severity.NO_ALARM
    alarm: Alarm = Alarm.NO_ALARM


Field = int | float | str
"""One field of a structure, by its kind in the catalogue (``PV.columns``)."""


@dataclass(frozen=True, slots=True)
class StructureReading:
    """Fields of a structure that no scalar PVs show (``PV.columns`` names them), with the time of the event behind it."""

    fields: Mapping[str, Field]
    time_s: float
