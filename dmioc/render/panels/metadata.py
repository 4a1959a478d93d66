"""Metadata of runs: what goes to DM's catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.panels.cells import Cells, links
from dmioc.render.panels.placing import frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel


def metadata(catalogue: Catalogue) -> Panel:
    """The dataset to send, and how the last one went."""
    cells = Cells(catalogue, "MD:")
    send = frame(
        "To send",
        cells.field("Experiment"),
        cells.field("RunUID"),
        cells.field("Dataset"),
        cells.field("Workflow"),
        cells.long("JSON", 4),
    )
    command = frame("Commands", cells.commands("Send"))
    last = frame("Last sent", cells.pair("Status", "Bytes"), cells.field("ID"))
    return panel("metadata", "Metadata", (send, command, last, links(("Experiment", "experiment"))))
