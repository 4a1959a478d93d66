"""A reader of Qt's ``.ui``, for caQtDM's widgets and PyDM's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from panel_items import Box, Item, Link, PanelFile, Role, macro_pairs

_ROLES = {
    "QLabel": Role.STATIC,
    "caLabel": Role.STATIC,
    "QFrame": Role.AREA,
    "caGraphics": Role.AREA,
    "PyDMLabel": Role.READ,
    "caLineEdit": Role.READ,
    "caMultiLineString": Role.READ,
    "PyDMByteIndicator": Role.SIGN,
    "PyDMScaleIndicator": Role.SIGN,
    "caByte": Role.SIGN,
    "caThermo": Role.SIGN,
    "PyDMLineEdit": Role.ENTRY,
    "caTextEntry": Role.ENTRY,
    "PyDMEnumComboBox": Role.MENU,
    "PyDMEnumButton": Role.MENU,
    "caMenu": Role.MENU,
    "caChoice": Role.MENU,
    "PyDMPushButton": Role.BUTTON,
    "caMessageButton": Role.BUTTON,
    "PyDMNTTable": Role.TABLE,
    "PyDMRelatedDisplayButton": Role.LINK,
    "caRelatedDisplay": Role.LINK,
}
_PLACES = frozenset({"QMainWindow", "QWidget", "QScrollArea"})
"""What only holds other widgets."""


def properties(widget: Element) -> dict[str, str]:
    """Each property of one value as text; of a list the texts in lines."""
    found: dict[str, str] = {}
    for one in widget.findall("property"):
        texts = [value.text or "" for value in one.iter() if value is not one and len(value) == 0]
        found[one.get("name", "")] = "\n".join(texts)
    return found


def _geometry(widget: Element) -> Box | None:
    rect = widget.find("property[@name='geometry']/rect")
    if rect is None:
        return None
    return Box(*(int(rect.findtext(name, "")) for name in ("x", "y", "width", "height")))


def _links(found: dict[str, str]) -> tuple[Link, ...]:
    if "filenames" in found:
        told = found.get("macros", "").split("\n")
        return tuple(
            Link(file, tuple(json.loads(macros).items()) if macros else ())
            for file, macros in zip(found["filenames"].split("\n"), told, strict=True)
        )
    if "files" in found:
        pairs = zip(found["files"].split(";"), found["args"].split(";"), strict=True)
        return tuple(Link(file, macro_pairs(macros)) for file, macros in pairs)
    return ()


def _item(widget: Element, box: Box) -> Item:
    kind, found = widget.get("class", ""), properties(widget)
    fixed_pitch = "Mono" in found.get("font", "") or found.get("role", "").endswith("row")
    return Item(
        kind=kind,
        role=_ROLES[kind],
        box=box,
        address=found.get("channel", ""),
        text=(found.get("text") or found.get("label", "")).removeprefix("-"),
        as_text=kind == "caMultiLineString"
        or found.get("formatType") == "string"
        or found.get("displayFormat", "").endswith("::String"),
        writes=found.get("pressValue") or found.get("pressMessage", ""),
        links=_links(found),
        fixed_pitch=fixed_pitch,
    )


def _items(widget: Element, place: Box) -> Iterator[Item]:
    """The widgets in one; those in a layout have the place of what holds it."""
    for inner in [*widget.findall("widget"), *widget.findall("layout/item/widget")]:
        own = _geometry(inner)
        box = Box(place.x + own.x, place.y + own.y, own.width, own.height) if own else place
        if inner.get("class") not in _PLACES:
            yield _item(inner, box)
        yield from _items(inner, box)


def read_ui(path: Path) -> PanelFile:
    """The widgets of the file; fails for a class that it does not know."""
    root = ElementTree.fromstring(path.read_text("utf-8"))
    form = root.find("widget")
    assert form is not None, path
    size = _geometry(form)
    assert size is not None, path
    texts = tuple(one.text for one in root.iter() if one.text and one.text.strip())
    return PanelFile(path, size, tuple(_items(form, size)), texts)
