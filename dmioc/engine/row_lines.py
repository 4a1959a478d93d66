"""What the PVs show that stand for one row of a table, or one line of a text (``dmioc.catalogue.rows``)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dmioc.catalogue.rows import row_line
from dmioc.engine.projection import fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dmioc.catalogue import PV, Catalogue
    from dmioc.engine.readings import Cells, Value


class RowPVs:
    """The row PVs of every table and text that has some."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._rows: dict[str, list[PV]] = defaultdict(list)
        for pv in catalogue.scalars():
            if pv.row_of:
                self._rows[pv.row_of].append(pv)

    def of_table(self, name: str, columns: Mapping[str, Cells]) -> Iterator[tuple[str, str]]:
        """Name and line of each row PV of a table; an empty line where the table has no such row."""
        table = self._catalogue[name]
        cells = [columns[column.name] for column in table.columns]
        length = len(cells[0])
        for pv in self._rows.get(name, ()):
            there = -length <= pv.row < length
            yield pv.name, fit(row_line(table, [column[pv.row] for column in cells]), pv.length) if there else ""

    def of_text(self, name: str, value: Value) -> Iterator[tuple[str, str]]:
        """Name and line of each row PV of a text: its last lines, or the first entries of a list."""
        rows = self._rows.get(name, ())
        if not rows:
            return
        lines = list(value) if isinstance(value, tuple) else str(value).rstrip().splitlines()[-len(rows) :]
        for pv in rows:
            yield pv.name, fit(lines[pv.row].rstrip(), pv.length) if pv.row < len(lines) else ""
