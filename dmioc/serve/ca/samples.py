"""What a PV holds at one time, in the types of Channel Access."""

from __future__ import annotations

import math
from typing import NamedTuple

from caproto import EPICS2UNIX_EPOCH, ChannelType, TimeStamp

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.engine.projection import as_held
from dmioc.engine.readings import Reading, Value

Native = bytes | int | float
"""What a channel holds: the bytes of a text, a whole number (also an enum's index), or a float."""

LAST_TIME_S = EPICS2UNIX_EPOCH + 2**32 - 1
"""Last POSIX time that a time stamp can hold."""

FLOAT_MAX = 3.4028234663852886e38
_RANGES = {
    ChannelType.INT: (-(2**15), 2**15 - 1),
    ChannelType.ENUM: (0, 2**16 - 1),
    ChannelType.CHAR: (0, 2**8 - 1),
    ChannelType.LONG: (INT32_MIN, INT32_MAX),
}


class Answer(NamedTuple):
    """A value as caproto's responses take it: status of the request, number of elements, DBR metadata, elements."""

    status: int
    elements: int
    metadata: bytes
    data: bytes


class Sample:
    """A channel's value at one time (POSIX seconds), with its alarm severity and status.

    Attributes:
        answers: what it was converted to, by DBR type and count; once for all clients.
    """

    __slots__ = ("alarm", "answers", "severity", "time_s", "value")

    def __init__(self, value: Native, time_s: float, severity: int, alarm: int) -> None:
        self.value = value
        self.time_s = time_s
        self.severity = severity
        self.alarm = alarm
        self.answers: dict[tuple[int, int], Answer] = {}

    def same_value(self, other: Sample) -> bool:
        """Whether value and time are those of the other; a NaN is equal to itself."""
        return (self.value, self.time_s) == (other.value, other.time_s)

    def same_alarm(self, other: Sample) -> bool:
        """Whether severity and status are those of the other."""
        return (self.severity, self.alarm) == (other.severity, other.alarm)

    def with_value(self, value: Native) -> Sample:
        """Another value at the same time, with the same alarm."""
        return Sample(value, self.time_s, self.severity, self.alarm)

    @property
    def stamp(self) -> TimeStamp:
        """The time as clients get it; a time before 1990 is the first that there is."""
        seconds = math.floor(self.time_s)
        return TimeStamp(max(seconds - int(EPICS2UNIX_EPOCH), 0), int((self.time_s - seconds) * 1e9))


def sample_of(pv: PV, reading: Reading) -> Sample:
    """A reading as a sample.

    Raises `ValueError` when the PV cannot hold the value or the time is no time: a mistake in the engine.
    """
    reading = as_held(pv, reading)
    if not 0 <= reading.time_s <= LAST_TIME_S:
        raise ValueError(f"{pv.name}: {reading.time_s!r} is not a time that EPICS knows")
    return Sample(_native(pv, reading.value), reading.time_s, int(reading.severity), int(reading.alarm))


def cut(data: bytes, limit_bytes: int) -> bytes:
    """At most so many bytes of UTF-8, never a part of a character."""
    if len(data) <= limit_bytes:
        return data
    return data[:limit_bytes].decode("utf-8", "ignore").encode("utf-8")


def fitting(number: int | float, base: ChannelType) -> int | float:
    """The number as a native type can hold it: at the type's limit where it is beyond."""
    if base is ChannelType.DOUBLE:
        return float(number)
    if base is ChannelType.FLOAT:
        return min(max(number, -FLOAT_MAX), FLOAT_MAX) if math.isfinite(number) else float(number)
    if math.isnan(number):
        return 0
    least, greatest = _RANGES[base]
    return int(min(max(number, least), greatest))


def _native(pv: PV, value: Value) -> Native:
    if pv.kind.is_text or pv.kind is Kind.STRING:
        text = "\n".join(value) if isinstance(value, tuple) else value
        if not isinstance(text, str):
            raise ValueError(f"{pv.name} holds text, not {value!r}")
        data = text.encode("utf-8", "replace").split(b"\0", 1)[0]
        return cut(data, pv.length or STRING_BYTES)
    if not isinstance(value, int | float):
        raise ValueError(f"{pv.name} holds a number, not {value!r}")
    if pv.kind is Kind.DOUBLE:
        return math.nan if math.isnan(value) else float(value)  # one NaN object: it must be equal to itself
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"{pv.name} holds a whole number, not {value!r}")
    if pv.kind is Kind.LONG:
        return min(max(int(value), INT32_MIN), INT32_MAX)
    if not 0 <= value < len(pv.states):
        raise ValueError(f"{pv.name} has no state {value!r}")
    return int(value)
