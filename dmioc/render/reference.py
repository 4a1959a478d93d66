"""``db/README.md``: the PV reference for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.catalogue.entries import NAME_CHARACTERS, STRING_BYTES
from dmioc.catalogue.listing import access_text, type_text
from dmioc.catalogue.parts import COMMAND_OUTCOMES, STATUS_STATES
from dmioc.model import Status
from dmioc.render.groups import TITLES, slot_groups, slot_of
from dmioc.render.loading import files_section
from dmioc.render.markdown import markdown_table

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue, Column, State
    from dmioc.render.site import Site

_HEAD = ("PV", "type", "rw", "unit", "from", "meaning")


def reference(catalogue: Catalogue, site: Site) -> str:
    """The Markdown text: how to read it, the files beside it, how commands work, then a table for each group.

    Slots of a kind share one table.
    """
    groups = list(dict.fromkeys(pv.group for pv in catalogue))
    scalars = sum(1 for _ in catalogue.scalars())
    counts = f"{scalars} PVs over both protocols, {len(catalogue) - scalars} more over PVAccess only."
    parts = [
        _INTRODUCTION.format(
            counts=counts,
            files=files_section(site),
            outcomes=_states(COMMAND_OUTCOMES),
            status="\n".join(f"| {state.label:11} | {state.severity.name:14} |" for state in STATUS_STATES),
            finished=", ".join(status.value for status in Status if status.is_finished),
        )
    ]
    slots = slot_groups(catalogue)
    for group in groups:
        slot = slot_of(group)
        alike = slots[slot[0]] if slot else (group,)
        if group == alike[0]:
            parts.append(_section(catalogue, alike))
    return "\n".join(parts)


def _section(catalogue: Catalogue, groups: Sequence[str]) -> str:
    title = TITLES.get(groups[0], groups[0].removesuffix(":"))
    names = ", ".join(f"`$(P){group}`" for group in groups)
    rows = [_HEAD, *(_row(pv) for pv in catalogue.group(groups[0]))]
    return f"## {title}: {names}\n\n{markdown_table(rows)}"


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


_INTRODUCTION = f"""\
# The PVs of dmioc

Generated from the catalogue by `make render`: do not edit. `dmioc pvs` lists what a configured gateway serves, with its
prefix and its number of slots; `dmioc.db` here holds the same PVs as records.

A name is the prefix `$(P)` (default `DEMO:DM:`), the group and the PV, e.g. `25IDC:DM:` + `WF1:` + `Start`; at most
{NAME_CHARACTERS} characters. {{counts}}

{{files}}
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
