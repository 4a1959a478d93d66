"""From what the engine knows of an object to the readings of its group of PVs, by the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from dmioc.catalogue import Kind
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.engine.readings import Alarm, Reading
from dmioc.model import Severity, Status
from dmioc.model.time_span import TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmioc.catalogue import PV
    from dmioc.engine.readings import Value
    from dmioc.engine.store import Store

Alarms = Mapping[str, tuple[Severity, Alarm]]
"""Alarm of a source that differs from its state's own."""

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Shown:
    """What every view carries: whether its values came from DM, and alarms beyond those of the states."""

    from_dm: bool
    alarms: Alarms


def publish_view(store: Store, pvs: Iterable[PV], view: object, shown: Shown) -> None:
    """Stage the reading of every PV that has a source, from the attribute of the view of that name.

    ``time_source`` gives the time of the event; 0.0 there means that DM gave none and the time of learning is taken.
    Texts are cut to the PV's length in whole characters.
    """
    for pv in pvs:
        if not pv.source:
            continue
        time_s = cast("float", getattr(view, pv.time_source)) if pv.time_source else 0.0
        store.set(
            pv.name,
            as_value(pv, getattr(view, pv.source)),
            time_s=time_s or None,
            alarm=shown.alarms.get(pv.source),
            from_dm=shown.from_dm,
        )


def as_value(pv: PV, raw: object) -> Value:
    """An attribute of a view as the PV's kind of value; raises `TypeError` for one that has none."""
    if isinstance(raw, Status):
        return pv.labels.index(raw.value) if pv.states else raw.value
    if isinstance(raw, str):
        return pv.labels.index(raw) if pv.states else fit(raw, STRING_BYTES if pv.kind is Kind.STRING else pv.length)
    if isinstance(raw, tuple):
        lines = fit("\n".join(cast("tuple[str, ...]", raw)), pv.length)
        return tuple(lines.split("\n")) if lines else ()
    if isinstance(raw, int | float):
        return float(raw) if pv.kind is Kind.DOUBLE else max(-_INT32_MAX, min(int(raw), _INT32_MAX))
    raise TypeError(f"{pv.name}: no value for {raw!r}")


def fit(text: str, length: int) -> str:
    """The text cut to at most ``length`` bytes of UTF-8, in whole characters, at its end."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= length else data[:length].decode("utf-8", "ignore")


def as_held(pv: PV, reading: Reading) -> Reading:
    """The reading as a PV of this type holds it.

    A text that is too long for a string is cut, in whole characters, and is MINOR/SOFT then, so that nobody takes it for the
    whole; a severity that is no less stays.
    """
    if pv.kind is not Kind.STRING or not isinstance(reading.value, str):
        return reading
    text = fit(reading.value, STRING_BYTES)
    if text == reading.value:
        return reading
    if reading.severity >= Severity.MINOR:
        return replace(reading, value=text)
    return replace(reading, value=text, severity=Severity.MINOR, alarm=Alarm.SOFT)


def last_bytes(text: str, length: int) -> str:
    """The end of a text: at most ``length`` bytes of UTF-8, in whole characters."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= length else data[-length:].decode("utf-8", "ignore")


@lru_cache(maxsize=2048)  # the rows of a list: an entry takes 350 bytes, and each time stamp makes a new one
def iso8601(time_s: float) -> str:
    """POSIX seconds as ISO 8601 in UTC to the millisecond, ``2026-11-21T06:30:00.000Z``; empty for 0.0."""
    if not time_s:
        return ""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class ShownTimes(TimeSpan):
    """Times of an object of DM as its readbacks show them; a view's attributes are the sources that the catalogue names.

    Attributes:
        event_time_s: POSIX time of the last thing that DM said happened to it.
        run_time_s: how long it has run.
    """

    event_time_s: float = 0.0
    run_time_s: float = 0.0

    @property
    def start_time(self) -> str:
        """ISO 8601, empty before."""
        return iso8601(self.start_time_s)

    @property
    def end_time(self) -> str:
        """ISO 8601, empty before."""
        return iso8601(self.end_time_s)
