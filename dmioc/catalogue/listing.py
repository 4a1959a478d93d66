"""The catalogue as a list for people and programs (``dmioc pvs``)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from dmioc.catalogue.entries import PV, Catalogue, Kind, Served
from dmioc.errors import ConfigurationError

_PATTERN_CHARACTERS = frozenset("*?[")
_TABLE_HEAD = ("PV", "type", "access", "saved", "unit", "ASG", "description")
_ALIAS_HEAD = "alias of"
_LAST_HEAD = "states or columns"


def listing(catalogue: Catalogue, prefix: str, format_name: str, pattern: str = "") -> str:
    """The PVs whose name with prefix, or group, matches the pattern, and their aliases; one line each, ends with a newline.

    Formats: ``table`` (aligned text), ``json`` (a list of objects with the same keys each) and ``csv``. For the pattern
    see `selected`. Raises `ConfigurationError` for another format and for a pattern that matches nothing.
    """
    if format_name not in FORMATS:
        raise ConfigurationError(f"format {format_name!r} is none of {', '.join(FORMATS)}")
    return _WRITERS[format_name](selected(catalogue, prefix, pattern), prefix)


def selected(catalogue: Catalogue, prefix: str, pattern: str = "") -> tuple[Served, ...]:
    """The names that match the pattern, in the order of the catalogue, aliases last; all for an empty one.

    A pattern with ``*``, ``?`` or ``[`` is one of the shell and must match the whole name with prefix, or without it,
    or the group (``WF1:``); any other text needs only be part of the name. Case does not matter. An alias is found by its
    own name and by its PV's. Raises `ConfigurationError` when nothing matches.
    """
    wanted = pattern.strip().lower()
    found = tuple(served for served in catalogue.served(prefix) if _matches(served, prefix, wanted))
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


def alias_of(served: Served, prefix: str) -> str:
    """Full name of the PV that an alias stands for; empty for the PV's own name."""
    return prefix + served.pv.name if served.is_alias else ""


def entry(served: Served, prefix: str) -> dict[str, object]:
    """Everything a client may want to know of a PV, as plain JSON values; every name has every key.

    ``pv`` is the name that clients ask for, ``name`` that of the catalogue's entry, also for an alias.
    """
    pv = served.pv
    return {
        "pv": served.name,
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
        "alias_of": alias_of(served, prefix),
    }


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines with columns of one width, two spaces apart, and no space at the end of a line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(line + "\n" for line in lines)


def _matches(served: Served, prefix: str, wanted: str) -> bool:
    pv = served.pv
    names = {served.name.lower(), (prefix + pv.name).lower()}
    if _PATTERN_CHARACTERS.isdisjoint(wanted):
        return any(wanted in name for name in names)
    return any(fnmatchcase(text, wanted) for text in (*names, pv.name.lower(), pv.group.lower()))


def _table(found: Sequence[Served], prefix: str) -> str:
    """With a column for what aliases stand for where there are any."""
    has_aliases = any(served.is_alias for served in found)
    rows = [
        (*_cells(served), *((alias_of(served, prefix),) if has_aliases else ()), ", ".join(parts_of(served.pv)))
        for served in found
    ]
    return aligned([(*_TABLE_HEAD, *((_ALIAS_HEAD,) if has_aliases else ()), _LAST_HEAD), *rows])


def _cells(served: Served) -> tuple[str, ...]:
    pv = served.pv
    saved = "saved" if pv.saved else ""
    return served.name, type_text(pv), access_text(pv), saved, pv.unit, pv.asg, pv.description


def _json(found: Sequence[Served], prefix: str) -> str:
    return json.dumps([entry(served, prefix) for served in found], indent=1, ensure_ascii=False) + "\n"


def _csv(found: Sequence[Served], prefix: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(entry(found[0], prefix))
    for served in found:
        writer.writerow([_csv_cell(value) for value in entry(served, prefix).values()])
    return text.getvalue()


def _csv_cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else value


_WRITERS: dict[str, Callable[[Sequence[Served], str], str]] = {"table": _table, "json": _json, "csv": _csv}
FORMATS = tuple(_WRITERS)
"""Names of the formats, for the command line."""
