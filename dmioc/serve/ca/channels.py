"""What a client connects to: a PV, or a field of one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caproto import ChannelType, SubscriptionType

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.catalogue.records import record_type
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.engine.readings import Alarm, Reading, Value
from dmioc.model import Severity
from dmioc.serve.ca.dbr import LAST_TIME_S, Encoded, Native, Sample, Shape, Source, cut, encode

if TYPE_CHECKING:
    from dmioc.serve.ca.events import Subscription

_NATIVE = {
    Kind.TEXT: ChannelType.CHAR,
    Kind.LINES: ChannelType.CHAR,
    Kind.STRING: ChannelType.STRING,
    Kind.ENUM: ChannelType.ENUM,
    Kind.COMMAND: ChannelType.ENUM,
    Kind.LONG: ChannelType.LONG,
    Kind.DOUBLE: ChannelType.DOUBLE,
}
_VALUE_EVENT = SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG


class Channel:
    """A value with its shape, those who subscribed to it, and what is derived from it.

    Attributes:
        name: full name, with the field if it is one.
        pv: the catalogue's entry that it is, or is a field of.
        takes_puts: whether a put to it is a put to the PV; fields take none.
    """

    __slots__ = ("_derived", "name", "pv", "sample", "shape", "subscriptions", "takes_puts")

    def __init__(self, name: str, pv: PV, shape: Shape, sample: Sample, takes_puts: bool) -> None:
        self.name = name
        self.pv = pv
        self.shape = shape
        self.sample = sample
        self.takes_puts = takes_puts
        self.subscriptions: dict[Subscription, None] = {}
        self._derived: list[tuple[Channel, Source]] = []

    def encoded(self, sample: Sample, data_type: int, count: int) -> Encoded:
        """A sample of this channel as a DBR type with so many elements, 0 for those there are; made once for all clients."""
        key = (data_type, count)
        known = sample.encodings.get(key)
        if known is None:
            known = sample.encodings[key] = encode(self.shape, sample, data_type, count)
        return known

    def publish(self, sample: Sample) -> None:
        """Take a new sample and let those have it who subscribed to what changed; the same sample again changes nothing."""
        events = 0 if sample.same_value(self.sample) else _VALUE_EVENT
        if not sample.same_alarm(self.sample):
            events |= SubscriptionType.DBE_ALARM
        if not events:
            return
        self.sample = sample
        for subscription in self.subscriptions:
            if subscription.mask & events:
                subscription.take(sample)
        for channel, source in self._derived:
            channel.publish(_derive(sample, source))

    def derive(self, name: str, shape: Shape, source: Source, takes_puts: bool = False) -> Channel:
        """A channel that always shows what ``source`` makes of this one's sample."""
        channel = Channel(name, self.pv, shape, _derive(self.sample, source), takes_puts)
        self._derived.append((channel, source))
        return channel


def _derive(sample: Sample, source: Source) -> Sample:
    return Sample(source(sample), sample.time_s, sample.severity, sample.alarm)


def channel_of(prefix: str, pv: PV) -> Channel:
    """The channel of a PV, with the catalogue's default until the engine publishes."""
    shape = Shape(
        native=_NATIVE[pv.kind],
        count=max(pv.length, 1),
        labels=pv.labels,
        unit=pv.unit,
        precision=pv.precision,
        low=pv.low,
        high=pv.high,
        record_type=record_type(pv),
    )
    start = sample_of(pv, Reading(pv.default, 0.0, Severity.INVALID, Alarm.UDF))
    return Channel(prefix + pv.name, pv, shape, start, pv.writable)


def sample_of(pv: PV, reading: Reading) -> Sample:
    """A reading as a sample.

    Raises `ValueError` when the PV cannot hold the value or the time is no time: a mistake in the engine.
    """
    if not 0 <= reading.time_s <= LAST_TIME_S:
        raise ValueError(f"{pv.name}: {reading.time_s!r} is not a time that EPICS knows")
    return Sample(_native(pv, reading.value), reading.time_s, int(reading.severity), int(reading.alarm))


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
