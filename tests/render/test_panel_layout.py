"""The layout of panels for stations with other numbers of slots than the files in ``opi/`` have; those: ``tests/panels``."""

from __future__ import annotations

from itertools import combinations

import pytest

from dmioc.catalogue import Catalogue, Slots, station_catalogue
from dmioc.render.panels.placing import label_of
from dmioc.render.panels.station import station_panels
from dmioc.render.panels.widgets import SLOT_MACRO, Frame, Panel, Related, Widget, channels

STATIONS = (Slots(), Slots(daq=1, upload=3, workflow=6, stream=0), Slots(0, 0, 0, 0))


def opened(panels: tuple[Panel, ...]) -> set[tuple[str, str]]:
    """Every panel that the overview leads to, by name and slot."""
    by_name = {panel.name: panel for panel in panels}
    found = [("overview", "")]
    for name, slot in found:
        for widget in by_name[name].widgets:
            if isinstance(widget, Related):
                there = (widget.panel, slot if widget.slot == SLOT_MACRO else widget.slot)
                if there not in found:
                    found.append(there)
    return set(found)


@pytest.mark.parametrize("slots", STATIONS)
def test_every_panel_of_every_slot_is_reached_and_its_pvs_exist(slots: Slots) -> None:
    catalogue = station_catalogue(slots)
    panels = station_panels(catalogue)
    by_name = {panel.name: panel for panel in panels}
    counts = {"daq": slots.daq, "upload": slots.upload, "workflow": slots.workflow, "stream": slots.stream}
    counts["workflow_output"] = slots.workflow
    reached = opened(panels)
    assert reached == {
        (panel.name, str(slot) if panel.has_slot else "")
        for panel in panels
        for slot in range(1, 1 + counts.get(panel.name, 1))
    }
    for name, slot in reached:
        for widget in by_name[name].widgets:
            for tables in (True, False):
                for pv in channels(widget, tables=tables):
                    assert pv.replace(SLOT_MACRO, slot) in catalogue, (name, slot)


@pytest.mark.parametrize("slots", STATIONS)
def test_nothing_overlaps_and_nothing_is_outside(slots: Slots) -> None:
    for panel in station_panels(station_catalogue(slots)):
        for widget in panel.widgets:
            box = widget.box
            assert box.x >= 0 and box.y >= 0 and box.right <= panel.width and box.bottom <= panel.height, widget
            assert box.width > 0 and box.height > 0, widget
        for below, above in combinations(panel.widgets, 2):
            assert not below.box.overlaps(above.box) or is_framed(below, above), (panel.name, below, above)


def is_framed(below: Widget, above: Widget) -> bool:
    """Whether a frame holds what lies on it, clear of its head."""
    return isinstance(below, Frame) and below.box.holds(above.box) and not below.head.overlaps(above.box)


def test_labels_are_the_names_in_words_with_the_unit() -> None:
    catalogue: Catalogue = station_catalogue()
    right = {
        "DAQ1:DataDirectory_RBV": "Data directory",
        "WF1:WaitTimeout": "Wait timeout [s]",
        "WF1:JobID": "Job ID",
        "MD:RunUID": "Run UID",
        "CAClients": "CA clients",
        "EXP:New:Name": "Name",
        "STR1:WFSlot": "WF slot",
        "EXP:StorageURL": "Storage URL",
    }
    assert {name: label_of(catalogue[name]) for name in right} == right


def test_whoever_names_a_pv_that_is_not_there_is_told() -> None:
    without = Catalogue(tuple(pv for pv in station_catalogue() if pv.name != "JOB:WaitTimeout"))
    with pytest.raises(KeyError, match="JOB:WaitTimeout"):
        station_panels(without)
