"""Values as the payloads of the DBR types (EPICS base, ``db_access.h``).

A DBR type is one of seven native types in one of five forms: plain, with status, with time, graphic, control.
caproto's structures give the layouts.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import caproto
from caproto import CAStatus, ChannelType

from dmioc.catalogue.entries import STRING_BYTES
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.serve.ca.wire import padded

Native = bytes | int | float
"""What a channel holds: the bytes of a text, a whole number (also an enum's index), or a float."""

STRING_SIZE = 40
LARGEST_PAYLOAD_BYTES = 2 * 2**20
"""Most that one answer holds: the longest text there is fits twice."""

_NATIVE_TYPES = 7
_STATUS, _TIME = 1, 2
_LAST_FORM = 34
_EPICS_EPOCH_S = 631152000
LAST_TIME_S = _EPICS_EPOCH_S + 2**32 - 1
"""Last POSIX time that a time stamp can hold."""

_UNIT_BYTES = 7
_FIXED_POINT_BELOW = 1e15

_STATUS_AND_SEVERITY = Struct(">hh")
_STAMP = Struct(">II")
_ACKNOWLEDGE = Struct(">HH")
_NUMBERS = {
    ChannelType.INT: Struct(">h"),
    ChannelType.FLOAT: Struct(">f"),
    ChannelType.ENUM: Struct(">H"),
    ChannelType.CHAR: Struct(">B"),
    ChannelType.LONG: Struct(">i"),
    ChannelType.DOUBLE: Struct(">d"),
}
_RANGES = {
    ChannelType.INT: (-(2**15), 2**15 - 1),
    ChannelType.ENUM: (0, 2**16 - 1),
    ChannelType.CHAR: (0, 2**8 - 1),
    ChannelType.LONG: (INT32_MIN, INT32_MAX),
}
_FLOAT_MAX = 3.4028234663852886e38


@dataclass(frozen=True, slots=True)
class Shape:
    """What a channel is, besides its value.

    Attributes:
        native: one of the seven native types.
        count: most elements; more than 1 only for texts.
        labels: of an enum; a menu may have more than the 16 that clients are told.
        unit: EGU.
        precision: digits after the point.
        low: lower display and control limit, None for none.
        high: upper likewise.
        record_type: as in ``.RTYP``.
    """

    native: ChannelType
    count: int = 1
    labels: tuple[str, ...] = ()
    unit: str = ""
    precision: int = 0
    low: float | None = None
    high: float | None = None
    record_type: str = ""


class Encoded(NamedTuple):
    """A value on the wire: status of the request, number of elements, payload padded to 8 bytes."""

    status: int
    elements: int
    payload: bytes


class Sample:
    """A channel's value at one time, with its alarm; keeps what it was encoded to."""

    __slots__ = ("alarm", "encodings", "severity", "time_s", "value")

    def __init__(self, value: Native, time_s: float, severity: int, alarm: int) -> None:
        self.value = value
        self.time_s = time_s
        self.severity = severity
        self.alarm = alarm
        self.encodings: dict[tuple[int, int], Encoded] = {}

    def same_value(self, other: Sample) -> bool:
        """Whether value and time are those of the other."""
        return (self.value, self.time_s) == (other.value, other.time_s)

    def same_alarm(self, other: Sample) -> bool:
        """Whether severity and status are those of the other."""
        return (self.severity, self.alarm) == (other.severity, other.alarm)


def status_code(status: CAStatus) -> int:
    """The code as it goes over the wire."""
    return status.value.code_with_severity


NORMAL = status_code(CAStatus.ECA_NORMAL)
_BAD_COUNT = status_code(CAStatus.ECA_BADCOUNT)
_BAD_TYPE = status_code(CAStatus.ECA_BADTYPE)
_NO_CONVERSION = status_code(CAStatus.ECA_NOCONVERT)
_TOO_LARGE = status_code(CAStatus.ECA_TOLARGE)


def encode(shape: Shape, sample: Sample, data_type: int, count: int) -> Encoded:
    """The sample as a DBR type with so many elements.

    A count of 0 asks for the elements there are, at least one. With any other count exactly so many are sent, NULs after the
    last: a client that keeps the rest of its buffer must not see the tail of an older text (``pv-contract.md §1``).
    What cannot be given has a status other than ECA_NORMAL and only NULs, as EPICS base does it.
    """
    if count > shape.count:
        return failed(_BAD_COUNT, data_type)
    if data_type == ChannelType.CLASS_NAME:
        return Encoded(NORMAL, 1, _string(shape.record_type.encode()))
    if data_type == ChannelType.STSACK_STRING:
        head = _STATUS_AND_SEVERITY.pack(sample.alarm, sample.severity) + _ACKNOWLEDGE.pack(0, 0)
        return Encoded(NORMAL, 1, head + _string(_as_string(shape, sample.value)))
    if not 0 <= data_type <= _LAST_FORM:
        return failed(_BAD_TYPE, data_type)
    form, base = divmod(data_type, _NATIVE_TYPES)
    if shape.native is ChannelType.CHAR:
        return _encode_text(shape, sample, data_type, count)
    try:
        element = _element(shape, sample.value, ChannelType(base))
    except ValueError:
        return failed(_NO_CONVERSION, data_type)
    return Encoded(NORMAL, 1, padded(_head(shape, sample, form, data_type) + element))


def failed(status: int, data_type: int) -> Encoded:
    """The answer to what cannot be given: one element of NULs, since an update without payload would end the monitor."""
    if data_type not in caproto.DBR_TYPES:
        return Encoded(status, 0, bytes(8))
    size_bytes = ctypes.sizeof(caproto.DBR_TYPES[data_type])
    if _NATIVE_TYPES <= data_type <= _LAST_FORM:
        size_bytes += ctypes.sizeof(caproto.DBR_TYPES[data_type % _NATIVE_TYPES])
    return Encoded(status, 1, padded(bytes(size_bytes)))


def _encode_text(shape: Shape, sample: Sample, data_type: int, count: int) -> Encoded:
    """A text as characters, as one string (the others empty), or as numbers."""
    form, base = divmod(data_type, _NATIVE_TYPES)
    text = sample.value if isinstance(sample.value, bytes) else str(sample.value).encode()
    elements = (text or b"\0").ljust(count, b"\0")[: count or None]
    if base == ChannelType.STRING:
        elements = elements[: count or 1]
    size_bytes = ctypes.sizeof(caproto.DBR_TYPES[base]) * len(elements)
    if size_bytes > LARGEST_PAYLOAD_BYTES:
        return failed(_TOO_LARGE, data_type)
    if base == ChannelType.CHAR:
        data = elements
    elif base == ChannelType.STRING:
        data = _string(text).ljust(size_bytes, b"\0")
    else:
        data = b"".join(_NUMBERS[ChannelType(base)].pack(character) for character in elements)
    return Encoded(NORMAL, len(elements), padded(_head(shape, sample, form, data_type) + data))


def _head(shape: Shape, sample: Sample, form: int, data_type: int) -> bytes:
    if form == 0:
        return b""
    head = _STATUS_AND_SEVERITY.pack(sample.alarm, sample.severity)
    if form == _STATUS:
        return head.ljust(ctypes.sizeof(caproto.DBR_TYPES[data_type]), b"\0")
    if form == _TIME:
        return (head + _stamp(sample.time_s)).ljust(ctypes.sizeof(caproto.DBR_TYPES[data_type]), b"\0")
    return head + _description(shape, data_type)


def _stamp(time_s: float) -> bytes:
    seconds = math.floor(time_s)
    nanoseconds = int((time_s - seconds) * 1e9)
    return _STAMP.pack(max(seconds - _EPICS_EPOCH_S, 0), nanoseconds)


@lru_cache(maxsize=4096)
def _description(shape: Shape, data_type: int) -> bytes:
    """What a graphic or control type holds after status and severity."""
    base = ChannelType(data_type % _NATIVE_TYPES)
    if base is ChannelType.STRING:
        return b""  # EPICS base has no such type and sends the one with status
    structure = caproto.DBR_TYPES[data_type]()
    if hasattr(structure, "strs"):
        structure.enum_strings = tuple(label.encode() for label in shape.labels[:16])
    if hasattr(structure, "precision"):
        structure.precision = shape.precision
    if hasattr(structure, "units"):
        structure.units = shape.unit.encode("latin-1", "replace")[:_UNIT_BYTES]
    if hasattr(structure, "upper_disp_limit") and base is not ChannelType.CHAR:
        _set_limits(structure, shape, base)
    return bytes(structure)[_STATUS_AND_SEVERITY.size :]


def _set_limits(structure: ctypes.BigEndianStructure, shape: Shape, base: ChannelType) -> None:
    low, high = limits(shape)
    for name in ("disp", "ctrl"):
        if hasattr(structure, f"upper_{name}_limit"):
            setattr(structure, f"upper_{name}_limit", _fitting(high, base))
            setattr(structure, f"lower_{name}_limit", _fitting(low, base))
    if base in (ChannelType.FLOAT, ChannelType.DOUBLE):
        for name in ("upper_alarm", "upper_warning", "lower_warning", "lower_alarm"):
            setattr(structure, f"{name}_limit", math.nan)


def limits(shape: Shape) -> tuple[float, float]:
    """The lower and the upper limit; both 0 where the channel has none."""
    if shape.low is None and shape.high is None:
        return 0.0, 0.0
    least, greatest = (INT32_MIN, INT32_MAX) if shape.native is ChannelType.LONG else (-_FLOAT_MAX, _FLOAT_MAX)
    return (least if shape.low is None else shape.low, greatest if shape.high is None else shape.high)


def _element(shape: Shape, value: Native, base: ChannelType) -> bytes:
    if base is ChannelType.STRING:
        return _string(_as_string(shape, value))
    return _NUMBERS[base].pack(_fitting(float(value) if isinstance(value, bytes) else value, base))


def _fitting(number: int | float, base: ChannelType) -> int | float:
    """The number as the type can hold it: at its limit where it is beyond."""
    if base is ChannelType.DOUBLE:
        return float(number)
    if base is ChannelType.FLOAT:
        return min(max(number, -_FLOAT_MAX), _FLOAT_MAX) if math.isfinite(number) else float(number)
    if math.isnan(number):
        return 0
    least, greatest = _RANGES[base]
    return int(min(max(number, least), greatest))


def _as_string(shape: Shape, value: Native) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        form = "f" if abs(value) < _FIXED_POINT_BELOW else "e"
        return f"{value:.{shape.precision}{form}}".encode()
    if shape.labels and 0 <= value < len(shape.labels):
        return shape.labels[value].encode()
    return str(value).encode()


def _string(data: bytes) -> bytes:
    return cut(data, STRING_BYTES).ljust(STRING_SIZE, b"\0")


def cut(data: bytes, limit_bytes: int) -> bytes:
    """At most so many bytes of UTF-8, never a part of a character."""
    if len(data) <= limit_bytes:
        return data
    return data[:limit_bytes].decode("utf-8", "ignore").encode("utf-8")


def number_of(data_type: int, payload: bytes) -> int | float:
    """The first element of a plain numeric payload.

    Raises `ValueError` for one that is too short.
    """
    packing = _NUMBERS[ChannelType(data_type)]
    if len(payload) < packing.size:
        raise ValueError(f"{len(payload)} bytes hold no {ChannelType(data_type).name}")
    number: int | float = packing.unpack_from(payload)[0]
    return number


Source = Callable[[Sample], Native]
