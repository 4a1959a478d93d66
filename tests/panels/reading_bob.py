"""A reader of Phoebus' ``.bob``."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from panel_items import Box, Item, Link, PanelFile, Role

_ROLES = {
    "label": Role.STATIC,
    "rectangle": Role.AREA,
    "textupdate": Role.READ,
    "led": Role.SIGN,
    "multi_state_led": Role.SIGN,
    "byte_monitor": Role.SIGN,
    "progressbar": Role.SIGN,
    "textentry": Role.ENTRY,
    "combo": Role.MENU,
    "choice": Role.MENU,
    "table": Role.TABLE,
}
STRING_FORMAT = "6"


def _box(widget: Element) -> Box:
    return Box(*(int(widget.findtext(name, "0")) for name in ("x", "y", "width", "height")))


def _button(widget: Element) -> Item:
    """A button that writes to a PV or opens displays."""
    actions = widget.findall("actions/action")
    links = tuple(
        Link(one.findtext("file", ""), tuple((macro.tag, macro.text or "") for macro in one.findall("macros/*")))
        for one in actions
        if one.get("type") == "open_display"
    )
    writing = [one for one in actions if one.get("type") == "write_pv"]
    assert bool(links) != bool(writing), ElementTree.tostring(widget, encoding="unicode")
    named = writing[0].findtext("pv_name", "") if writing else ""
    return Item(
        kind="action_button",
        role=Role.LINK if links else Role.BUTTON,
        box=_box(widget),
        address=named.replace("$(pv_name)", widget.findtext("pv_name", "")),
        text=widget.findtext("text", ""),
        writes=writing[0].findtext("value", "") if writing else "",
        links=links,
        font_px=_font_px(widget),
    )


def _font_px(widget: Element) -> float:
    font = widget.find("font/font")
    return float(font.get("size", "0")) if font is not None else 0.0


def _item(widget: Element) -> Item:
    kind = widget.get("type", "")
    if kind == "action_button":
        return _button(widget)
    font = widget.find("font/font")
    return Item(
        kind=kind,
        role=_ROLES[kind],
        box=_box(widget),
        address=widget.findtext("pv_name", ""),
        text=widget.findtext("text", ""),
        as_text=widget.findtext("format") == STRING_FORMAT,
        font_px=_font_px(widget),
        fixed_pitch=font is not None and "Mono" in font.get("family", ""),
    )


def read_bob(path: Path) -> PanelFile:
    """The widgets of the file; fails for a type that it does not know."""
    root = ElementTree.fromstring(path.read_text("utf-8"))
    size = Box(0, 0, int(root.findtext("width", "800")), int(root.findtext("height", "600")))
    texts = tuple(one.text for one in root.iter() if one.text and one.text.strip())
    return PanelFile(path, size, tuple(_item(one) for one in root.findall("widget")), texts)
