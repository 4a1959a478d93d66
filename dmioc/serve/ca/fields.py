"""Record fields that clients ask for, made when they do."""

from __future__ import annotations

import time

from caproto import AlarmStatus, ChannelType

from dmioc.catalogue import Kind
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.model import Severity
from dmioc.serve.ca.channels import Channel
from dmioc.serve.ca.dbr import Native, Shape, limits

_STATE_FIELDS = (
    *("ZRST", "ONST", "TWST", "THST", "FRST", "FVST", "SXST", "SVST"),
    *("EIST", "NIST", "TEST", "ELST", "TVST", "TTST", "FTST", "FFST"),
)
_TWO_STATE_FIELDS = ("ZNAM", "ONAM")
_LIMIT_FIELDS = {"HOPR": 1, "DRVH": 1, "LOPR": 0, "DRVL": 0}
_ARRAY_TYPES = ("STRING", "CHAR")
_SEVERITIES = tuple(severity.name for severity in Severity)
_STATUSES = tuple(status.name for status in AlarmStatus)
_NAME_BYTES = 61

_STRING = Shape(ChannelType.STRING)
_LONG = Shape(ChannelType.LONG)


def long_string(channel: Channel) -> Channel | None:
    """The channel as a text of any length (``NAME$``); None for one that is no text."""
    if channel.shape.native is ChannelType.CHAR:
        return channel
    if channel.shape.native is not ChannelType.STRING:
        return None
    shape = Shape(ChannelType.CHAR, count=_NAME_BYTES, record_type=channel.shape.record_type)
    return channel.derive(channel.name + "$", shape, lambda sample: sample.value, channel.takes_puts)


def field(channel: Channel, name: str) -> Channel | None:
    """A field of a PV as a read-only channel; None for a field that the PV's record does not have."""
    if name in ("SEVR", "STAT", "TIME", "NORD"):
        return _live(channel, name)
    constant = _constant(channel, name)
    if constant is None:
        return None
    shape, value = constant
    return channel.derive(f"{channel.name}.{name}", shape, lambda sample: value)


def _live(channel: Channel, name: str) -> Channel | None:
    full_name = f"{channel.name}.{name}"
    if name == "SEVR":
        return channel.derive(full_name, Shape(ChannelType.ENUM, labels=_SEVERITIES), lambda sample: sample.severity)
    if name == "STAT":
        return channel.derive(full_name, Shape(ChannelType.ENUM, labels=_STATUSES), lambda sample: sample.alarm)
    if name == "TIME":
        return channel.derive(full_name, _STRING, lambda sample: _shown_time(sample.time_s))
    if not channel.pv.kind.is_text:
        return None
    return channel.derive(full_name, _LONG, lambda sample: len(sample.value) if isinstance(sample.value, bytes) else 0)


def _shown_time(time_s: float) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_s)).encode() + f".{int(time_s % 1 * 1e6):06}Z".encode()


def _constant(channel: Channel, name: str) -> tuple[Shape, Native] | None:
    pv, shape = channel.pv, channel.shape
    if name == "DESC":
        return _STRING, pv.description.encode()
    if name == "NAME":
        return _STRING, channel.name.encode()
    if name == "RTYP":
        return _STRING, shape.record_type.encode()
    if name == "EGU" and pv.kind in (Kind.LONG, Kind.DOUBLE):
        return _STRING, pv.unit.encode()
    if name == "PREC" and pv.kind is Kind.DOUBLE:
        return Shape(ChannelType.INT), pv.precision
    if name in _LIMIT_FIELDS and pv.kind in (Kind.LONG, Kind.DOUBLE):
        limit = limits(shape)[_LIMIT_FIELDS[name]]
        return (
            (_LONG, int(limit)) if pv.kind is Kind.LONG else (Shape(ChannelType.DOUBLE, precision=pv.precision), limit)
        )
    if pv.kind.is_text and name == "NELM":
        return _LONG, shape.count
    if pv.kind.is_text and name == "FTVL":
        return Shape(ChannelType.ENUM, labels=_ARRAY_TYPES), _ARRAY_TYPES.index("CHAR")
    return _state_name(channel, name)


def _state_name(channel: Channel, name: str) -> tuple[Shape, Native] | None:
    labels = channel.shape.labels
    for fields in (_STATE_FIELDS, _TWO_STATE_FIELDS if len(labels) == len(_TWO_STATE_FIELDS) else ()):
        if name in fields and fields.index(name) < len(labels):
            return _STRING, labels[fields.index(name)].encode()[:STRING_BYTES]
    return None
