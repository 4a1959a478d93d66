"""The types that PVs have on the wire; a PV keeps its type from its opening to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from p4p import Type
from p4p.nt import NTEnum, NTScalar, NTTable
from p4p.nt.common import alarm, timeStamp

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.entries import NT_TABLE, Column

REVISION = "revision"
"""Field of tables and structures: the engine's revision that they show, 64 bits."""

STAGES = "stages"
"""Field of a job that holds its stages as a table."""

_VALUE_CODES = {
    Kind.TEXT: "s",
    Kind.STRING: "s",
    Kind.LINES: "as",
    Kind.LONG: "i",
    Kind.DOUBLE: "d",
}
_COLUMN_CODES = {"string": "s", "time": "s", "int": "i", "long": "l", "double": "d"}
_EVENT: list[tuple[str, Any]] = [("alarm", alarm), ("timeStamp", timeStamp)]


def scalar_type(pv: PV) -> Type:
    """NTScalar, NTScalarArray for lines of text, or NTEnum; with what the catalogue tells about the PV."""
    if pv.kind.has_states:
        return _enum_type()
    return _scalar_type(_VALUE_CODES[pv.kind], has_limits(pv))


@cache
def _enum_type() -> Type:
    return NTEnum.buildType(extra=[("display", ("S", None, [("description", "s")]))])


@cache
def _scalar_type(code: str, has_control: bool) -> Type:
    return NTScalar.buildType(code, display=True, control=has_control, valueAlarm=True, form=True)


def is_number(pv: PV) -> bool:
    """Whether its value is a number with limits, units and precision."""
    return pv.kind in (Kind.LONG, Kind.DOUBLE)


def has_limits(pv: PV) -> bool:
    """Whether puts are limited to a range."""
    return is_number(pv) and (pv.low is not None or pv.high is not None)


def composed_type(type_id: str, fields: Mapping[str, PV], stages: PV | None) -> Type:
    """A structure that shows scalar PVs, enums by their label; and the table of stages where there is one."""
    spec: list[tuple[str, Any]] = [
        (name, "s" if pv.kind.has_states else _VALUE_CODES[pv.kind]) for name, pv in fields.items()
    ]
    if stages is not None:
        spec.append((STAGES, table_spec(column_codes(stages.columns))))
    return Type([*spec, *_EVENT, (REVISION, "l")], id=type_id)


def own_type(pv: PV) -> Type:
    """A structure with fields of its own, which no scalar PVs show."""
    return Type([*column_codes(pv.columns).items(), ("timeStamp", timeStamp)], id=pv.type_id)


def table_type(codes: Mapping[str, str], has_revision: bool = True) -> Type:
    """An NTTable of columns by their names and the codes of their elements."""
    extra = [(REVISION, "l")] if has_revision else []
    return NTTable.buildType(columns=_arrays(codes), extra=extra)


def table_spec(codes: Mapping[str, str]) -> tuple[str, str, list[tuple[str, Any]]]:
    """An NTTable with its required fields only, to be a field of a structure."""
    return ("S", NT_TABLE, [("labels", "as"), ("value", ("S", None, _arrays(codes)))])


def column_codes(columns: Iterable[Column]) -> dict[str, str]:
    """p4p's code of the elements of each column (``Column.kind``)."""
    return {column.name: _COLUMN_CODES[column.kind] for column in columns}


def _arrays(codes: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, f"a{code}") for name, code in codes.items()]
