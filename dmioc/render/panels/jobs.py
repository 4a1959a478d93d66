"""What DM knows: the owner's jobs and workflows, and the station's experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.rows import LIST_ROWS
from dmioc.render.panels.cells import EMPTY, LINK_WIDTH, Cells, links, opens, ways
from dmioc.render.panels.overview import slots
from dmioc.render.panels.placing import WIDE, frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel

_JOB_WIDTHS = (280, 130, 75, 120, 165, 165, 165, 70, 250)
_EXPERIMENT_WIDTHS = (190, 60, 90, 165, 165, 55, 320)
_WORKFLOW_WIDTHS = (220, 110, 600, 70)


def jobs(catalogue: Catalogue) -> Panel:
    """The newest jobs, how many are active, and waiting until none is."""
    cells = Cells(catalogue, "JOB:")
    counts = frame(
        "Jobs of the DM user",
        (cells.field("Active"), cells.field("Pending"), cells.field("Running"), cells.field("Idle")),
        (cells.field("WaitTimeout"), EMPTY, EMPTY, EMPTY),
        cells.commands("Wait"),
    )
    newest = frame("Newest first", cells.table("List", "Row", LIST_ROWS, _JOB_WIDTHS))
    others = ways(
        *(opens(f"WF {slot}", "workflow", slot) for slot in slots(catalogue, "WF")),
        opens("Workflows", "workflows", width=LINK_WIDTH),
    )
    return panel("jobs", "Jobs", (counts, newest, others), width=WIDE)


def workflows(catalogue: Catalogue) -> Panel:
    """The workflows that DM knows."""
    known = frame("Workflows", Cells(catalogue, "WF:").table("List", "Row", LIST_ROWS, _WORKFLOW_WIDTHS))
    return panel("workflows", "Workflows known to DM", (known, links(("All jobs", "jobs"))), width=WIDE)


def experiments(catalogue: Catalogue) -> Panel:
    """The station's experiments."""
    known = frame("Newest first", Cells(catalogue, "EXP:").table("List", "Row", LIST_ROWS, _EXPERIMENT_WIDTHS))
    return panel("experiments", "Experiments known to DM", (known, links(("Experiment", "experiment"))), width=WIDE)
