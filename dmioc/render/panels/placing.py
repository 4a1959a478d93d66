"""From lines of cells to widgets with absolute places: the grid that every panel follows.

A panel is a title and bands below each other; a band is one frame, or several side by side; a frame is lines of cells. A cell
draws its widgets into the box it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.render.panels.widgets import ROW_PITCH, SLOT_MACRO, Box, Frame, Label, Panel, Title, Widget

if TYPE_CHECKING:
    from dmioc.catalogue import PV

NARROW = 715
"""Width of a panel with two columns of 350 pixels."""

WIDE = 1070
"""Width of a panel with three columns of 350 pixels."""

GAP = 5
FIELD_HEIGHT = 20
LABEL_WIDTH = 155
SHORT_LABEL_WIDTH = 100
_TITLE_HEIGHT = 25
_TITLE_Y = 4
_HEAD_HEIGHT = 30

Draw = Callable[[Box], Sequence[Widget]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line.

    Attributes:
        draw: its widgets in the box it is given.
        height: pixels that it needs, with the space to the next line.
        share: how much of the line's width it takes, relative to the others.
    """

    draw: Draw
    height: int = ROW_PITCH
    share: float = 1.0


Line = Cell | tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FrameOf:
    """A frame and its lines.

    Attributes:
        text: its head; empty for lines without an outline.
        lines: from top to bottom.
        share: how much of the band's width it takes, relative to the others.
    """

    text: str
    lines: tuple[Line, ...]
    share: float = 1.0

    @property
    def height(self) -> int:
        """Pixels that it needs."""
        return (_HEAD_HEIGHT if self.text else 0) + sum(map(_height, self.lines))


Band = FrameOf | tuple[FrameOf, ...]


def frame(text: str, *lines: Line, share: float = 1.0) -> FrameOf:
    """A frame with this head and these lines."""
    return FrameOf(text, lines, share)


def panel(name: str, title: str, bands: Sequence[Band], *, width: int = NARROW, has_slot: bool = False) -> Panel:
    """A panel of these bands, as high as they are; the window's bar says title, slot and prefix."""
    heading = f"{title} {SLOT_MACRO}" if has_slot else title
    widgets: list[Widget] = [Title(Box(0, _TITLE_Y, width, _TITLE_HEIGHT), f"{heading}  $(P)")]
    y = _TITLE_Y + _TITLE_HEIGHT + GAP
    for band in bands:
        frames = (band,) if isinstance(band, FrameOf) else band
        height = max(one.height for one in frames)
        shares = [one.share for one in frames]
        for one, x, part in zip(frames, *_parts(shares, GAP, width - 2 * GAP), strict=True):
            widgets += _framed(one, Box(x, y, part, height))
        y += height + GAP
    return Panel(name, title, width, y, tuple(widgets), has_slot)


def _framed(one: FrameOf, box: Box) -> list[Widget]:
    widgets: list[Widget] = [Frame(box, one.text)] if one.text else []
    y = box.y + (_HEAD_HEIGHT if one.text else 0)
    for line in one.lines:
        cells = (line,) if isinstance(line, Cell) else line
        height = _height(line)
        shares = [cell.share for cell in cells]
        for cell, x, part in zip(cells, *_parts(shares, box.x + GAP, box.width - 2 * GAP), strict=True):
            widgets += cell.draw(Box(x, y, part, height - GAP))
        y += height
    return widgets


def _height(line: Line) -> int:
    return line.height if isinstance(line, Cell) else max(cell.height for cell in line)


def _parts(shares: Sequence[float], x: int, width: int) -> tuple[list[int], list[int]]:
    """Left edges and widths of parts side by side, in whole pixels, with a gap between them."""
    free = width - GAP * (len(shares) - 1)
    total = sum(shares)
    lefts: list[int] = []
    widths: list[int] = []
    for number, share in enumerate(shares):
        lefts.append(x)
        part = round(free * share / total) if number < len(shares) - 1 else lefts[0] + width - x
        widths.append(part)
        x += part + GAP
    return lefts, widths


def label_of(pv: PV) -> str:
    """A PV's label: its name in words, with the unit: ``Data directory``, ``Run time [s]``."""
    name = pv.short_name.rpartition(":")[2].removesuffix("_RBV")
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    text = " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])
    return f"{text} [{pv.unit}]" if pv.unit else text


def labelled(label: str, box: Box, label_width: int = LABEL_WIDTH) -> tuple[Label, Box]:
    """A label at the left of a box, and the rest of the box for what it names."""
    left = Box(box.x, box.y, label_width, FIELD_HEIGHT)
    return Label(left, label), Box(left.right + GAP, box.y, box.width - label_width - GAP, box.height)
