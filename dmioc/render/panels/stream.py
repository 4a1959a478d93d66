"""Streaming slots: the session between the beamline and a workflow that must run before data flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.panels.cells import Cells, links
from dmioc.render.panels.placing import frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel


def stream_slot(catalogue: Catalogue) -> Panel:
    """One streaming slot."""
    cells = Cells(catalogue, "STR$(N):")
    setpoints = frame(
        "Session to offer",
        cells.pair("WFSlot", "ReadyTimeout"),
        cells.pair("HeartbeatTimeout", "DrainTimeout"),
        cells.field("Source"),
        cells.field("Args"),
    )
    command = frame("Commands", cells.commands("Offer", "Begin", "End", "Abort"))
    session = frame(
        "Session",
        cells.pair("State", "Epoch"),
        cells.field("Session"),
        cells.pair("StartTime", "EndTime"),
        cells.pair("WFSlot_RBV", "HeartbeatAge"),
        cells.field("JobID"),
        cells.field("Source_RBV"),
    )
    work = frame(
        "Reported by the workflow",
        cells.pair("Received", "Processed"),
        cells.pair("Missed", "Errors"),
        cells.field("Heartbeat"),
        cells.long("Message", 2),
        cells.long("Result", 4),
        cells.long("Error", 3),
    )
    return panel("stream", "Streaming", (setpoints, command, session, work, links(("All jobs", "jobs"))), has_slot=True)
