"""The channels of PVs, and of the record fields that clients ask for, made when they do."""

from __future__ import annotations

import math
import time

from caproto import AlarmStatus

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.records import record_type
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.engine.readings import Alarm, Reading
from dmioc.model import Severity
from dmioc.serve.ca.channels import (
    ALARM_LIMITS,
    Channel,
    DoubleChannel,
    EnumChannel,
    LongChannel,
    Rights,
    ShortChannel,
    StringChannel,
    TextChannel,
)
from dmioc.serve.ca.samples import FLOAT_MAX, Native, cut, sample_of

_STATE_FIELDS = (
    *("ZRST", "ONST", "TWST", "THST", "FRST", "FVST", "SXST", "SVST"),
    *("EIST", "NIST", "TEST", "ELST", "TVST", "TTST", "FTST", "FFST"),
)
_TWO_STATE_FIELDS = ("ZNAM", "ONAM")
_UPPER, _LOWER = ("HOPR", "DRVH"), ("LOPR", "DRVL")
_NO_ALARM_LIMITS = ("HIHI", "HIGH", "LOW", "LOLO")
_ARRAY_TYPES = ("STRING", "CHAR")
_SEVERITIES = tuple(severity.name for severity in Severity)
_STATUSES = tuple(status.name for status in AlarmStatus)
_LONG_STRING_BYTES = 61
_NUMBERS = (Kind.LONG, Kind.DOUBLE)


def channel_of(prefix: str, pv: PV, rights: Rights) -> Channel:
    """The channel of a PV, with the catalogue's default until the engine publishes."""
    name = prefix + pv.name
    rtyp = record_type(pv)
    channel: Channel
    if pv.kind.is_text:
        channel = TextChannel(pv, name, rights, pv.writable, max_length=max(pv.length, 1), reported_record_type=rtyp)
    elif pv.kind is Kind.STRING:
        channel = StringChannel(pv, name, rights, pv.writable, reported_record_type=rtyp)
    elif pv.kind.has_states:
        channel = EnumChannel(pv, name, rights, pv.writable, labels=pv.labels, reported_record_type=rtyp)
    else:
        channel = _number_channel(pv, name, rights, pv.writable, rtyp)
    channel.take(sample_of(pv, Reading(pv.default, 0.0, Severity.INVALID, Alarm.UDF)))
    return channel


def long_string(channel: Channel) -> Channel | None:
    """The channel as a text of any length (``NAME$``); None for one that is no text."""
    if isinstance(channel, TextChannel):
        return channel
    if not isinstance(channel, StringChannel):
        return None
    text = TextChannel(
        channel.pv,
        channel.name + "$",
        channel.rights,
        channel.takes_puts,
        max_length=_LONG_STRING_BYTES,
        reported_record_type=channel.reported_record_type,
    )
    return channel.derive(text, lambda sample: sample.value)


def field(channel: Channel, name: str) -> Channel | None:
    """A field of a PV as a read-only channel; None for a field that the PV's record does not have."""
    return _live(channel, name) or _number_field(channel, name) or _constant(channel, name)


def _live(channel: Channel, name: str) -> Channel | None:
    """Fields that follow the PV."""
    place = channel.pv, f"{channel.name}.{name}", channel.rights, False
    if name == "SEVR":
        return channel.derive(EnumChannel(*place, labels=_SEVERITIES), lambda sample: sample.severity)
    if name == "STAT":
        return channel.derive(EnumChannel(*place, labels=_STATUSES), lambda sample: sample.alarm)
    if name == "TIME":
        return channel.derive(StringChannel(*place), lambda sample: _shown_time(sample.time_s))
    if name == "NORD" and channel.pv.kind.is_text:
        return channel.derive(
            LongChannel(*place, value=0),
            lambda sample: len(sample.value) if isinstance(sample.value, bytes) else 0,
        )
    return None


def _shown_time(time_s: float) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_s)).encode() + f".{int(time_s % 1 * 1e6):06}Z".encode()


def _number_field(channel: Channel, name: str) -> Channel | None:
    pv = channel.pv
    if pv.kind not in _NUMBERS:
        return None
    if name == "PREC" and pv.kind is Kind.DOUBLE:
        return _constant_channel(channel, ShortChannel(*_place(channel, name), value=0), pv.precision)
    low, high = _limits(pv)
    if name in _UPPER or name in _LOWER:
        limit = high if name in _UPPER else low
        return _constant_channel(channel, _number_channel(*_place(channel, name), ""), limit)
    if name in _NO_ALARM_LIMITS:
        return _constant_channel(
            channel, _number_channel(*_place(channel, name), ""), 0 if pv.kind is Kind.LONG else math.nan
        )
    return None


def _constant(channel: Channel, name: str) -> Channel | None:
    """Fields of every kind that never change."""
    pv = channel.pv
    texts = {"DESC": pv.description, "NAME": channel.name, "RTYP": channel.reported_record_type}
    if pv.kind in _NUMBERS:
        texts["EGU"] = pv.unit
    texts |= dict(zip(_STATE_FIELDS, pv.labels, strict=False))
    if len(pv.labels) == len(_TWO_STATE_FIELDS):
        texts |= dict(zip(_TWO_STATE_FIELDS, pv.labels, strict=True))
    if name in texts:
        text = texts[name].encode()
        return _constant_channel(channel, StringChannel(*_place(channel, name)), cut(text, _LONG_STRING_BYTES))
    if pv.kind.is_text and name == "NELM":
        return _constant_channel(channel, LongChannel(*_place(channel, name), value=0), channel.max_length)
    if pv.kind.is_text and name == "FTVL":
        menu = EnumChannel(*_place(channel, name), labels=_ARRAY_TYPES)
        return _constant_channel(channel, menu, _ARRAY_TYPES.index("CHAR"))
    return None


def _place(channel: Channel, name: str) -> tuple[PV, str, Rights, bool]:
    return channel.pv, f"{channel.name}.{name}", channel.rights, False


def _constant_channel(of: Channel, channel: Channel, value: Native) -> Channel:
    return of.derive(channel, lambda sample: value)


def _number_channel(pv: PV, name: str, rights: Rights, takes_puts: bool, rtyp: str) -> Channel:
    low, high = _limits(pv)
    limits = {
        "upper_disp_limit": high,
        "lower_disp_limit": low,
        "upper_ctrl_limit": high,
        "lower_ctrl_limit": low,
    }
    alarm_limits = dict.fromkeys(ALARM_LIMITS, math.nan)
    if pv.kind is Kind.LONG:
        return LongChannel(pv, name, rights, takes_puts, value=0, reported_record_type=rtyp, **limits, **alarm_limits)
    return DoubleChannel(
        pv,
        name,
        rights,
        takes_puts,
        value=0.0,
        precision=pv.precision,
        reported_record_type=rtyp,
        **limits,
        **alarm_limits,
    )


def _limits(pv: PV) -> tuple[int | float, int | float]:
    """The lower and the upper limit of a number; both 0 where the PV has none."""
    if pv.low is None and pv.high is None:
        return 0, 0
    least, greatest = (INT32_MIN, INT32_MAX) if pv.kind is Kind.LONG else (-FLOAT_MAX, FLOAT_MAX)
    return (least if pv.low is None else pv.low, greatest if pv.high is None else pv.high)
