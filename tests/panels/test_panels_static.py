"""Every panel of every display manager, read by readers of their own: PVs, access, macros, layout, links."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from panel_checks import (
    command_complaints,
    layout_complaints,
    macro_complaints,
    never_written,
    opened_from,
    pv_complaints,
    text_complaints,
)
from panel_files import TOOLS, files, first, opened
from panel_items import OPI

from dmioc.catalogue import station_catalogue

CATALOGUE = station_catalogue()


@pytest.mark.parametrize("tool", TOOLS)
def test_there_are_the_same_panels_for_each_program(tool: str) -> None:
    assert len(files(tool)) >= 10
    assert {Path(name).stem for name in files(tool)} == {Path(name).stem for name in files("phoebus")}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_panel_is_reached_from_the_overview(tool: str) -> None:
    reached, wrong = opened_from(first(tool), files(tool))
    assert wrong == []
    assert {one.file.path.name for one in reached} == set(files(tool))


@pytest.mark.parametrize("tool", TOOLS)
def test_every_slot_has_its_panel(tool: str) -> None:
    shown = {
        one.text(item.pv).split(":")[2]
        for one in opened(tool)
        for item in one.file.items
        if item.pv and "N" in one.macros
    }
    groups = {pv.group.rstrip(":") for pv in CATALOGUE}
    assert {group for group in groups if group[-1:].isdigit()} <= shown


@pytest.mark.parametrize("tool", TOOLS)
def test_every_pv_is_there_with_the_right_type_and_access(tool: str) -> None:
    assert [words for one in opened(tool) for words in pv_complaints(one, CATALOGUE)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_no_macro_is_left(tool: str) -> None:
    assert [words for one in opened(tool) for words in macro_complaints(one)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_every_setpoint_and_command_is_on_some_panel(tool: str) -> None:
    assert never_written(CATALOGUE, opened(tool)) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_every_command_shows_busy_and_its_outcome(tool: str) -> None:
    assert [words for one in opened(tool) for words in command_complaints(one, CATALOGUE)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_overlaps_and_nothing_is_outside(tool: str) -> None:
    assert [words for file in files(tool).values() for words in layout_complaints(file)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_texts_fit_into_their_boxes(tool: str) -> None:
    assert [words for one in opened(tool) for words in text_complaints(one, CATALOGUE)] == []


def test_bob_widgets_are_those_of_phoebus() -> None:
    known = json.loads(Path(__file__).with_name("bob_widgets.json").read_text("utf-8"))["widgets"]
    for name in files("phoebus"):
        root = ElementTree.fromstring((OPI / "phoebus" / name).read_text("utf-8"))
        for widget in [root, *root.iter("widget")]:
            model = known[widget.get("type", "display")]
            assert widget.get("version") == model["version"], (name, widget.attrib)
            assert {child.tag for child in widget} - {"widget"} <= set(model["properties"]), (name, widget.attrib)
        assert root.find("macros") is None, f"{name}: macros in the file stand above those it is opened with"
        tables = [widget for widget in root.iter("widget") if widget.get("type") == "table"]
        assert all(table.findtext("editable") == "false" for table in tables), name


def test_the_guide_shows_every_panel() -> None:
    text = (OPI / "README.md").read_text("utf-8")
    shown = set(re.findall(r"!\[\w+\]\(pictures/(\w+)\.png\)", text))
    assert shown == {Path(name).stem for name in files("pydm")}
    assert {path.stem for path in (OPI / "pictures").glob("dmioc_*.png")} == shown
