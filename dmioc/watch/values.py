"""PVs one below the other, each with its name, value, unit, and in words what speaks against believing it."""

from __future__ import annotations

from collections.abc import Sequence

from dmioc.catalogue import PV
from dmioc.catalogue.overview import SlotOverview
from dmioc.watch.lines import TONES, WORD_TONES, Caption, Line, Span, Tone, heading, line, table, wrapped
from dmioc.watch.readings import Trust
from dmioc.watch.rows import slot_line, slots_heading
from dmioc.watch.view import StationView
from dmioc.watch.wording import Paper, clock, duration

_LABEL = 18
"""Columns of a PV's name in front of its value."""
_FIRST = "Error"
_OUTPUT = ("StdErr", "StdOut", "Report", "Result")
"""Texts of many lines: what went wrong comes first and output last, each below its name, and of each the last lines."""
_TAIL = 40
"""How many of them."""


def values(view: StationView, pvs: Sequence[PV], paper: Paper) -> list[Line]:
    """Each PV with its value and unit, long texts on lines of their own; empty ones are left out when fresh."""
    lines: list[Line] = []
    for pv in pvs:
        reading, text = view.reading(pv), view.text(pv)
        if not text and reading.trust is Trust.FRESH:
            continue
        told = " ".join(part for part in (text, pv.unit if text else "", _doubt(view, pv)) if part)
        tone = _tone(view, pv)
        parts = wrapped(told, paper.width - _LABEL) or [""]
        label = f"{pv.short_name.removesuffix('_RBV'):<{_LABEL}}"
        lines.append(line(Span(label, Tone.CAPTION), Span(parts[0], tone), is_row=True))
        lines.extend(line(" " * _LABEL, Span(part, tone), is_row=True) for part in parts[1:])
    return lines


def _tone(view: StationView, pv: PV) -> Tone:
    reading = view.reading(pv)
    return Tone.LOST if reading.trust is Trust.DISCONNECTED else TONES[reading.severity]


def _doubt(view: StationView, pv: PV) -> str:
    """Why not to believe it, or its alarm, in words; empty when all is well."""
    reading = view.reading(pv)
    alarm = f"{reading.severity_word} {reading.alarm}".strip()
    if reading.trust is Trust.FRESH:
        return f"({alarm})" if alarm else ""
    word = reading.trust.value if reading.trust is Trust.DISCONNECTED else alarm
    return f"({word} since {clock(view.since_s(pv), view.now_s)})"


def details_page(view: StationView, slot: SlotOverview, paper: Paper) -> list[Line]:
    """Everything about one slot: its line, its table, its readbacks, and the last lines of its output."""
    pvs = [*slot.line, *slot.details]
    texts = {name: pv for name in (_FIRST, *_OUTPUT) for pv in pvs if pv.short_name == name}
    lines = [slots_heading(view, slot.kind), slot_line(view, slot, paper)]
    if _FIRST in texts:
        lines.extend(_long_text(view, texts[_FIRST], paper))
    lines.extend((line(), *values(view, [pv for pv in pvs if pv not in texts.values()], paper)))
    if slot.table is not None and view.rows(slot.table):
        lines.extend((line(), *_stages(view, slot.table, paper)))
    for name in _OUTPUT:
        if name in texts:
            lines.extend(_long_text(view, texts[name], paper))
    return lines


def _long_text(view: StationView, pv: PV, paper: Paper) -> list[Line]:
    """The last lines of a text below its name; nothing of an empty one."""
    if not view.text(pv):
        return []
    doubt = _doubt(view, pv)
    tone = Tone.MAJOR if pv.short_name == _FIRST else _tone(view, pv)
    told = wrapped(view.text(pv), paper.width)[-_TAIL:]
    head = heading(pv.short_name, f"  {doubt}" if doubt else "")
    return [line(), head, *(line(Span(text, tone), is_row=True) for text in told)]


def _stages(view: StationView, pv: PV, paper: Paper) -> list[Line]:
    captions = (
        Caption("stage", 20),
        Caption("process", 7, is_right=True),
        Caption("status", 9),
        Caption("exit", 5, is_right=True),
        Caption("run time", 8, is_right=True),
        Caption("command", 0),
    )
    rows = [
        (
            [
                str(row["stage"]),
                str(row["process"]),
                str(row["status"]),
                str(row["exitStatus"]),
                duration(float(row["runTime"])),
                str(row["command"]),
            ],
            WORD_TONES.get(str(row["status"]), Tone.PLAIN),
        )
        for row in view.rows(pv)
    ]
    doubt = _doubt(view, pv)
    return [heading("Stages", f"  {doubt}" if doubt else ""), *table(captions, rows, paper)]
