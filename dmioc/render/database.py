"""``db/dmioc.db``: the scalar PVs as EPICS records."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.catalogue.records import record_type
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.render.archiving import archive_tag, sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dmioc.catalogue import PV, Catalogue

_HEADER = """\
# Every scalar PV of dmioc as an EPICS record. Generated from the catalogue by `make render`: do not edit.
#
# `dmioc run` does not read this file: it serves these PVs itself. The file mirrors what it serves, for tools that read
# .db, and for a plain softIoc to draw panels against (nothing in there does any work):
#     python -m epicscorelibs.ioc -m P=DEMO:DM: -d db/dmioc.db
# A command (bo) falls back to Idle by itself after 1 s there. Tables, structures and the RPC are PVAccess only and not
# in here: see README.md. Info tags: Q:form (QSRV 2 serves the text as a string), autosaveFields (synApps' autosave),
# archive (RecCaster tells ChannelFinder, which asks an Archiver Appliance).
"""

_MBB_PREFIXES = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
"""The first two letters of the fields of a mbbi's or mbbo's states, in the order of their values."""

_COMMAND_HIGH_S = 1

_NO_MACROS: Mapping[str, str] = MappingProxyType({})


def database(catalogue: Catalogue) -> str:
    """The text of the database, with macro ``$(P)`` for the prefix; records in the order of the catalogue."""
    return _HEADER + "".join(record("$(P)" + pv.name, pv) for pv in catalogue.scalars()) + aliases(catalogue)


def aliases(catalogue: Catalogue) -> str:
    """The second names: an alias of the record, or a record of its own where it has another type; empty without any."""
    texts: list[str] = []
    for served in catalogue.served("$(P)"):
        if served.is_alias:
            own = catalogue[served.pv.name]
            link = f"\nalias({_quoted('$(P)' + own.name)}, {_quoted(served.name)})\n"
            # The setpoint itself is what is kept; kept twice, the two would contend at a restart.
            texts.append(link if served.pv == own else record(served.name, replace(served.pv, saved=False)))
    return "".join(texts)


def record(name: str, pv: PV, macros: Mapping[str, str] = _NO_MACROS) -> str:
    """The record of one PV, after an empty line.

    Args:
        name: full name, with macros.
        pv: what it is.
        macros: stand in for the values of the fields that they are given by.
    """
    fields = {field: macros.get(field, value) for field, value in _fields(pv)}
    lines = [f"    field({field}, {_quoted(value)})\n" for field, value in fields.items()]
    lines += [f"    info({tag}, {_quoted(value)})\n" for tag, value in _tags(pv)]
    return f"\nrecord({record_type(pv)}, {_quoted(name)}) {{\n{''.join(lines)}}}\n"


def _tags(pv: PV) -> Iterator[tuple[str, str]]:
    """What other programs read of a record: QSRV, synApps' autosave, and RecCaster for ChannelFinder."""
    if pv.kind.is_text:
        yield "Q:form", "String"
    if pv.saved:
        yield "autosaveFields", "VAL"
    how = sampling(pv)
    if how is not None:
        yield "archive", archive_tag(how)


def _fields(pv: PV) -> Iterator[tuple[str, str]]:
    yield "DESC", pv.description
    yield "ASG", pv.asg
    yield "PINI", "YES"
    if pv.kind.is_text:
        yield "FTVL", "CHAR"
        yield "NELM", str(pv.length)
        return
    if pv.kind is Kind.COMMAND:
        yield from zip(("ZNAM", "ONAM"), pv.labels, strict=True)
        yield "HIGH", str(_COMMAND_HIGH_S)
    elif pv.kind is Kind.ENUM:
        yield from _states(pv)
    elif pv.kind is not Kind.STRING:
        yield from _number(pv)
    yield "VAL", _shortest(pv.default) if isinstance(pv.default, int | float) else str(pv.default)


def _states(pv: PV) -> Iterator[tuple[str, str]]:
    for prefix, state in zip(_MBB_PREFIXES, pv.states, strict=False):
        yield f"{prefix}ST", state.label
        if state.severity:
            yield f"{prefix}SV", state.severity.name


def _number(pv: PV) -> Iterator[tuple[str, str]]:
    if pv.unit:
        yield "EGU", pv.unit
    if pv.kind is Kind.DOUBLE:
        yield "PREC", str(pv.precision)
    if pv.low is None and pv.high is None:
        return
    # A record knows no half open range: DRVL and DRVH that are both 0 mean none, so the other end is named too.
    low, high = (INT32_MIN, INT32_MAX) if pv.kind is Kind.LONG else (-1e300, 1e300)
    limits = (_shortest(low if pv.low is None else pv.low), _shortest(high if pv.high is None else pv.high))
    yield from zip(("LOPR", "HOPR"), limits, strict=True)
    if pv.writable:
        yield from zip(("DRVL", "DRVH"), limits, strict=True)


def _shortest(number: float) -> str:
    return str(number).removesuffix(".0")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
