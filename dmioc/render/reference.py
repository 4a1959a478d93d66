"""``db/README.md``: the PV reference for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.catalogue.entries import NAME_CHARACTERS, STRING_BYTES
from dmioc.catalogue.listing import access_text, type_text
from dmioc.catalogue.parts import COMMAND_OUTCOMES, STATUS_STATES
from dmioc.model import Status

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue, Column, State

_TITLES = {
    "": "Gateway",
    "DS:": "Data storage service",
    "DAQ:": "Data acquisition service and the station's DAQs",
    "PROC:": "Processing service",
    "CAT:": "Catalog service",
    "EXP:": "Experiment",
    "DAQ1:": "DAQ slots",
    "UPL1:": "Upload slots",
    "UPL:": "The station's uploads",
    "WF1:": "Workflow slots",
    "WF:": "The owner's workflows",
    "JOB:": "The owner's jobs",
    "MD:": "Metadata of runs",
    "STR1:": "Streaming slots",
}
_SLOT = re.compile(r"([A-Z]+)([0-9]+):")
_HEAD = ("PV", "type", "rw", "unit", "from", "meaning")


def reference(catalogue: Catalogue) -> str:
    """The Markdown text: how to read it, how commands work, then a table for each group; slots of a kind once."""
    groups = list(dict.fromkeys(pv.group for pv in catalogue))
    scalars = sum(1 for _ in catalogue.scalars())
    counts = f"{scalars} PVs over both protocols, {len(catalogue) - scalars} more over PVAccess only."
    parts = [
        _INTRODUCTION.format(
            counts=counts,
            outcomes=_states(COMMAND_OUTCOMES),
            status="\n".join(f"| {state.label:11} | {state.severity.name:14} |" for state in STATUS_STATES),
            finished=", ".join(status.value for status in Status if status.is_finished),
        )
    ]
    for group in groups:
        slot = _SLOT.fullmatch(group)
        if slot and slot[2] != "1":
            continue
        alike = [
            other for other in groups if slot and other != group and other.startswith(slot[1]) and _SLOT.match(other)
        ]
        parts.append(_section(catalogue, [group, *alike]))
    return "\n".join(parts)


def _section(catalogue: Catalogue, groups: Sequence[str]) -> str:
    title = _TITLES.get(groups[0], groups[0].removesuffix(":"))
    names = ", ".join(f"`$(P){group}`" for group in groups)
    rows = [_HEAD, *(_row(pv) for pv in catalogue.group(groups[0]))]
    return f"## {title}: {names}\n\n{_markdown(rows)}"


def _row(pv: PV) -> tuple[str, ...]:
    access = access_text(pv) + (", saved" if pv.saved else "")
    service = pv.service.value if pv.service else ""
    return (f"`{pv.short_name}`", type_text(pv), access, pv.unit, service, " ".join(_meaning(pv)))


def _meaning(pv: PV) -> Iterator[str]:
    yield pv.description + "."
    if pv.doc:
        yield pv.doc.removesuffix(".") + "."
    if pv.kind is Kind.ENUM:
        yield _shared_states(pv.states) or f"States: {_states(pv.states)}."
    if pv.columns:
        yield f"{'Fields' if pv.kind is Kind.STRUCTURE else 'Columns'}: {', '.join(map(_column, pv.columns))}."
    yield from _settings(pv)
    if pv.alarm:
        yield f"Alarm: {pv.alarm}."


def _settings(pv: PV) -> Iterator[str]:
    if pv.kind is Kind.ENUM and pv.writable and isinstance(pv.default, int):
        yield f"Default {pv.labels[pv.default]}."
    if pv.kind in (Kind.LONG, Kind.DOUBLE) and pv.writable:
        yield f"Default {_number(pv.default)}{_range(pv)}."


def _range(pv: PV) -> str:
    low = "" if pv.low is None else f", from {_number(pv.low)}"
    return low if pv.high is None else f"{low} to {_number(pv.high)}"


def _number(value: object) -> str:
    return str(value).removesuffix(".0")


def _shared_states(states: tuple[State, ...]) -> str:
    if states == STATUS_STATES:
        return "A status word, see above."
    return "One of the outcomes above." if states == COMMAND_OUTCOMES else ""


def _states(states: tuple[State, ...]) -> str:
    return ", ".join(f"{state.label} ({state.severity.name})" if state.severity else state.label for state in states)


def _column(column: Column) -> str:
    return column.name if column.kind == "string" else f"{column.name} ({column.kind})"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; every column but the last is padded to its widest cell, so that the source reads well too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    lines = [_line(row, widths) for row in cells]
    lines.insert(1, _line(["-" * width for width in widths] + ["-" * len(cells[0][-1])], widths))
    return "\n".join(lines) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
    return f"| {' | '.join([*padded, row[-1]])} |"


_INTRODUCTION = f"""\
# The PVs of dmioc

Generated from the catalogue by `make render`: do not edit. `dmioc pvs` lists what a configured gateway serves, with its
prefix and its number of slots; `dmioc.db` here holds the same PVs as records.

A name is the prefix `$(P)` (default `DEMO:DM:`), the group and the PV, e.g. `25IDC:DM:` + `WF1:` + `Start`; at most
{NAME_CHARACTERS} characters. {{counts}}

## Types

| type     | Channel Access                                               | PVAccess         |
| -------- | ------------------------------------------------------------ | ---------------- |
| text(n)  | CHAR waveform of n bytes of UTF-8, shown as text: `caget -S` | string           |
| lines(n) | the same, one entry a line                                   | array of strings |
| string   | DBR_STRING, up to {STRING_BYTES} characters                              | string           |
| enum     | DBR_ENUM; takes the label, the index, the index as text      | NTEnum; the same |
| long     | DBR_LONG, 32 bits                                            | int              |
| double   | DBR_DOUBLE                                                   | double           |
| command  | DBR_ENUM with Idle and Busy                                  | NTEnum           |
| table    | not served                                                   | NTTable          |

Structures and the RPC are PVAccess only, too.

Column "rw": r is published and cannot be put; rw can be put (a setpoint or a command); x can be called. *Saved*
setpoints survive a restart. A setpoint has the plain name; where DM's own value can differ, `NAME_RBV` holds it.
Column "from": the DM service that the value comes from; empty for the gateway's own. Time stamps are DM's time of the
event where DM gives one, else the time the gateway learned the value.

## Commands

Put 1. Any other value is refused. The PV reads Busy until the command has ended, then Idle. A put with completion
(`caput -c`, `ca_put_callback`, PVA `record[block=true]`) ends with the command; one without returns at once. A second
put to a Busy command is refused and changes nothing.

The outcome is on the group's `CmdStatus` ({{outcomes}}), in words on `CmdMessage`, and
`CmdCount` counts. Read them after every command: over PVA a refused put fails with the reason, but many Channel Access
clients do not show that a put failed.

## Status words and alarms

| status word | alarm severity |
| ----------- | -------------- |
{{status}}

Finished are {{finished}}; a wait ends at each of them. Lost: DM answers but no
longer knows the object. Unknown: a word this version does not know; it is on `StatusText`. TimedOut: DM's own time-out.

The alarm status of a state is STATE. While a DM service cannot be reached, every value from it keeps its last good
value and time, with INVALID/COMM; setpoints and the gateway's own values stay as they are.
"""
