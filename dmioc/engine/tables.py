"""From objects of the engine to the columns of a table, by the catalogue."""

from __future__ import annotations

from enum import Enum, IntEnum
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from dmioc.engine.projection import iso8601

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dmioc.catalogue import PV, Column
    from dmioc.engine.readings import Cells


def columns_of(pv: PV, rows: Sequence[object]) -> dict[str, Cells]:
    """The columns of a table PV, each ``(n_rows,)``, from one object for each row.

    A status or a severity becomes its word, a time ISO 8601 text, a list its length.
    """
    return {column.name: _cells(column, map(attrgetter(column.source), rows)) for column in pv.columns}


def _cells(column: Column, values: Iterable[object]) -> Cells:
    if column.kind == "time":
        return tuple(iso8601(value) if isinstance(value, float) else "" for value in values)
    if column.kind == "int":
        return tuple(_whole(value) for value in values)
    if column.kind == "double":
        return tuple(float(value) if isinstance(value, int | float) else 0.0 for value in values)
    return tuple(_text(value) for value in values)


def _whole(value: object) -> int:
    if isinstance(value, int | float):
        return int(value)
    return len(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else 0


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, IntEnum):
        return value.name
    return str(value.value) if isinstance(value, Enum) else str(value)
