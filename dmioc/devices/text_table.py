"""A table as text, for reports."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(labels: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns below their labels; line ends in cells become blanks. No newline at the end."""
    lines = [list(labels), *([" ".join(str(cell).split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(labels))]
    rule = ["=" * width for width in widths]
    shown = [rule, lines[0], rule, *lines[1:], rule]
    return "\n".join(" ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in shown)
