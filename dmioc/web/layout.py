"""What the page shows of a station: the overview of the catalogue as plain data for the browser."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from dmioc.catalogue import station_catalogue
from dmioc.catalogue.overview import SlotKind, SlotOverview, slot_overview, station_overview

if TYPE_CHECKING:
    from dmioc.catalogue import PV

_TITLES = {
    "DAQ:List": "DAQs",
    "UPL:List": "Uploads",
    "JOB:List": "Jobs",
    "Messages": "Messages",
    "EXP:List": "Experiments",
    "WF:List": "Workflows",
}
"""The tables in the order of their tabs, with what the tabs are called."""
_SLOT_TITLES = {
    SlotKind.DAQ: "DAQ",
    SlotKind.UPLOAD: "Upload",
    SlotKind.WORKFLOW: "Workflow",
    SlotKind.STREAM: "Stream",
}


def layout_of(prefix: str, names: Collection[str]) -> dict[str, object]:
    """The layout of the station whose gateway has PVs of these full names, as JSON values; every PV with its full name."""
    overview, catalogue = station_overview(), station_catalogue()
    return {
        "gateway": [_item(prefix, pv) for pv in overview.gateway],
        "heartbeat": _item(prefix, overview.heartbeat),
        "services": [
            {"name": one.service.value, "pvs": [_item(prefix, pv) for pv in one.pvs]} for one in overview.services
        ],
        "experiment": [_item(prefix, pv) for pv in overview.experiment],
        "counts": [_item(prefix, pv) for pv in overview.counts],
        "health": [_item(prefix, pv) for pv in overview.health],
        "slots": [_slot(prefix, slot) for slot in _slots(prefix, names)],
        "tables": [_table(prefix, catalogue[name], title) for name, title in _TITLES.items()],
    }


def _slots(prefix: str, names: Collection[str]) -> Iterator[SlotOverview]:
    for kind in SlotKind:
        number = 1
        while prefix + (slot := slot_overview(kind, number)).head.name in names:
            yield slot
            number += 1


def _slot(prefix: str, slot: SlotOverview) -> dict[str, object]:
    title = f"{_SLOT_TITLES[slot.kind]} {slot.number}"
    return {
        "name": slot.name,
        "kind": slot.kind.value,
        "title": title,
        "line": [_item(prefix, pv) for pv in slot.line],
        "details": [_item(prefix, pv) for pv in slot.details if not pv.row_of],
        "table": None if slot.table is None else _table(prefix, slot.table, slot.table.description),
    }


def _item(prefix: str, pv: PV) -> dict[str, object]:
    return {
        "pv": prefix + pv.name,
        "name": pv.short_name,
        "kind": pv.kind.value,
        "unit": pv.unit,
        "precision": pv.precision,
        "description": pv.description,
    }


def _table(prefix: str, pv: PV, title: str) -> dict[str, object]:
    columns = [{"name": column.name, "kind": column.kind} for column in pv.columns]
    newest_last = pv == station_overview().messages
    return {
        "pv": prefix + pv.name,
        "title": title,
        "description": pv.description,
        "columns": columns,
        "newestLast": newest_last,
    }
