"""What is on a panel file, whatever its format: read by readers of their own, not by what wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

OPI = Path(__file__).parents[2] / "opi"


class Role(Enum):
    """What an item is for."""

    STATIC = "fixed text"
    AREA = "outline or background; others may lie on it"
    READ = "value as text"
    SIGN = "value as a lamp or a bar"
    ENTRY = "field to type into"
    MENU = "choice of states"
    BUTTON = "button that writes"
    TABLE = "table"
    LINK = "button that opens another panel"


WRITING = frozenset({Role.ENTRY, Role.MENU, Role.BUTTON})


@dataclass(frozen=True)
class Box:
    """A place in pixels, relative to the display."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def holds(self, other: Box) -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )


@dataclass(frozen=True)
class Link:
    """What a button opens: a file beside this one, and the macros it is given."""

    file: str
    macros: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Item:
    """One widget.

    ``address`` is the PV as it is written, macros and protocol and all; ``as_text`` whether the widget is told to show
    characters; ``writes`` what a button puts; ``font_px`` the height of its font, 0 where the program chooses it by the box.
    """

    kind: str
    role: Role
    box: Box
    address: str = ""
    text: str = ""
    as_text: bool = False
    writes: str = ""
    links: tuple[Link, ...] = ()
    font_px: float = 0.0
    fixed_pitch: bool = False

    @property
    def protocol(self) -> str:
        return self.address.partition("://")[0] if "://" in self.address else ""

    @property
    def pv(self) -> str:
        return self.address.rpartition("://")[2]


@dataclass(frozen=True)
class PanelFile:
    """One file as its reader found it."""

    path: Path
    box: Box
    items: tuple[Item, ...]
    texts: tuple[str, ...] = field(default=(), repr=False)

    @property
    def tool(self) -> str:
        return self.path.parent.name


def expand(text: str, macros: dict[str, str]) -> str:
    """``$(P)`` and ``${P}`` replaced where the macro is known."""
    return re.sub(r"\$[({](\w+)[)}]", lambda found: macros.get(found[1], found[0]), text)


def macro_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """``P=$(P),N=1`` as pairs."""
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return tuple((name.strip(), value.strip()) for name, _, value in parts)
