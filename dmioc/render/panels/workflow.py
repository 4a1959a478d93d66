"""Workflow slots: the job to start, the job in the slot with its stages, and its whole output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.rows import OUTPUT_ROWS, STAGE_ROWS
from dmioc.catalogue.workflows import ARGUMENT_PAIRS
from dmioc.render.panels.cells import LINK_WIDTH, Cells, opens, strip, ways
from dmioc.render.panels.placing import SHORT_LABEL_WIDTH, WIDE, Cell, FrameOf, frame, panel
from dmioc.render.panels.widgets import SLOT_MACRO, Box, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.cells import Piece
    from dmioc.render.panels.widgets import Panel, Widget

_STAGE_WIDTHS = (140, 65, 80, 75, 75, 250, 200, 160)
_KEY_WIDTH = 120


def workflow_slot(catalogue: Catalogue) -> Panel:
    """One workflow slot: start, run, abort, follow."""
    cells = Cells(catalogue, "WF$(N):")
    command = frame("Commands", cells.commands("Start", "Run", "Abort", "Wait", "Attach"))
    stages = frame("Stages", cells.table("Stages", "StageRow", STAGE_ROWS, _STAGE_WIDTHS))
    output = frame(
        "Output of the last process",
        cells.long("StdOut", OUTPUT_ROWS, rows=("StdOutRow", OUTPUT_ROWS), label=False, fixed_pitch=True),
    )
    others = ways(
        opens("Output, report", "workflow_output", SLOT_MACRO, LINK_WIDTH),
        opens("All jobs", "jobs", width=LINK_WIDTH),
        opens("Workflows", "workflows", width=LINK_WIDTH),
    )
    bands = (_to_start(cells), (_arguments(cells), _held(cells)), command, stages, output, others)
    return panel("workflow", "Workflow", bands, width=WIDE, has_slot=True)


def workflow_output(catalogue: Catalogue) -> Panel:
    """What the job in a workflow slot wrote, and the reports on it."""
    cells = Cells(catalogue, "WF$(N):")
    job = frame(
        "Job",
        cells.pair("Status", "Workflow_RBV"),
        cells.field("JobID"),
        cells.long("Args_RBV", 3),
        cells.long("Command", 3),
        cells.long("Error", 3),
    )
    output = frame("Output", cells.long("StdOut", 10, rows=("StdOutRow", OUTPUT_ROWS), label=False, fixed_pitch=True))
    errors = frame(
        "Error output", cells.long("StdErr", 10, rows=("StdErrRow", OUTPUT_ROWS), label=False, fixed_pitch=True)
    )
    report = frame(
        "Report",
        (cells.field("ReportPeriod"), cells.field("ReportTimeout"), cells.field("Concise")),
        cells.long("Report", 8, label=False, fixed_pitch=True),
    )
    way = ways(opens("Workflow", "workflow", SLOT_MACRO, LINK_WIDTH))
    return panel(
        "workflow_output", "Output of workflow", (job, (output, errors), report, way), width=WIDE, has_slot=True
    )


def _to_start(cells: Cells) -> FrameOf:
    return frame(
        "Job to start",
        (cells.field("Name"), cells.field("Owner"), cells.field("IfRunning")),
        cells.field("FilePath"),
        cells.field("Args"),
        (
            cells.field("RequestID", label_width=SHORT_LABEL_WIDTH, share=1.5),
            cells.field("AttachID", "Attach to", label_width=SHORT_LABEL_WIDTH, share=1.5),
            cells.field("WaitTimeout"),
        ),
    )


def _arguments(cells: Cells) -> FrameOf:
    lines = (_argument(cells, number) for number in range(1, ARGUMENT_PAIRS + 1))
    return frame("Arguments: key, value", *lines)


def _argument(cells: Cells, number: int) -> Cell:
    """Key and value of one argument."""
    key: Piece = (_KEY_WIDTH, lambda box: (Entry(box, cells.name(f"Arg{number}Key")),))

    def value(box: Box) -> Sequence[Widget]:
        return (Entry(box, cells.name(f"Arg{number}Value")),)

    return strip(key, (0, value))


def _held(cells: Cells) -> FrameOf:
    return frame(
        "Job in the slot",
        cells.pair("Status", "StatusText"),
        cells.pair("Workflow_RBV", "Owner_RBV"),
        cells.field("JobID"),
        cells.progress("Stage"),
        cells.fields("StageIndex", "StageCount", "Files", "ExitStatus"),
        cells.pair("SubmitTime", "StartTime"),
        cells.pair("EndTime", "RunTime"),
        cells.long("Error", 2),
        share=2.0,
    )
