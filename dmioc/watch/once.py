"""The station once, as text or JSON, for scripts and for a quick look."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from dmioc.catalogue import PV, Slots, station_catalogue
from dmioc.catalogue.overview import SlotKind
from dmioc.errors import GatewayLostError
from dmioc.watch.pages import overview_page, title
from dmioc.watch.readings import Trust
from dmioc.watch.station import Station
from dmioc.watch.view import StationView
from dmioc.watch.wording import Paper

_SETTLED_S = 1.0
"""Nothing more is expected when no PV was connected for so long, where the gateway's own count cannot tell."""


def station_text(view: StationView, is_ascii: bool) -> str:
    """The overview on 80 columns, with the last messages."""
    paper = Paper(width=80, height=0, is_ascii=is_ascii)
    return "".join(f"{one.text}\n" for one in (title(view, paper), *overview_page(view, paper)))


def station_json(view: StationView) -> str:
    """Everything of the overview as one JSON object.

    Each PV is an object of ``value`` (null while none has come), ``unit``, ``severity`` (``NO_ALARM`` to ``INVALID``), ``time``
    (ISO 8601, the gateway's) and ``connected``; of a PV that is not connected the rest is what it last was.
    """
    overview = view.overview
    lines = {slot.name: _values(view, slot.line) for slot in view.slots}
    told = {
        "prefix": view.prefix,
        "protocol": view.protocol,
        "connected": view.is_connected,
        "time": _iso8601(view.now_s),
        "gateway": _values(view, (*overview.gateway, *overview.health, *overview.settings)),
        "services": {service.service.value: _values(view, service.pvs) for service in overview.services},
        "experiment": _values(view, overview.experiment),
        "active": {pv.name: _value(view, pv) for pv in overview.counts},
        "slots": lines,
        "messages": [
            {"time": _iso8601(event.time_s), "severity": event.severity, "source": event.source, "message": event.text}
            for event in view.events
        ],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _values(view: StationView, pvs: Iterable[PV]) -> Mapping[str, object]:
    return {pv.short_name: _value(view, pv) for pv in pvs}


def _value(view: StationView, pv: PV) -> Mapping[str, object]:
    reading = view.reading(pv)
    content = list(reading.content) if isinstance(reading.content, tuple) else reading.content
    return {
        "value": content,
        "unit": pv.unit,
        "severity": reading.severity.name,
        "time": _iso8601(reading.time_s),
        "connected": reading.trust is not Trust.DISCONNECTED,
    }


def _iso8601(time_s: float) -> str:
    return (
        datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if time_s else ""
    )


def watch_once(prefix: str, protocol: str, timeout_s: float) -> StationView:
    """The station as soon as all of it is known, or what is known of it after ``timeout_s``.

    Raises `GatewayLostError` when the gateway does not answer within that time.
    """
    station = Station(prefix, protocol)
    changed = threading.Event()
    station.listen(changed.set)
    deadline_s = time.monotonic() + timeout_s
    settling = _Settling()
    try:
        while True:
            changed.clear()
            view = station.view()
            left_s = deadline_s - time.monotonic()
            if settling.is_complete(view) or left_s <= 0:
                break
            changed.wait(min(left_s, 0.1))
    finally:
        station.close()
    if not view.is_connected:
        head = prefix + view.overview.head.name
        raise GatewayLostError(f"{head} does not answer over {view.protocol} within {timeout_s:g} s")
    return view


class _Settling:
    """Whether everything that there is has come."""

    def __init__(self) -> None:
        self._seen = 0
        self._since_s = 0.0

    def is_complete(self, view: StationView) -> bool:
        overview = view.overview
        tables = (overview.messages,) if view.has_tables else ()
        wanted = (*overview.scalars, *tables, *(pv for slot in view.slots for pv in slot.line))
        if not view.is_connected or view.trust(wanted) is Trust.DISCONNECTED:
            return False
        if len(view.readings) != self._seen:
            self._seen, self._since_s = len(view.readings), time.monotonic()
        return _has_every_slot(view) or time.monotonic() - self._since_s > _SETTLED_S


def _has_every_slot(view: StationView) -> bool:
    """Whether the gateway serves as many PVs as one with these slots."""
    numbers = {kind: len(view.of_kind(kind)) for kind in SlotKind}
    slots = Slots(
        daq=numbers[SlotKind.DAQ],
        upload=numbers[SlotKind.UPLOAD],
        workflow=numbers[SlotKind.WORKFLOW],
        stream=numbers[SlotKind.STREAM],
    )
    count = next(pv for pv in view.overview.health if pv.name == "PVCount")
    return view.number(count) == len(station_catalogue(slots))
