"""DAQ slots and upload slots: what to start, how it goes, and the station's lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.rows import LIST_ROWS
from dmioc.render.panels.cells import Cells, links, strip, words
from dmioc.render.panels.placing import WIDE, FrameOf, frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel

_LIST_WIDTHS = (80, 130, 220, 90, 75, 60, 60, 65, 60, 65, 165, 165)


def daq_slot(catalogue: Catalogue) -> Panel:
    """One DAQ slot."""
    cells = Cells(catalogue, "DAQ$(N):")
    setpoints = frame(
        "DAQ to start",
        cells.field("DataDirectory"),
        cells.field("DestDirectory"),
        cells.field("Workflow"),
        cells.field("WorkflowArgs"),
        cells.field("Options"),
    )
    expected = frame(
        "To wait for",
        cells.pair("Expect", "WaitTimeout"),
        cells.field("ExpectFile"),
    )
    command = frame("Commands", cells.commands("Start", "Stop", "Wait"))
    held = _held(cells, "DAQ in the slot", "Attached")
    return panel(
        "daq",
        "DAQ",
        (setpoints, expected, command, held, links(("All DAQs", "daqs"), ("Experiment", "experiment"))),
        has_slot=True,
    )


def upload_slot(catalogue: Catalogue) -> Panel:
    """One upload slot."""
    cells = Cells(catalogue, "UPL$(N):")
    setpoints = frame(
        "Upload to start",
        cells.field("SourcePath"),
        cells.field("DestDirectory"),
        cells.field("Workflow"),
        cells.field("WorkflowArgs"),
        cells.field("Options"),
        cells.pair("Mode", "Reprocess"),
        cells.pair("WaitTimeout"),
    )
    command = frame("Commands", cells.commands("Start", "Run", "Stop", "Wait"))
    held = _held(cells, "Upload in the slot", "", "SourcePath_RBV")
    return panel(
        "upload",
        "Upload",
        (setpoints, command, held, links(("All uploads", "uploads"), ("Experiment", "experiment"))),
        has_slot=True,
    )


def daq_list(catalogue: Catalogue) -> Panel:
    """Every DAQ of the station."""
    return _list(catalogue, "DAQ:", "daqs", "DAQs of the station")


def upload_list(catalogue: Catalogue) -> Panel:
    """Every upload of the station."""
    return _list(catalogue, "UPL:", "uploads", "Uploads of the station")


def _held(cells: Cells, title: str, beside: str, *paths: str) -> FrameOf:
    return frame(
        title,
        cells.pair("Status", "StatusText"),
        cells.field("ID"),
        cells.progress(),
        cells.pair("FilesTotal", "FilesDone"),
        cells.pair("FilesWaiting", "FilesFailed"),
        cells.pair("Rate", "Bytes"),
        cells.pair("StartTime", "EndTime"),
        cells.pair("RunTime", beside),
        cells.field("Experiment_RBV"),
        *(cells.field(path) for path in paths),
        cells.field("DataDirectory_RBV"),
        cells.field("DestDirectory_RBV"),
        cells.field("LastFile"),
        cells.long("Error", 3),
    )


def _list(catalogue: Catalogue, group: str, name: str, title: str) -> Panel:
    cells = Cells(catalogue, group)
    body = frame(
        "Newest first",
        strip(words("Pending or running", 150), cells.show("Active", 60)),
        cells.table("List", "Row", LIST_ROWS, _LIST_WIDTHS),
    )
    return panel(name, title, (body, links(("Experiment", "experiment"))), width=WIDE)
