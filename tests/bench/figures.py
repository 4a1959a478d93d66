"""Figures: what was measured, beside what, and the bar; as one table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from machine import Machine


@dataclass(frozen=True)
class Figure:
    """One row. ``beside`` is what it is compared with, in the same unit; ``holds`` is None where there is no bar."""

    bench: str
    what: str
    value: float
    unit: str
    beside: float | None = None
    ratio: float | None = None
    bar: str = ""
    holds: bool | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """The texts of its row."""
        return (
            self.bench,
            self.what,
            f"{_short(self.value)} {self.unit}",
            "" if self.beside is None else f"{_short(self.beside)} {self.unit}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.bar,
            {None: "", True: "holds", False: "SHORT"}[self.holds],
            self.note,
        )


HEAD = ("bench", "what", "dmioc", "beside", "ratio", "bar", "", "note")


def plain(bench: str, what: str, value: float, unit: str, note: str = "") -> Figure:
    """A figure without a bar."""
    return Figure(bench, what, value, unit, note=note)


def at_most(bench: str, what: str, value: float, unit: str, most: float, note: str = "") -> Figure:
    """A figure that must not be above its bar."""
    return Figure(bench, what, value, unit, bar=f"<= {most:g} {unit}", holds=value <= most, note=note)


def times_at_most(
    bench: str, what: str, values: Sequence[float], beside: Sequence[float], unit: str, most: float, note: str = ""
) -> Figure:
    """Medians whose ratio must not be above its bar."""
    value, other = statistics.median(values), statistics.median(beside)
    ratio = value / other
    return Figure(bench, what, value, unit, other, ratio, f"<= {most:.2f} x", ratio <= most, note)


def speed_at_least(
    bench: str, what: str, values: Sequence[float], beside: Sequence[float], unit: str, least: float, note: str = ""
) -> Figure:
    """Medians of times; the ratio is that of speeds, the other's time by ours."""
    value, other = statistics.median(values), statistics.median(beside)
    ratio = other / value
    return Figure(bench, what, value, unit, other, ratio, f">= {least:.2f} of speed", ratio >= least, note)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part (0 to 1) of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, the first row underlined."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths).rstrip(), *lines[1:]])


def figures_table(figures: Sequence[Figure]) -> str:
    """All figures, for people."""
    return table([HEAD, *(figure.cells() for figure in figures)])


def write_json(path: Path, machine: Machine, figures: Sequence[Figure], more: Mapping[str, object]) -> None:
    """All figures, for programs, with the machine they were made on."""
    content = {"machine": machine.as_json(), **more, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _short(value: float) -> str:
    """Three digits that count, and all of a greater number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
