"""Cells of panels: which widget a PV gets follows from its entry in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dmioc.catalogue.rows import header
from dmioc.render.panels import widgets as kinds
from dmioc.render.panels.placing import (
    FIELD_HEIGHT,
    GAP,
    LABEL_WIDTH,
    SHORT_LABEL_WIDTH,
    Cell,
    FrameOf,
    Line,
    frame,
    label_of,
    labelled,
)

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue

_BUTTON_WIDTH = 85
_SECOND_LABEL_WIDTH = 135
_FIRST_SHARE = 1.1
_LAMP = 16
_BAR_NUMBER_WIDTH = 60
_STATUS_WIDTH = 100
_PICK_WIDTH = 40
LINK_WIDTH = 120
"""Width of a button to another panel."""

_OUTCOME_WIDTH = 110

Rows = tuple[str, int]

Piece = tuple[int, Callable[[kinds.Box], Sequence[kinds.Widget]]]
"""A part of a strip: its width in pixels, 0 for all that is left, and how to draw it."""


EMPTY = Cell(lambda _: ())
"""Leaves its part of a line free."""


class Cells:
    """Makes cells for one panel.

    ``group`` is written before every name that is asked for.
    """

    def __init__(self, catalogue: Catalogue, group: str = "") -> None:
        self._catalogue = catalogue
        self._group = group

    def name(self, name: str) -> str:
        """The PV's name in the layout."""
        return self._group + name

    def pv(self, name: str) -> PV:
        """The PV's entry in the catalogue."""
        return kinds.entry(self._catalogue, self.name(name))

    def widget(self, name: str, box: kinds.Box) -> kinds.Channel:
        """The widget that suits a PV on one line: entry, menu, light or reading."""
        pv, full = self.pv(name), self.name(name)
        if pv.writable:
            return kinds.Menu(box, full) if pv.kind.has_states else kinds.Entry(box, full)
        if pv.kind.has_states:
            return kinds.Light(kinds.Box(box.x, box.y, min(box.width, _STATUS_WIDTH), box.height), full)
        return kinds.Read(box, full)

    def field(self, name: str, label: str = "", *, label_width: int = LABEL_WIDTH, share: float = 1.0) -> Cell:
        """Label and value of a PV; a label of its own only where the PV's name does not say it."""

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            left, rest = labelled(label or label_of(self.pv(name)), box, label_width)
            return (left, self.widget(name, rest))

        return Cell(draw, share=share)

    def fields(self, *names: str) -> tuple[Cell, ...]:
        """Several PVs on one line, with short labels."""
        return tuple(self.field(name, label_width=SHORT_LABEL_WIDTH) for name in names)

    def pair(self, first: str, second: str = "") -> tuple[Cell, Cell]:
        """Two PVs on one line, or one in the first half of it."""
        right = self.field(second, label_width=_SECOND_LABEL_WIDTH) if second else EMPTY
        return self.field(first, share=_FIRST_SHARE), right

    def choice(self, name: str) -> Cell:
        """Label and a button for each state."""

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            left, rest = labelled(label_of(self.pv(name)), box)
            return (left, kinds.Choice(rest, self.name(name)))

        return Cell(draw)

    def progress(self, second: str = "") -> Line:
        """Label, bar and number of ``Percent``; with a second PV as in `pair`."""
        name = "Percent"

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            left, rest = labelled(label_of(self.pv(name)), box)
            bar = kinds.Box(rest.x, rest.y, rest.width - _BAR_NUMBER_WIDTH - GAP, rest.height)
            number = kinds.Box(bar.right + GAP, rest.y, _BAR_NUMBER_WIDTH, rest.height)
            return (left, kinds.Bar(bar, self.name(name)), kinds.Read(number, self.name(name)))

        if not second:
            return Cell(draw)
        return Cell(draw, share=_FIRST_SHARE), self.field(second, label_width=_SECOND_LABEL_WIDTH)

    def long(
        self, name: str, lines: int, *, rows: Rows = ("", 0), label: bool = True, fixed_pitch: bool = False
    ) -> Cell:
        """A text over several lines: to type into if it can be put, else to read.

        ``rows``: its row PVs, their name without the number and how many there are.
        """
        height = lines * kinds.LIST_PITCH + GAP

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            full = self.name(name)
            left, rest = labelled(label_of(self.pv(name)), box) if label else (None, box)
            rest = kinds.Box(rest.x, rest.y, rest.width, height - GAP)
            row_name, count = rows
            parts = tuple(self.name(f"{row_name}{row}") for row in range(count))
            shown = (
                kinds.LongEntry(rest, full)
                if self.pv(name).writable
                else kinds.LongRead(rest, full, parts, fixed_pitch)
            )
            return (left, shown) if left else (shown,)

        return Cell(draw, height)

    def table(self, name: str, rows: str, count: int, widths: Sequence[int]) -> Cell:
        """A table PV with its row PVs; ``widths`` of its columns in pixels."""
        height = (count + 1) * kinds.ROW_PITCH + GAP

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            pv = self.pv(name)
            parts = tuple(self.name(f"{rows}{row}") for row in range(count))
            return (kinds.Table(box, self.name(name), parts, header(pv), tuple(widths)),)

        return Cell(draw, height)

    def lines(self, table: str, rows: str, count: int, index: str = "") -> Cell:
        """Rows of a table as text; with ``index`` each with a button that puts its number to that PV."""
        height = (count + 1) * kinds.LIST_PITCH + GAP

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            x = box.x + (_PICK_WIDTH + GAP if index else 0)
            width = box.right - x
            widgets: list[kinds.Widget] = [
                kinds.Label(
                    kinds.Box(x, box.y, width, kinds.LIST_PITCH - 1),
                    header(self.pv(table)),
                    kinds.Align.LEFT,
                    fixed_pitch=True,
                )
            ]
            for row in range(count):
                y = box.y + (row + 1) * kinds.LIST_PITCH
                button = kinds.Box(box.x, y, _PICK_WIDTH, kinds.LIST_PITCH - 1)
                if index:
                    widgets.append(kinds.SetButton(button, self.name(index), str(row), row))
                widgets.append(
                    kinds.Read(
                        kinds.Box(x, y, width, kinds.LIST_PITCH - 1), self.name(f"{rows}{row}"), fixed_pitch=True
                    )
                )
            return widgets

        return Cell(draw, height)

    def commands(self, *names: str) -> Cell:
        """Buttons of commands, each with the lamp that is lit while it is Busy; how the last one ended, and below in words."""
        height = kinds.ROW_PITCH + 2 * kinds.LIST_PITCH + GAP

        def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
            widgets: list[kinds.Widget] = []
            x = box.x
            for name in names:
                full = self.name(name)
                widgets.append(
                    kinds.CommandButton(kinds.Box(x, box.y, _BUTTON_WIDTH, FIELD_HEIGHT), full, label_of(self.pv(name)))
                )
                widgets.append(kinds.Busy(kinds.Box(x + _BUTTON_WIDTH + 3, box.y + 2, _LAMP, _LAMP), full))
                x += _BUTTON_WIDTH + _LAMP + 3 * GAP
            light = kinds.Box(box.right - _STATUS_WIDTH, box.y, _STATUS_WIDTH, FIELD_HEIGHT)
            label = kinds.Box(light.x - GAP - _OUTCOME_WIDTH, box.y, _OUTCOME_WIDTH, FIELD_HEIGHT)
            message = kinds.Box(box.x, box.y + kinds.ROW_PITCH, box.width, 2 * kinds.LIST_PITCH)
            return (
                *widgets,
                kinds.Label(label, "Last command"),
                kinds.Light(light, self.name("CmdStatus")),
                kinds.LongRead(message, self.name("CmdMessage")),
            )

        return Cell(draw, height)

    def show(self, name: str, width: int = 0) -> Piece:
        """The value of a PV in a strip."""
        return (width, lambda box: (self.widget(name, box),))

    def reading(self, name: str, width: int = 0) -> Piece:
        """The value of a PV in a strip, only to read, also where it could be put."""
        return (width, lambda box: (kinds.Read(box, self.name(name)),))

    def bar(self, name: str, width: int = 0) -> Piece:
        """A percentage as a bar in a strip."""
        return (width, lambda box: (kinds.Bar(box, self.name(name)),))


def words(text: str, width: int = 0, align: kinds.Align = kinds.Align.LEFT) -> Piece:
    """Fixed text in a strip."""
    return (width, lambda box: (kinds.Label(box, text, align),))


def opens(text: str, panel: str, slot: str = "", width: int = _BUTTON_WIDTH) -> Piece:
    """A button that opens another panel, in a strip."""
    return (width, lambda box: (kinds.Related(box, text, panel, slot),))


def links(*panels: tuple[str, str]) -> FrameOf:
    """Buttons to other panels, by text and name, and to the overview."""
    return ways(*(opens(text, name, width=LINK_WIDTH) for text, name in panels))


def ways(*buttons: Piece) -> FrameOf:
    """These buttons and one to the overview, without an outline."""
    return frame("", strip(*buttons, opens("Overview", "overview", width=LINK_WIDTH)))


def strip(*pieces: Piece) -> Cell:
    """Pieces side by side on one line; those of width 0 share what is left."""

    def draw(box: kinds.Box) -> Sequence[kinds.Widget]:
        free = box.width - sum(width for width, _ in pieces) - GAP * (len(pieces) - 1)
        elastic = sum(not width for width, _ in pieces) or 1
        widgets: list[kinds.Widget] = []
        x = box.x
        for width, piece in pieces:
            part = width or free // elastic
            widgets += piece(kinds.Box(x, box.y, part, FIELD_HEIGHT))
            x += part + GAP
        return widgets

    return Cell(draw, kinds.ROW_PITCH)
