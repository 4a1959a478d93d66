"""What is wrong with panels, in words; an empty list where nothing is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from panel_items import WRITING, Item, PanelFile, Role, expand
from text_width import width_px

from dmioc.catalogue import PV, Catalogue, Kind

PREFIX = "DEMO:DM:"
FIRST = "dmioc_overview"
PVA_TOOLS = frozenset({"phoebus", "pydm"})
INDEX_TOOLS = frozenset({"medm", "pydm"})
"""Those whose buttons put the index of a state; PyDM knows no other, and opens MEDM's files too."""

MACROS = frozenset({"P", "N"})

_FONT_SHARE = 0.75
"""Height of the font in that of the box, where the display manager chooses it."""
_PYDM_FONT_PX = 13.0
_BUTTON_MARGIN_PX = 6


@dataclass(frozen=True)
class Opened:
    """A panel as it is opened: its file and the macros it is given."""

    file: PanelFile
    macros: Mapping[str, str]

    def __str__(self) -> str:
        slot = f" with N={self.macros['N']}" if "N" in self.macros else ""
        return f"{self.file.tool}/{self.file.path.name}{slot}"

    def text(self, text: str) -> str:
        return expand(text, dict(self.macros))


def opened_from(first: PanelFile, files: Mapping[str, PanelFile]) -> tuple[list[Opened], list[str]]:
    """Every panel that can be reached, with each slot it is opened for, and which links lead nowhere."""
    found = [Opened(first, {"P": PREFIX})]
    wrong: list[str] = []
    for opened in found:
        for item in opened.file.items:
            for link in item.links:
                if link.file not in files:
                    wrong.append(f"{opened}: {item.text} opens {link.file}, which is not there")
                    continue
                given = {name: opened.text(value) for name, value in link.macros}
                # PyDM hands the macros of a panel on, the others only those that the button names.
                kept = dict(opened.macros) if opened.file.tool == "pydm" else {}
                wanted = {name for text in files[link.file].texts for name in macros_in(text)}
                there = Opened(files[link.file], {k: v for k, v in (kept | given).items() if k in wanted | {"P"}})
                if there not in found:
                    found.append(there)
    return found, wrong


def macros_in(text: str) -> set[str]:
    return set(re.findall(r"\$[({](\w+)[)}]", text)) - {"pv_name"}


def macro_complaints(opened: Opened) -> Iterator[str]:
    """Macros that nobody gives, and macros other than the prefix and the number of the slot."""
    for text in opened.file.texts:
        for name in macros_in(text):
            if name not in MACROS:
                yield f"{opened}: macro {name} in {text!r}"
            elif name not in opened.macros:
                yield f"{opened}: nobody gives {name} for {text!r}"


def pv_of(opened: Opened, item: Item, catalogue: Catalogue) -> PV | None:
    """The PV that an item shows; None when the catalogue has no such."""
    name = opened.text(item.pv).removeprefix(PREFIX)
    return catalogue[name] if opened.text(item.pv).startswith(PREFIX) and name in catalogue else None


def pv_complaints(opened: Opened, catalogue: Catalogue) -> Iterator[str]:
    """PVs that are not there, or have another type or access than the widget needs; protocols that the tool does not know."""
    for item in opened.file.items:
        if not item.address:
            if item.role in WRITING | {Role.READ, Role.SIGN, Role.TABLE}:
                yield f"{opened}: {item.kind} at {item.box} has no PV"
            continue
        pv = pv_of(opened, item, catalogue)
        if pv is None:
            yield f"{opened}: {item.kind} {opened.text(item.pv)} is not in the catalogue"
            continue
        yield from (f"{opened}: {item.kind} {pv.name} {words}" for words in _type_complaints(opened, item, pv))


def _type_complaints(opened: Opened, item: Item, pv: PV) -> Iterator[str]:
    if item.protocol == "pva" and opened.file.tool not in PVA_TOOLS:
        yield "over PVAccess, which this program does not know"
    if item.role in WRITING and not pv.writable:
        yield "writes to a PV that is read only"
    if (item.role is Role.TABLE) != (pv.kind is Kind.TABLE) or not (pv.kind.is_scalar or pv.kind is Kind.TABLE):
        yield f"is for another type than {pv.kind.value}"
    elif pv.kind is Kind.TABLE and item.protocol != "pva":
        yield "is a table, which needs pva://"
    if item.role is Role.MENU and not pv.kind.has_states:
        yield "is a menu, but the PV has no states"
    if item.role in (Role.READ, Role.ENTRY) and item.as_text != pv.kind.is_text:
        yield "shows its characters as numbers" if pv.kind.is_text else "is shown as characters, but is none"
    if item.role is Role.BUTTON and not _may_be_put(item.writes, pv, opened.file.tool):
        yield f"puts {item.writes!r}, which the PV does not take"


def _may_be_put(value: str, pv: PV, tool: str) -> bool:
    if pv.kind.has_states:
        return value in (map(str, range(len(pv.labels))) if tool in INDEX_TOOLS else pv.labels)
    number = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value)
    return (
        number is not None
        and (pv.low is None or float(value) >= pv.low)
        and (pv.high is None or float(value) <= pv.high)
    )


def command_complaints(opened: Opened, catalogue: Catalogue) -> Iterator[str]:
    """Command buttons without a sign of being busy, or without the outcome of the group's commands beside them."""
    shown = {
        pv.name
        for item in opened.file.items
        if item.role in (Role.READ, Role.SIGN) and (pv := pv_of(opened, item, catalogue))
    }
    for item in opened.file.items:
        pv = pv_of(opened, item, catalogue) if item.role is Role.BUTTON else None
        if pv is None or pv.kind is not Kind.COMMAND:
            continue
        wanted = {pv.name, f"{pv.group}CmdStatus", f"{pv.group}CmdMessage"}
        yield from (f"{opened}: button {pv.name} but {name} is not shown" for name in sorted(wanted - shown))


def layout_complaints(file: PanelFile) -> Iterator[str]:
    """Widgets outside the display, over each other, or half in a frame."""
    for item in file.items:
        if not file.box.holds(item.box) or min(item.box.width, item.box.height) <= 0:
            yield f"{file.path.name}: {item.kind} {item.text or item.pv} at {item.box} is not within {file.box}"
    for one, other in combinations(file.items, 2):
        if not one.box.overlaps(other.box):
            continue
        areas = [area for area in (one, other) if area.role is Role.AREA]
        if any(area.box.holds(item.box) for area, item in ((one, other), (other, one)) if area in areas):
            continue
        yield f"{file.path.name}: {_words(one)} and {_words(other)} overlap"


def _words(item: Item) -> str:
    return f"{item.kind} {item.text or item.pv!r} at {item.box.x},{item.box.y} {item.box.width}x{item.box.height}"


def text_complaints(opened: Opened, catalogue: Catalogue) -> Iterator[str]:
    """Fixed texts and labels of states that do not fit into their boxes."""
    for item in opened.file.items:
        texts = [opened.text(item.text)] if item.text else []
        pv = pv_of(opened, item, catalogue) if item.role in (Role.READ, Role.MENU, Role.SIGN) else None
        if pv is not None and pv.kind is Kind.ENUM and item.kind not in _LAMPS:
            texts = list(pv.labels) if item.kind not in _SIDE_BY_SIDE else [" ".join(pv.labels)]
        room = item.box.width - (_BUTTON_MARGIN_PX if item.role in (Role.BUTTON, Role.LINK) else 0)
        for text in texts:
            needed = width_px(text, _font_px(opened.file.tool, item), fixed_pitch=item.fixed_pitch)
            if needed > room:
                yield f"{opened}: {text!r} needs {needed:.0f} pixels and has {room}"


_LAMPS = frozenset({"led", "byte", "caByte", "PyDMByteIndicator"})
_SIDE_BY_SIDE = frozenset({"choice", "choice button", "caChoice", "PyDMEnumButton"})


def _font_px(tool: str, item: Item) -> float:
    if item.font_px:
        return item.font_px
    return _PYDM_FONT_PX if tool == "pydm" else _FONT_SHARE * min(item.box.height, 20)


def never_written(catalogue: Catalogue, opened: Iterable[Opened]) -> list[str]:
    """Scalar PVs that a client may put, but for which no panel has a field, a menu or a button."""
    written = {
        pv.name
        for one in opened
        for item in one.file.items
        if item.role in WRITING and (pv := pv_of(one, item, catalogue))
    }
    return [pv.name for pv in catalogue.scalars() if pv.writable and pv.name not in written]
