"""The gateway: its health, its messages, its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.rows import LIST_ROWS
from dmioc.model import Service
from dmioc.render.panels.cells import Cells, links
from dmioc.render.panels.placing import WIDE, FrameOf, frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel

_MESSAGE_WIDTHS = (190, 80, 80, 690)


def gateway(catalogue: Catalogue) -> Panel:
    """How the gateway is, what happened last, and what can be set."""
    cells = Cells(catalogue)
    station = frame(
        "Station",
        cells.field("State"),
        cells.field("Station"),
        cells.field("Owner"),
        cells.field("Backend"),
        cells.field("Requests"),
        cells.field("RequestErrors"),
        cells.field("Revision"),
    )
    process = frame(
        "Process",
        *cells.fields("Host", "Version", "StartTime"),
        cells.fields("Pid", "Heartbeat"),
        cells.fields("Cpu", "Memory"),
        cells.fields("Fds", "PVCount"),
        cells.fields("CAClients", "PVAClients"),
        *cells.fields("Uptime"),
    )
    settings = frame(
        "Settings",
        cells.choice("Control"),
        cells.field("PollPeriod"),
        cells.field("IdlePollPeriod"),
        cells.field("LostAfter"),
        cells.field("NoFilesAfter"),
        cells.field("NoProgressAfter"),
    )
    command = frame("Commands", cells.commands("Refresh"))
    newest = frame("Newest messages", cells.lines("Messages", "MessageRow", LIST_ROWS))
    services = tuple(_service(catalogue, service) for service in Service)
    bands = (
        (station, process, settings),
        command,
        services,
        newest,
        links(("All messages", "messages"), ("All jobs", "jobs")),
    )
    return panel("gateway", "DM gateway", bands, width=WIDE)


def messages(catalogue: Catalogue) -> Panel:
    """The messages that the gateway keeps: in Phoebus all, the newest last."""
    kept = frame("Messages", Cells(catalogue).table("Messages", "MessageRow", LIST_ROWS, _MESSAGE_WIDTHS))
    return panel("messages", "Messages", (kept, links(("Gateway", "gateway"))), width=WIDE)


def _service(catalogue: Catalogue, service: Service) -> FrameOf:
    cells = Cells(catalogue, f"{service.value}:")
    return frame(
        service.value,
        *cells.fields("State", "Latency", "Age"),
        cells.long("Error", 3, label=False),
    )
