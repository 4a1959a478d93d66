"""That the checks of panels find what is wrong: real panels, each with one mistake made in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from panel_checks import (
    FIRST,
    PREFIX,
    Opened,
    command_complaints,
    layout_complaints,
    macro_complaints,
    never_written,
    opened_from,
    pv_complaints,
    text_complaints,
)
from panel_files import READERS, files, opened
from panel_items import OPI
from reading_adl import blocks

from dmioc.catalogue import station_catalogue

CATALOGUE = station_catalogue()


@dataclass(frozen=True)
class Mistake:
    """A panel, what is replaced in it by what, and a part of the complaint that must come."""

    panel: str
    right: str
    wrong: str
    complaint: str


ENTRY_ON_READBACK = "writes to a PV that is read only"
DIRECTORY = "DAQ{N}:DataDirectory"
MISTAKES = [
    Mistake(
        "phoebus/dmioc_daq.bob",
        "<pv_name>$(P)DAQ$(N):DestDirectory<",
        "<pv_name>$(P)DAQ$(N):LastFile<",
        ENTRY_ON_READBACK,
    ),
    Mistake("medm/dmioc_daq.adl", '"$(P)DAQ$(N):DestDirectory"', '"$(P)DAQ$(N):LastFile"', ENTRY_ON_READBACK),
    Mistake("caqtdm/dmioc_daq.ui", ">$(P)DAQ$(N):DestDirectory<", ">$(P)DAQ$(N):LastFile<", ENTRY_ON_READBACK),
    Mistake("pydm/dmioc_daq.ui", ">ca://${P}DAQ${N}:DestDirectory<", ">ca://${P}DAQ${N}:LastFile<", ENTRY_ON_READBACK),
    Mistake("pydm/dmioc_daq.ui", "DAQ${N}:Percent<", "DAQ${N}:Precent<", "Precent is not in the catalogue"),
    Mistake("phoebus/dmioc_daq.bob", ">$(P)DAQ$(N):Percent<", ">DAQ$(N):Percent<", "is not in the catalogue"),
    Mistake("phoebus/dmioc_daq.bob", "DAQ$(N):Percent", "DAQ$(R):Percent", "macro R"),
    Mistake("medm/dmioc_overview.adl", "P=$(P),N=1", "P=$(P)", "nobody gives N"),
    Mistake("medm/dmioc_daq.adl", 'chan="$(P)DAQ$(N):Percent"', 'chan="pva://$(P)DAQ$(N):Percent"', "over PVAccess"),
    Mistake("caqtdm/dmioc_daq.ui", ">$(P)DAQ$(N):Percent<", ">pva://$(P)DAQ$(N):Percent<", "over PVAccess"),
    Mistake("medm/dmioc_daq.adl", 'press_msg="1"', 'press_msg="Go"', "puts 'Go'"),
    Mistake("caqtdm/dmioc_daq.ui", "<string>Busy</string>", "<string>Begin</string>", "puts 'Begin'"),
    Mistake("phoebus/dmioc_daq.bob", "<value>Busy</value>", "<value>2</value>", "puts '2'"),
    Mistake("phoebus/dmioc_daq.bob", "<format>6</format>", "<format>0</format>", "shows its characters as numbers"),
    Mistake("medm/dmioc_daq.adl", 'format="string"', 'format="decimal"', "shows its characters as numbers"),
    Mistake(
        "pydm/dmioc_daq.ui", "<enum>PyDMLineEdit::String</enum>", "<enum>PyDMLineEdit::Decimal</enum>", "as numbers"
    ),
    Mistake("pydm/dmioc_jobs.ui", ">pva://${P}JOB:List<", ">ca://${P}JOB:List<", "needs pva://"),
    Mistake("pydm/dmioc_jobs.ui", "${P}JOB:List<", "${P}JOB:Active<", "another type"),
    Mistake("caqtdm/dmioc_overview.ui", "dmioc_gateway.ui", "dmioc_gatway.ui", "dmioc_gatway.ui, which is not there"),
    Mistake("medm/dmioc_daq.adl", "\tx=10\n", "\tx=60\n", "overlap"),
    Mistake("pydm/dmioc_daq.ui", "<width>715</width>", "<width>600</width>", "is not within"),
    Mistake(
        "phoebus/dmioc_daq.bob", "<text>DAQ to start</text>", "<text>DAQ that will be started next</text>", "needs"
    ),
    Mistake("caqtdm/dmioc_daq.ui", ":CmdMessage<", ":StatusText<", "CmdMessage is not shown"),
]


def complaints(tool: str, panel: Path) -> Iterator[str]:
    """Everything that the checks say of the panels of one program, one of which is another file."""
    found = files(tool) | {panel.name: READERS[panel.suffix](panel)}
    reached, wrong = opened_from(found[FIRST + panel.suffix], found)
    yield from wrong
    for one in [*reached, Opened(found[panel.name], {"P": PREFIX, "N": "1"})]:
        yield from (*macro_complaints(one), *pv_complaints(one, CATALOGUE), *text_complaints(one, CATALOGUE))
        yield from command_complaints(one, CATALOGUE)
    yield from layout_complaints(found[panel.name])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: f"{one.panel}: {one.complaint}")
def test_a_mistake_is_found(mistake: Mistake, tmp_path: Path) -> None:
    tool, name = mistake.panel.split("/")
    text = (OPI / tool / name).read_text("utf-8")
    assert mistake.right in text, "the panel no longer holds what the mistake is made of"
    (tmp_path / tool).mkdir()
    path = tmp_path / tool / name
    path.write_text(text.replace(mistake.right, mistake.wrong), "utf-8")
    assert [words for words in complaints(tool, path) if mistake.complaint in words] != []


def test_a_setpoint_on_no_panel_is_found() -> None:
    left = [one for one in opened("pydm") if one.file.path.name != "dmioc_metadata.ui"]
    assert "MD:Send" in never_written(CATALOGUE, left)


@pytest.mark.parametrize("text", ["text {\n object {\n }\n", "text {\n}\n}\n"])
def test_an_adl_with_a_brace_too_few_or_too_many_is_not_read(text: str) -> None:
    with pytest.raises(AssertionError, match="brace"):
        blocks(text)
