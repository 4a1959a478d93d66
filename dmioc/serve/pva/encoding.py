"""From the engine's readings to what p4p stores into a field; `ValueError` for what a PV cannot hold."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.engine.readings import Alarm, Cells, Reading, StructureReading, TableReading, Value
from dmioc.model import Severity
from dmioc.serve.pva.layouts import has_limits, is_number

Fields = dict[str, Any]
"""Fields by their paths in a value, e.g. ``alarm.severity``."""

_LAST_TIME_S = 2.0**62
_TEXTS = (Kind.TEXT, Kind.STRING)
_STATUS_UNDEFINED = 6
_STATUSES = {Alarm.NO_ALARM: 0, Alarm.STATE: 1, Alarm.COMM: 2, Alarm.TIMEOUT: 2, Alarm.SOFT: 3, Alarm.UDF: 2}
"""Classes of ``alarm_t.status`` (1 device, 2 driver, 3 record), as the servers of EPICS base give them for records (QSRV2)."""


def time_fields(time_s: float) -> Fields:
    """The time stamp for POSIX seconds, the nanoseconds cut as over Channel Access."""
    if not 0 <= time_s <= _LAST_TIME_S:
        raise ValueError(f"{time_s!r} is not a time")
    seconds = int(time_s)
    return {"timeStamp.secondsPastEpoch": seconds, "timeStamp.nanoseconds": int((time_s - seconds) * 1e9)}


def alarm_fields(severity: Severity, alarm: Alarm) -> Fields:
    """The alarm; its message is EPICS' word for the status."""
    return {
        "alarm.severity": int(severity),
        "alarm.status": _STATUSES.get(alarm, _STATUS_UNDEFINED),
        "alarm.message": alarm.name,
    }


def changed_event(now: Reading | TableReading, before: Reading | TableReading | None) -> Fields:
    """Alarm and time stamp as far as they are not as before."""
    fields: Fields = {}
    if before is None or now.severity is not before.severity or now.alarm is not before.alarm:
        fields |= alarm_fields(now.severity, now.alarm)
    if before is None or now.time_s != before.time_s:
        fields |= time_fields(now.time_s)
    return fields


def is_same(one: object, other: object) -> bool:
    """Whether two values are the same; NaN is the same as NaN, or it would be posted again for ever."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN is not equal to itself


def scalar_value(pv: PV, value: Value) -> int | float | str | list[str]:
    """A value as its PV's field takes it: a state by its index."""
    kind = pv.kind
    if kind in _TEXTS:
        if isinstance(value, str):
            return sendable(value)
        raise ValueError(f"{pv.name} holds text, not {value!r}")
    if kind is Kind.LINES and isinstance(value, tuple):
        return [sendable(line) for line in value]
    if not isinstance(value, int | float):
        raise ValueError(f"{pv.name} does not hold {value!r}")
    if kind is Kind.DOUBLE:
        return float(value)
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"{pv.name} holds a whole number, not {value!r}")
    if kind is Kind.LONG:
        return min(max(int(value), INT32_MIN), INT32_MAX)
    if not 0 <= value < len(pv.states):
        raise ValueError(f"{pv.name} has no state {value!r}")
    return int(value)


def field_value(pv: PV, value: Value) -> int | float | str | list[str]:
    """A value as a field of a structure takes it: a state by its label."""
    encoded = scalar_value(pv, value)
    return pv.labels[encoded] if pv.kind.has_states and isinstance(encoded, int) else encoded


def sendable(text: object) -> str:
    """The text, with a question mark for each half of a surrogate pair, which UTF-8 cannot hold."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not text")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def own_fields(pv: PV, reading: StructureReading) -> Fields:
    """Fields of a structure of its own by the kinds that the catalogue gives them."""
    names = {column.name for column in pv.columns}
    if set(reading.fields) != names:
        raise ValueError(f"{pv.name} has the fields {sorted(names)}, not {sorted(reading.fields)}")
    fields: Fields = {}
    for column in pv.columns:
        raw = reading.fields[column.name]
        if column.kind in ("string", "time"):
            fields[column.name] = sendable(raw)
        elif not isinstance(raw, int | float):
            raise ValueError(f"{pv.name}: {column.name} holds a number, not {raw!r}")
        elif column.kind == "int":
            fields[column.name] = min(max(int(raw), INT32_MIN), INT32_MAX)
        else:
            fields[column.name] = int(raw) if column.kind == "long" else float(raw)
    return fields


def check_columns(name: str, codes: Mapping[str, str], columns: Mapping[str, Cells]) -> None:
    """Raises `ValueError` for other columns than the table has, and for columns that are not of one length."""
    if set(columns) != set(codes):
        raise ValueError(f"{name} has the columns {sorted(codes)}, not {sorted(columns)}")
    if len({len(cells) for cells in columns.values()}) > 1:
        lengths = {column: len(cells) for column, cells in columns.items()}
        raise ValueError(f"{name}: columns of one length are needed, not {lengths}")


def column_cells(code: str, cells: Cells) -> list[str] | np.ndarray[Any, Any]:
    """A column as p4p stores it: numbers as an array of their type, which is not copied again; text as a list."""
    if code == "s":
        # A cell that is no str is refused by p4p; only what UTF-8 cannot hold needs a look at every cell.
        texts = list(cast("Sequence[str]", cells))
        try:
            "".join(texts).encode("utf-8")
        except UnicodeEncodeError:
            return [sendable(text) for text in texts]
        return texts
    if code == "d":
        return np.fromiter(cells, np.float64, len(cells))
    whole = np.fromiter(cells, np.int64, len(cells))
    return whole if code == "l" else np.clip(whole, INT32_MIN, INT32_MAX).astype(np.int32)


def opening_fields(pv: PV) -> Fields:
    """What does not change while a scalar PV is open: description, units, limits, states."""
    fields: Fields = {"display.description": pv.description}
    if pv.kind.has_states:
        return {**fields, "value.choices": list(pv.labels)}
    fields["display.units"] = pv.unit
    if is_number(pv):
        fields |= {"display.precision": pv.precision, "display.form.choices": [_FORM]}
    if has_limits(pv):
        low, high = _limits(pv)
        for name in ("display", "control"):
            fields |= {f"{name}.limitLow": low, f"{name}.limitHigh": high}
    return fields


_FORM = "Default"
"""The way to show a number, the only choice: each further one would cost every get."""


def _limits(pv: PV) -> tuple[float, float]:
    """Both limits, the type's own where the catalogue has none."""
    least, greatest = (INT32_MIN, INT32_MAX) if pv.kind is Kind.LONG else (-sys.float_info.max, sys.float_info.max)
    return (least if pv.low is None else pv.low, greatest if pv.high is None else pv.high)
