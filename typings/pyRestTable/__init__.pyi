"""The part of pyRestTable that dmioc uses."""

from collections.abc import Sequence

class Table:
    labels: Sequence[str]
    rows: list[Sequence[object]]
    def addRow(self, list_of_items: Sequence[object]) -> int: ...
