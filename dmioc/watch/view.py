"""What is known of the station at one moment, for drawing: frozen, and the same for every way of drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from typing import cast

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.overview import Overview, SlotKind, SlotOverview
from dmioc.model import Severity
from dmioc.watch.readings import Columns, Content, Reading, Trust

_SILENT_AFTER_S = 5.0
"""Longest time without a beat of the gateway's heart, which counts once a second, before nothing is taken for fresh."""


class LinkState(Enum):
    """Whether the gateway is there."""

    SEARCHING = "not found yet"
    CONNECTED = "connected"
    SILENT = "SILENT"
    DISCONNECTED = "DISCONNECTED"


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the gateway: ``severity`` is the word, empty where it is not told; ``source`` a group or a service."""

    time_s: float
    severity: str
    source: str
    text: str


@dataclass(frozen=True)
class StationView:
    """The station at one moment.

    Attributes:
        prefix: of its PVs.
        protocol: how it is watched, in words.
        has_tables: whether the protocol carries tables.
        now_s: POSIX time of the moment.
        began_s: POSIX time when watching began.
        overview: which PVs there are.
        slots: those that the gateway has.
        readings: by name without prefix.
        log: the messages that came while watching, oldest first.
    """

    prefix: str
    protocol: str
    has_tables: bool
    now_s: float
    began_s: float
    overview: Overview
    slots: tuple[SlotOverview, ...]
    readings: Mapping[str, Reading]
    log: tuple[Reading, ...]

    @cached_property
    def link(self) -> LinkState:
        """Whether the gateway is there."""
        head = self.readings.get(self.overview.head.name)
        if head is None or head.content is None:
            return LinkState.SEARCHING
        if not head.is_connected:
            return LinkState.DISCONNECTED
        return LinkState.CONNECTED if self.now_s - self._last_beat_s <= _SILENT_AFTER_S else LinkState.SILENT

    @cached_property
    def link_since_s(self) -> float:
        """POSIX time since when it is so."""
        if self.link is LinkState.SEARCHING:
            return self.began_s
        return self._last_beat_s if self.link is LinkState.SILENT else self.readings[self.overview.head.name].since_s

    @cached_property
    def _last_beat_s(self) -> float:
        seen = (self.readings.get(pv.name) for pv in (self.overview.head, self.overview.heartbeat))
        return max(reading.seen_s if reading is not None else 0.0 for reading in seen)

    @property
    def is_connected(self) -> bool:
        """Whether what is shown may be believed to be so now."""
        return self.link is LinkState.CONNECTED

    def reading(self, pv: PV) -> Reading:
        """What is known of a PV; disconnected when the gateway is not there."""
        reading = self.readings.get(pv.name, Reading(None, is_connected=False, since_s=self.began_s))
        if self.is_connected or not reading.is_connected:
            return reading
        return replace(reading, is_connected=False, since_s=self.link_since_s)

    def content(self, pv: PV) -> Content | None:
        """Its value, whether it is fresh or not; None while there is none."""
        return self.reading(pv).content

    def number(self, pv: PV) -> float:
        """Its value as a number; 0.0 while there is none."""
        content = self.content(pv)
        return float(content) if isinstance(content, int | float) else 0.0

    def text(self, pv: PV) -> str:
        """Its value as text, without its unit; empty while there is none."""
        content = self.content(pv)
        if content is None:
            return ""
        if isinstance(content, float):
            return f"{content:.{pv.precision}f}"
        if isinstance(content, tuple):
            return "\n".join(content)
        return str(content)

    def rows(self, pv: PV) -> list[dict[str, str | int | float]]:
        """The rows of a table; none while there is no value."""
        content = self.content(pv)
        if pv.kind is not Kind.TABLE or content is None:
            return []
        columns = cast("Columns", content)
        return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]

    def trust(self, pvs: Iterable[PV]) -> Trust:
        """Whether all of these may be believed; the worst of them."""
        found = {self.reading(pv).trust for pv in pvs}
        return next((trust for trust in (Trust.DISCONNECTED, Trust.INVALID) if trust in found), Trust.FRESH)

    def since_s(self, pv: PV) -> float:
        """POSIX time since when a PV is as it is; of one that is INVALID, since when its DM service is away."""
        reading = self.reading(pv)
        if reading.trust is not Trust.INVALID or pv.service is None:
            return reading.since_s
        state = next(service.state for service in self.overview.services if service.service is pv.service)
        service = self.reading(state)
        return service.time_s if service.severity is Severity.MAJOR else reading.since_s

    def worst(self, pvs: Iterable[PV]) -> Severity:
        """The worst alarm of these."""
        return max((self.reading(pv).severity for pv in pvs), default=Severity.NO_ALARM)

    def of_kind(self, kind: SlotKind) -> tuple[SlotOverview, ...]:
        """The slots of one kind."""
        return tuple(slot for slot in self.slots if slot.kind is kind)

    def slot(self, name: str) -> SlotOverview | None:
        """A slot by its name, e.g. ``WF1``."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The messages, newest first: the gateway's own list, or without tables those that came while watching."""
        if self.has_tables:
            return tuple(_event(row) for row in reversed(self.rows(self.overview.messages)))
        return tuple(_logged(reading) for reading in reversed(self.log) if reading.content)


def _event(row: Mapping[str, str | int | float]) -> Event:
    severity = str(row["severity"])
    shown = "" if severity == Severity.NO_ALARM.name else severity
    return Event(seconds_of(str(row["time"])), shown, str(row["source"]).rstrip(":"), str(row["message"]))


def _logged(reading: Reading) -> Event:
    """``Message`` is one line: its time, ``source:`` and the text."""
    _, _, text = str(reading.content).partition(" ")
    source, _, message = text.partition(": ")
    return Event(reading.time_s, "", source.rstrip(":"), message)


def seconds_of(iso8601: str) -> float:
    """POSIX time of a text as the gateway writes times; 0.0 for an empty one."""
    if not iso8601:
        return 0.0
    moment = datetime.fromisoformat(iso8601)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
