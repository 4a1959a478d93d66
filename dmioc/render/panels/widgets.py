"""What is on a panel: widget kinds with absolute places, the same for every display manager.

A widget names PVs by their catalogue name, ``EXP:Name``; on a panel of a slot with the macro N for its number,
``WF$(N):Status``. Everything else about a PV - type, access, label, unit, states - is asked of the catalogue
(`entry`). A writer draws a `Panel` as text in its format; it writes ``$(P)`` before the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue

SLOT_MACRO = "$(N)"
PREFIX_MACRO = "$(P)"

ROW_PITCH = 25
"""Pixels from one line of a panel to the next."""

RUN = 1
"""What a button puts to run a command: the index of the state whose label is ``Busy``."""

LIST_PITCH = 20
"""Pixels from one row of a list to the next."""


class Align(Enum):
    """Where a text stands in its box."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Box:
    """A place on a panel in pixels, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column to the right of it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.y + self.height

    def overlaps(self, other: Box) -> bool:
        """Whether they share a pixel."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def holds(self, other: Box) -> bool:
        """Whether the other lies wholly in it."""
        return self.x <= other.x and self.y <= other.y and other.right <= self.right and other.bottom <= self.bottom


@dataclass(frozen=True, slots=True)
class Widget:
    """Anything on a panel."""

    box: Box


@dataclass(frozen=True, slots=True)
class Title(Widget):
    """The bar at the top of a panel; its text may hold macros."""

    text: str


@dataclass(frozen=True, slots=True)
class Frame(Widget):
    """An outline around widgets that belong together, with a head in its upper left corner.

    The widgets are not inside it as data: they follow it in the panel, at absolute places within its box, below
    `head`.
    """

    text: str

    @property
    def head(self) -> Box:
        """Where its text stands."""
        return Box(self.box.x + 5, self.box.y + 3, min(self.box.width - 10, 9 * len(self.text) + 24), 21)


@dataclass(frozen=True, slots=True)
class Label(Widget):
    """Fixed text; it may hold macros. ``fixed_pitch``: characters of one width, so that columns of text align."""

    text: str
    align: Align = Align.RIGHT
    fixed_pitch: bool = False


@dataclass(frozen=True, slots=True)
class Channel(Widget):
    """Anything that shows or sets one PV."""

    pv: str


@dataclass(frozen=True, slots=True)
class Read(Channel):
    """The value as text on one line: number, string, text, or the label of a state. The unit stands in the label."""

    align: Align = Align.LEFT
    fixed_pitch: bool = False


@dataclass(frozen=True, slots=True)
class LongRead(Channel):
    """A text of many lines, wrapped where they are long.

    Where the display manager draws one line only (MEDM), the row PVs take its place: one below the other in
    `LIST_PITCH`, as many as fit. Without rows it shows the text on one line there.
    ``fixed_pitch`` as of `Label`.
    """

    rows: tuple[str, ...] = ()
    fixed_pitch: bool = False

    @property
    def row_boxes(self) -> tuple[Box, ...]:
        """Where its rows stand."""
        return _row_boxes(self.box, len(self.rows), LIST_PITCH)


@dataclass(frozen=True, slots=True)
class Entry(Channel):
    """A field to type into: text or number."""


@dataclass(frozen=True, slots=True)
class LongEntry(Channel):
    """A field of several lines to type into; one line where the display manager knows no other."""


@dataclass(frozen=True, slots=True)
class Menu(Channel):
    """A menu of the states of an enum."""


@dataclass(frozen=True, slots=True)
class Choice(Channel):
    """A button for each state of an enum, side by side, the current one pressed."""


@dataclass(frozen=True, slots=True)
class Light(Channel):
    """The label of an enum's state on the colour of its alarm."""


@dataclass(frozen=True, slots=True)
class Busy(Channel):
    """A small lamp that is lit while a command is Busy."""


@dataclass(frozen=True, slots=True)
class Bar(Channel):
    """Progress in percent, 0 to 100."""


@dataclass(frozen=True, slots=True)
class Table(Channel):
    """A table PV (PVAccess). Over Channel Access: `header`, and the row PVs below it.

    Attributes:
        rows: scalar text PVs of one line each, to show in characters of one width.
        header: what stands above the rows, aligned with them.
        widths: of the table's columns, pixels, in the catalogue's order.
    """

    rows: tuple[str, ...]
    header: str
    widths: tuple[int, ...]

    @property
    def row_boxes(self) -> tuple[Box, ...]:
        """Where its header and its rows stand."""
        lines = len(self.rows) + 1
        return _row_boxes(self.box, lines, self.box.height // lines)


@dataclass(frozen=True, slots=True)
class CommandButton(Channel):
    """A button that runs a command: it writes the label ``Busy``."""

    text: str


@dataclass(frozen=True, slots=True)
class SetButton(Channel):
    """A button that puts a fixed number to a PV, e.g. a row of a list to choose."""

    text: str
    value: int


@dataclass(frozen=True, slots=True)
class Related(Widget):
    """A button that opens another panel.

    Attributes:
        panel: its `Panel.name`.
        slot: value of N for it; empty where it has none. On a slot's own panel it may be ``$(N)``.
    """

    text: str
    panel: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One display: ``dmioc_<name>`` with the extension of the format.

    Attributes:
        name: part of the file name: letters, digits and underscores.
        title: name of the window, without macros.
        has_slot: whether it needs the macro N beside P.
        widgets: from back to front; frames come before what they hold.
    """

    name: str
    title: str
    width: int
    height: int
    widgets: tuple[Widget, ...]
    has_slot: bool = False

    @property
    def file_stem(self) -> str:
        """Name of its file without the extension."""
        return file_stem(self.name)


def file_stem(panel: str) -> str:
    """Name of the file, without the extension, of the panel of this name."""
    return f"dmioc_{panel}"


def _row_boxes(box: Box, lines: int, pitch: int) -> tuple[Box, ...]:
    return tuple(Box(box.x, box.y + line * pitch, box.width, LIST_PITCH - 1) for line in range(lines))


def channels(widget: Widget, *, tables: bool) -> tuple[str, ...]:
    """The PVs, as named in the layout, that a widget connects to.

    ``tables``: whether the display manager shows tables over PVAccess; else a table's rows stand for it.
    """
    if isinstance(widget, Table) and not tables:
        return widget.rows
    return (widget.pv,) if isinstance(widget, Channel) else ()


def entry(catalogue: Catalogue, name: str) -> PV:
    """The catalogue's entry of a PV as a layout names it; every slot's is like the first one's.

    Raises `KeyError` when there is none.
    """
    return catalogue[name.replace(SLOT_MACRO, "1")]


def is_alarmed(pv: PV) -> bool:
    """Whether its alarm says something: it comes from DM, or has an alarm rule of its own."""
    return pv.service is not None or bool(pv.alarm) or any(state.severity for state in pv.states)
