"""Rows of tables and lines of texts as PVs of one line each, for display managers that show no table (MEDM, caQtDM).

``JOB:Row0`` is row 0 of ``JOB:List`` as one line of text. Over PVAccess the table itself is the better choice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmioc.catalogue.entries import PV, Kind
from dmioc.catalogue.parts import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LIST_ROWS = 10
"""How many rows of a list have a PV."""

STAGE_ROWS = 6
OUTPUT_ROWS = 6
USER_ROWS = 5

ROW_BYTES = 256
_GAP = "  "
_SECONDS = len("2026-11-21T06:30:00")


def with_rows(pvs: Iterable[PV], wholes: Mapping[str, tuple[str, int]], *, newest_last: bool = False) -> Iterator[PV]:
    """The PVs, each of those named in ``wholes`` followed by its rows.

    Args:
        pvs: with their full names.
        wholes: by the name of a table or text: the name of its rows without their number, and how many they are.
        newest_last: whether row 0 is the table's last.
    """
    for pv in pvs:
        yield pv
        if pv.name in wholes:
            name, count = wholes[pv.name]
            yield from (_row(pv, name, row, newest_last) for row in range(count))


def _row(whole: PV, name: str, row: int, newest_last: bool) -> PV:
    noun = "Row" if whole.kind is Kind.TABLE else "Line"
    end = ", newest first" if newest_last else ""
    shown = text(f"{whole.group}{name}{row}", ROW_BYTES, f"{noun} {row} of {whole.short_name}{end}")
    return replace(
        shown, service=whole.service, doc="For screens.", row_of=whole.name, row=-1 - row if newest_last else row
    )


def row_line(table: PV, cells: Sequence[object]) -> str:
    """One row of a table as aligned text: the columns that have a width, in the catalogue's order.

    With the columns' names as cells it is the line above the rows.
    """
    parts = [
        _cell(cell, column.kind)[: column.width].ljust(column.width)
        for column, cell in zip(table.columns, cells, strict=True)
        if column.width
    ]
    return _GAP.join(parts).rstrip()


def header(table: PV) -> str:
    """The line above the rows of a table."""
    return row_line(table, [column.name for column in table.columns])


def _cell(cell: object, kind: str) -> str:
    if isinstance(cell, float):
        return f"{cell:.1f}"
    line = " ".join(str(cell).split())
    return line[:_SECONDS].replace("T", " ") if kind == "time" and len(line) >= _SECONDS else line
