"""The pages: each a function from the view to lines, for a screen or for a print-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from dmioc.catalogue.overview import SlotKind
from dmioc.watch.lines import TONES, WORD_TONES, Line, Span, Tone, heading, line, wrapped
from dmioc.watch.readings import Trust
from dmioc.watch.rows import service_cell, slot_line, slots_heading
from dmioc.watch.tables import DAQS, EXPERIMENTS, JOBS, UPLOADS, StationTable, table_lines
from dmioc.watch.values import values
from dmioc.watch.view import Event, LinkState, StationView
from dmioc.watch.wording import ID, Paper, clock, count, date_and_time, printable, span

_LEAST_MESSAGES = 3


def title(view: StationView, paper: Paper) -> Line:
    """What station this is, and whether the gateway is there."""
    if view.is_connected:
        state = view.reading(view.overview.head)
        alarm = f" {state.severity_word}" if state.severity_word else ""
        told = f"{_own(view, 'Station')}  gateway {state.content}{alarm}"
        tone = TONES[state.severity] if state.severity else Tone.HEAD
    else:
        since = f"since {clock(view.link_since_s, view.now_s)} ({span(view.now_s - view.link_since_s)})"
        told = f"gateway {view.link.value} {since}"
        tone = Tone.LOST
    right = f"{view.protocol}  {clock(view.now_s, view.now_s)}"
    left = paper.cell(f"{view.prefix}  {told}", max(paper.width - len(right) - 1, 0))
    return Line((Span(f"{left} {right}", tone),))


def _own(view: StationView, name: str) -> str:
    return next(view.text(pv) for pv in view.overview.gateway if pv.name == name)


def away(view: StationView, paper: Paper) -> list[Line]:
    """What to do about a gateway that is not there; nothing when it is."""
    if view.is_connected:
        return []
    told = {
        LinkState.SEARCHING: f"Nothing answers for {view.prefix}{view.overview.head.name} over {view.protocol}. Is the gateway"
        " running, the prefix right, and EPICS_PVA_ADDR_LIST or EPICS_CA_ADDR_LIST set? The search goes on.",
        LinkState.DISCONNECTED: "The gateway is away. What is shown is what was last seen. It goes on by itself when it is back.",
        LinkState.SILENT: "The gateway is connected and does not count its heartbeat. What is shown is what was last seen.",
    }
    return [line(Span(text, Tone.LOST)) for text in wrapped(told[view.link], paper.width)]


def overview_page(view: StationView, paper: Paper) -> list[Line]:
    """Everything at a glance: services, experiment, every slot, the last messages."""
    lines = [*away(view, paper), *_services(view, paper), _experiment_line(view, paper)]
    for kind in SlotKind:
        if slots := view.of_kind(kind):
            lines.append(slots_heading(view, kind))
            lines.extend(slot_line(view, slot, paper) for slot in slots)
    room = max(paper.height - len(lines) - 1, _LEAST_MESSAGES)
    return [*lines, heading("Messages"), *(_message_line(view, event, paper) for event in view.events[:room])]


def _services(view: StationView, paper: Paper) -> list[Line]:
    if not view.is_connected:
        return []
    width = paper.width // 2
    services = view.overview.services
    lines = [
        Line(tuple(piece for service in pair if service for piece in service_cell(view, service, width)))
        for pair in zip_longest(services[::2], services[1::2])
    ]
    for service in services:
        if error := view.text(service.error):
            told = paper.cell(f"{service.service.value} error: {error}", paper.width)
            lines.append(line(Span(told, Tone.MAJOR)))
    return lines


def _experiment_line(view: StationView, paper: Paper) -> Line:
    pvs = {pv.short_name: pv for pv in view.overview.experiment}
    state = view.reading(pvs["State"])
    name = view.text(pvs["Name"]) or "none"
    if state.trust is not Trust.FRESH:
        told = f"{state.trust.value} since {clock(view.since_s(pvs['State']), view.now_s)}"
        rest = f", was {name} {state.content}" if state.content is not None else ""
        tone = Tone.INVALID if state.trust is Trust.INVALID else Tone.LOST
        return line(Span("Experiment  ", Tone.HEAD), Span(told, tone), Span(rest, Tone.DIM))
    word = f"{state.content} {state.severity_word}".rstrip()
    tone = TONES[state.severity] if state.severity else (Tone.GOOD if state.content == "Loaded" else Tone.DIM)
    about = (
        f"  {count(view.number(pvs['FileCount']))} files  {view.text(pvs['Description'])}"
        if state.content == "Loaded"
        else ""
    )
    room = max(paper.width - 12 - len(name) - 2 - len(word), 0)
    return line(Span("Experiment  ", Tone.HEAD), f"{printable(name)}  ", Span(word, tone), paper.cell(about, room))


def _message_line(view: StationView, event: Event, paper: Paper) -> Line:
    told = ID.sub(r"\1..", f"{event.severity} {event.source}: {event.text}".strip())
    text = f"{clock(event.time_s, view.now_s):>11} {told}"
    return line(Span(paper.cell(text, paper.width), WORD_TONES.get(event.severity, Tone.PLAIN)), is_row=True)


def _slot_lines(view: StationView, kind: SlotKind, paper: Paper) -> list[Line]:
    """Each slot on one line, and below it what it works on and what went wrong."""
    lines = [*away(view, paper), slots_heading(view, kind)]
    for slot in view.of_kind(kind):
        lines.append(slot_line(view, slot, paper))
        for pv in slot.line:
            if pv.short_name in _BELOW and (text := view.text(pv)):
                tone = Tone.MAJOR if pv.short_name == "Error" else Tone.DIM
                told = f"{'':5}{pv.short_name.removesuffix('_RBV')}: {text}"
                lines.append(line(Span(paper.cell(told, paper.width), tone), slot=slot.name))
    if not view.of_kind(kind):
        lines.append(line("This gateway has none of these slots, or they have not answered yet."))
    return lines


_BELOW = ("Experiment_RBV", "DataDirectory_RBV", "SourcePath_RBV", "JobID", "Message", "Error")


def daq_page(view: StationView, paper: Paper) -> list[Line]:
    """DAQ slots, and every DAQ of the station."""
    return [*_slot_lines(view, SlotKind.DAQ, paper), line(), *table_lines(view, DAQS, paper)]


def upload_page(view: StationView, paper: Paper) -> list[Line]:
    """Upload slots, and every upload of the station."""
    return [*_slot_lines(view, SlotKind.UPLOAD, paper), line(), *table_lines(view, UPLOADS, paper)]


def job_page(view: StationView, paper: Paper) -> list[Line]:
    """Workflow slots, and the newest jobs of the owner."""
    return [*_slot_lines(view, SlotKind.WORKFLOW, paper), line(), *table_lines(view, JOBS, paper)]


def stream_page(view: StationView, paper: Paper) -> list[Line]:
    """Streaming slots."""
    return _slot_lines(view, SlotKind.STREAM, paper)


def message_page(view: StationView, paper: Paper) -> list[Line]:
    """The gateway's messages, newest first, each whole."""
    since = (
        ""
        if view.has_tables
        else f" since {clock(view.began_s, view.now_s)}: earlier ones are served over PVAccess only"
    )
    lines = [*away(view, paper), heading("Messages", f"  {len(view.events)}{since}")]
    for event in view.events:
        told = f"{date_and_time(event.time_s)} {event.severity} {event.source}: {event.text}".replace("  ", " ")
        tone = WORD_TONES.get(event.severity, Tone.PLAIN)
        lines.extend(line(Span(text, tone), is_row=True) for text in wrapped(told, paper.width))
    return lines


def experiment_page(view: StationView, paper: Paper) -> list[Line]:
    """The experiment in use, and the station's experiments."""
    lines = [*away(view, paper), heading("Experiment in use"), *values(view, view.overview.experiment, paper)]
    return [*lines, line(), *table_lines(view, EXPERIMENTS, paper)]


def gateway_page(view: StationView, paper: Paper) -> list[Line]:
    """The gateway itself, and how it reaches DM."""
    lines = [*away(view, paper), heading("Gateway"), *values(view, view.overview.gateway, paper)]
    for service in view.overview.services:
        lines.append(line())
        lines.append(heading(f"{service.state.description} ({service.service.value})"))
        lines.extend(values(view, service.pvs, paper))
    lines.extend((line(), heading("Health"), *values(view, view.overview.health, paper)))
    return [*lines, line(), heading("Settings"), *values(view, view.overview.settings, paper)]


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the key that opens it, its title, what draws it, and the station's table that it shows besides."""

    key: str
    title: str
    draw: Callable[[StationView, Paper], list[Line]]
    table: StationTable | None = None


PAGES = (
    Page("1", "Overview", overview_page),
    Page("2", "DAQs", daq_page, DAQS),
    Page("3", "Uploads", upload_page, UPLOADS),
    Page("4", "Jobs", job_page, JOBS),
    Page("5", "Streams", stream_page),
    Page("6", "Messages", message_page),
    Page("7", "Experiment", experiment_page, EXPERIMENTS),
    Page("8", "Gateway", gateway_page),
)
