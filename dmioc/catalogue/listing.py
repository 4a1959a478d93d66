"""The catalogue as a list for people and programs (``dmioc pvs``)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from dmioc.catalogue.entries import PV, Catalogue, Kind
from dmioc.errors import ConfigurationError

_PATTERN_CHARACTERS = frozenset("*?[")
_TABLE_HEAD = ("PV", "type", "access", "saved", "unit", "ASG", "description", "states or columns")


def listing(catalogue: Catalogue, prefix: str, format_name: str, pattern: str = "") -> str:
    """The PVs whose name with prefix, or group, matches the pattern; one line each, ends with a newline.

    Formats: ``table`` (aligned text), ``json`` (a list of objects with the same keys each) and ``csv``. For the pattern
    see `selected`. Raises `ConfigurationError` for another format and for a pattern that matches nothing.
    """
    if format_name not in FORMATS:
        raise ConfigurationError(f"format {format_name!r} is none of {', '.join(FORMATS)}")
    return _WRITERS[format_name](selected(catalogue, prefix, pattern), prefix)


def selected(catalogue: Catalogue, prefix: str, pattern: str = "") -> tuple[PV, ...]:
    """The PVs that match the pattern, in the order of the catalogue; all for an empty one.

    A pattern with ``*``, ``?`` or ``[`` is one of the shell and must match the whole name with prefix, or without it,
    or the group (``WF1:``); any other text needs only be part of the name. Case does not matter. Raises
    `ConfigurationError` when nothing matches.
    """
    wanted = pattern.strip().lower()
    found = tuple(pv for pv in catalogue if _matches(pv, prefix, wanted))
    if not found:
        raise ConfigurationError(f"no PV of {prefix} matches {pattern!r}; try a part of a name, e.g. WF1: or *:Status")
    return found


def type_text(pv: PV) -> str:
    """The type in the words of the contract, with its length: ``text(256)``, ``long``."""
    return f"{pv.kind.value}({pv.length})" if pv.kind.is_text else pv.kind.value


def parts_of(pv: PV) -> tuple[str, ...]:
    """Labels of the states, or names of the columns; empty for a PV that has neither."""
    return pv.labels or tuple(column.name for column in pv.columns)


def access_text(pv: PV) -> str:
    """``rw`` for what a client may put, ``x`` for what it may only call (RPC), else ``r``."""
    if pv.writable:
        return "rw"
    return "x" if pv.kind is Kind.RPC else "r"


def entry(pv: PV, prefix: str) -> dict[str, object]:
    """Everything a client may want to know of a PV, as plain JSON values; every PV has every key."""
    return {
        "pv": prefix + pv.name,
        "name": pv.name,
        "group": pv.group,
        "kind": pv.kind.value,
        "length": pv.length,
        "states": list(pv.labels),
        "severities": [state.severity.name for state in pv.states],
        "columns": [{"name": column.name, "kind": column.kind} for column in pv.columns],
        "access": access_text(pv),
        "asg": pv.asg,
        "saved": pv.saved,
        "ca": pv.kind.is_scalar,
        "unit": pv.unit,
        "precision": pv.precision,
        "low": pv.low,
        "high": pv.high,
        "default": list(pv.default) if isinstance(pv.default, tuple) else pv.default,
        "service": pv.service.value if pv.service else "",
        "description": pv.description,
        "alarm": pv.alarm,
        "doc": pv.doc,
    }


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines with columns of one width, two spaces apart, and no space at the end of a line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(line + "\n" for line in lines)


def _matches(pv: PV, prefix: str, wanted: str) -> bool:
    full_name = (prefix + pv.name).lower()
    if _PATTERN_CHARACTERS.isdisjoint(wanted):
        return wanted in full_name
    return any(fnmatchcase(text, wanted) for text in (full_name, pv.name.lower(), pv.group.lower()))


def _table(pvs: Sequence[PV], prefix: str) -> str:
    rows = [
        (
            prefix + pv.name,
            type_text(pv),
            access_text(pv),
            "saved" if pv.saved else "",
            pv.unit,
            pv.asg,
            pv.description,
            ", ".join(parts_of(pv)),
        )
        for pv in pvs
    ]
    return aligned([_TABLE_HEAD, *rows])


def _json(pvs: Sequence[PV], prefix: str) -> str:
    return json.dumps([entry(pv, prefix) for pv in pvs], indent=1, ensure_ascii=False) + "\n"


def _csv(pvs: Sequence[PV], prefix: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(entry(pvs[0], prefix))
    for pv in pvs:
        writer.writerow([_csv_cell(value) for value in entry(pv, prefix).values()])
    return text.getvalue()


def _csv_cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else value


_WRITERS: dict[str, Callable[[Sequence[PV], str], str]] = {"table": _table, "json": _json, "csv": _csv}
FORMATS = tuple(_WRITERS)
"""Names of the formats, for the command line."""
