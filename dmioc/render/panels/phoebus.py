"""Phoebus: a panel as the text of a ``.bob`` file; scalars over Channel Access, tables live over PVAccess."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from dmioc.model import Severity
from dmioc.render.panels import palette
from dmioc.render.panels import widgets as kinds
from dmioc.render.panels.palette import Color

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue

FOLDER = "opi/phoebus"
EXTENSION = "bob"
_VERSIONS = {"action_button": "3.0.0", "textentry": "3.0.0"}
_VERSION = "2.0.0"
_STRING_FORMAT = "6"
_HORIZONTAL = {kinds.Align.LEFT: "0", kinds.Align.CENTER: "1", kinds.Align.RIGHT: "2"}
_MIDDLE = "1"
_FONT = ("Liberation Sans", "REGULAR", "15.0")
_BOLD = ("Liberation Sans", "BOLD", "16.0")
_FIXED = ("Liberation Mono", "REGULAR", "12.0")
_ALARM_NAMES = {Severity.MINOR: "MINOR", Severity.MAJOR: "MAJOR", Severity.INVALID: "INVALID"}
_ALARM_RGB = {Severity.MINOR: (255, 128, 0), Severity.MAJOR: (255, 0, 0), Severity.INVALID: (255, 0, 255)}


_HEADER = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Generated from the catalogue by `make render`: do not edit. Open with P=the prefix and, for a slot, N=its number. -->
"""


def bob(panel: kinds.Panel, catalogue: Catalogue) -> str:
    """The text of the file, with macros ``$(P)`` and, for a slot, ``$(N)``.

    It defines none of them: a macro of the file would stand above the one that it is opened with.
    """
    return _Phoebus(panel, catalogue).text()


class _Phoebus:
    def __init__(self, panel: kinds.Panel, catalogue: Catalogue) -> None:
        self._panel = panel
        self._catalogue = catalogue
        self._root = ET.Element("display", version=_VERSION)
        self._count = 0

    def text(self) -> str:
        """The whole file."""
        root = self._root
        _text(root, "name", f"{self._panel.title} $(P)")
        _text(root, "width", self._panel.width)
        _text(root, "height", self._panel.height)
        _color(root, "background_color", palette.BACKGROUND)
        _text(root, "grid_visible", "false")
        for widget in self._panel.widgets:
            self.draw(widget)
        ET.indent(root)
        return _HEADER + ET.tostring(root, encoding="unicode") + "\n"

    @singledispatchmethod
    def draw(self, widget: kinds.Widget) -> None:
        """Add Phoebus' widgets for a widget."""
        raise TypeError(f"no Phoebus widget for {widget}")

    @draw.register(kinds.Title)
    def _title(self, widget: kinds.Title) -> None:
        self._fixed(widget.box, widget.text, kinds.Align.CENTER, palette.TITLE, font=_BOLD, background=palette.BAR)

    @draw.register(kinds.Frame)
    def _frame(self, widget: kinds.Frame) -> None:
        element = self._place("rectangle", widget.box)
        _text(element, "line_width", 1)
        _color(element, "line_color", palette.TEXT)
        _text(element, "transparent", "true")
        self._fixed(widget.head, widget.text, kinds.Align.CENTER, palette.TITLE, background=palette.BAR)

    @draw.register(kinds.Label)
    def _label(self, widget: kinds.Label) -> None:
        font = _FIXED if widget.fixed_pitch else _FONT
        self._fixed(widget.box, widget.text, widget.align, palette.TEXT, font=font)

    def _fixed(
        self,
        box: kinds.Box,
        text: str,
        align: kinds.Align,
        color: Color,
        *,
        font: tuple[str, str, str] = _FONT,
        background: Color | None = None,
    ) -> None:
        element = self._place("label", box)
        _text(element, "text", text)
        _font(element, font)
        _color(element, "foreground_color", color)
        if background is not None:
            _color(element, "background_color", background)
            _text(element, "transparent", "false")
        _text(element, "horizontal_alignment", _HORIZONTAL[align])
        _text(element, "vertical_alignment", _MIDDLE)
        _text(element, "wrap_words", "false")

    @draw.register(kinds.Read)
    def _read(self, widget: kinds.Read) -> None:
        box = widget.box
        element = self._reading(widget, box, _FIXED if widget.fixed_pitch else _FONT)
        _text(element, "horizontal_alignment", _HORIZONTAL[widget.align])
        _text(element, "vertical_alignment", _MIDDLE)
        _text(element, "wrap_words", "false")

    @draw.register(kinds.LongRead)
    def _long_read(self, widget: kinds.LongRead) -> None:
        element = self._reading(widget, widget.box, _FIXED if widget.fixed_pitch else _FONT)
        _color(element, "background_color", palette.BAR)
        _text(element, "wrap_words", "true")

    def _reading(self, widget: kinds.Channel, box: kinds.Box, font: tuple[str, str, str]) -> ET.Element:
        element = self._channel("textupdate", widget, box)
        _font(element, font)
        _color(element, "foreground_color", palette.TITLE)
        self._format(element, widget)
        return element

    @draw.register(kinds.Entry)
    def _entry(self, widget: kinds.Entry) -> None:
        self._entering(widget)

    @draw.register(kinds.LongEntry)
    def _long_entry(self, widget: kinds.LongEntry) -> None:
        element = self._entering(widget)
        _text(element, "wrap_words", "true")
        _text(element, "multi_line", "true")

    def _entering(self, widget: kinds.Channel) -> ET.Element:
        element = self._channel("textentry", widget, widget.box)
        _font(element, _FONT)
        _color(element, "background_color", palette.ENTRY)
        self._format(element, widget)
        return element

    def _format(self, element: ET.Element, widget: kinds.Channel) -> None:
        if self._entry_of(widget).kind.is_text:
            _text(element, "format", _STRING_FORMAT)
        _text(element, "show_units", "false")

    @draw.register(kinds.Menu)
    def _menu(self, widget: kinds.Menu) -> None:
        element = self._channel("combo", widget, widget.box)
        _font(element, _FONT)
        _color(element, "background_color", palette.ENTRY)

    @draw.register(kinds.Choice)
    def _choice(self, widget: kinds.Choice) -> None:
        element = self._channel("choice", widget, widget.box)
        _font(element, _FONT)
        _color(element, "background_color", palette.ENTRY)

    @draw.register(kinds.Light)
    def _light(self, widget: kinds.Light) -> None:
        pv = self._entry_of(widget)
        element = self._channel("multi_state_led", widget, widget.box)
        _font(element, _FONT)
        _text(element, "square", "true")
        states = ET.SubElement(element, "states")
        for index, state in enumerate(pv.states):
            one = ET.SubElement(states, "state")
            _text(one, "value", index)
            _text(one, "label", state.label)
            self._state_color(one, index == pv.default, state.severity)

    def _state_color(self, element: ET.Element, is_resting: bool, severity: Severity) -> None:
        if severity:
            _rgb(element, "color", _ALARM_RGB[severity], _ALARM_NAMES[severity])
        else:
            _color(element, "color", palette.RESTING if is_resting else palette.GOOD)

    @draw.register(kinds.Busy)
    def _busy(self, widget: kinds.Busy) -> None:
        element = self._channel("led", widget, widget.box)
        _color(element, "off_color", palette.UNLIT)
        _color(element, "on_color", palette.LIT)

    @draw.register(kinds.Bar)
    def _bar(self, widget: kinds.Bar) -> None:
        element = self._channel("progressbar", widget, widget.box)
        _color(element, "fill_color", palette.PROGRESS)
        _color(element, "background_color", palette.TROUGH)
        _text(element, "limits_from_pv", "false")
        _text(element, "minimum", "0.0")
        _text(element, "maximum", "100.0")

    @draw.register(kinds.Table)
    def _table(self, widget: kinds.Table) -> None:
        element = self._channel("table", widget, widget.box, "pva://")
        _font(element, _FONT)
        columns = ET.SubElement(element, "columns")
        for column, width in zip(self._entry_of(widget).columns, widget.widths, strict=True):
            one = ET.SubElement(columns, "column")
            _text(one, "name", column.name)
            _text(one, "width", width)
            _text(one, "editable", "false")
        _text(element, "editable", "false")

    @draw.register(kinds.CommandButton)
    def _command(self, widget: kinds.CommandButton) -> None:
        self._button(widget, widget.text, self._entry_of(widget).labels[1], palette.COMMAND)

    @draw.register(kinds.SetButton)
    def _set(self, widget: kinds.SetButton) -> None:
        self._button(widget, widget.text, str(widget.value), palette.ENTRY)

    def _button(self, widget: kinds.Channel, text: str, value: str, color: Color) -> None:
        element = self._channel("action_button", widget, widget.box)
        action = self._action(element, "write_pv", text)
        _text(action, "pv_name", "$(pv_name)")
        _text(action, "value", value)
        self._face(element, text, palette.TEXT, color)

    @draw.register(kinds.Related)
    def _related(self, widget: kinds.Related) -> None:
        element = self._place("action_button", widget.box)
        action = self._action(element, "open_display", widget.text)
        _text(action, "file", f"{kinds.file_stem(widget.panel)}.{EXTENSION}")
        macros = ET.SubElement(action, "macros")
        _text(macros, "P", kinds.PREFIX_MACRO)
        if widget.slot:
            _text(macros, "N", widget.slot)
        _text(action, "target", "tab")
        self._face(element, widget.text, palette.RELATED_TEXT, palette.RELATED)

    def _action(self, element: ET.Element, kind: str, description: str) -> ET.Element:
        action = ET.SubElement(ET.SubElement(element, "actions"), "action", type=kind)
        _text(action, "description", description)
        return action

    def _face(self, element: ET.Element, text: str, color: Color, background: Color) -> None:
        _text(element, "text", text)
        _font(element, _FONT)
        _color(element, "foreground_color", color)
        _color(element, "background_color", background)

    def _entry_of(self, widget: kinds.Channel) -> PV:
        return kinds.entry(self._catalogue, widget.pv)

    def _channel(self, kind: str, widget: kinds.Channel, box: kinds.Box, protocol: str = "") -> ET.Element:
        element = self._place(kind, box)
        _text(element, "pv_name", f"{protocol}{kinds.PREFIX_MACRO}{widget.pv}")
        return element

    def _place(self, kind: str, box: kinds.Box) -> ET.Element:
        self._count += 1
        element = ET.SubElement(self._root, "widget", type=kind, version=_VERSIONS.get(kind, _VERSION))
        _text(element, "name", f"{kind}_{self._count}")
        for name, pixels in (("x", box.x), ("y", box.y), ("width", box.width), ("height", box.height)):
            _text(element, name, pixels)
        return element


def _text(parent: ET.Element, name: str, value: str | int) -> None:
    ET.SubElement(parent, name).text = str(value)


def _font(parent: ET.Element, font: tuple[str, str, str]) -> None:
    family, style, size = font
    ET.SubElement(ET.SubElement(parent, "font"), "font", family=family, style=style, size=size)


def _color(parent: ET.Element, name: str, color: Color) -> None:
    _rgb(parent, name, (color.red, color.green, color.blue))


def _rgb(parent: ET.Element, name: str, rgb: tuple[int, int, int], site_name: str = "") -> None:
    """A colour; with a site name Phoebus takes the site's own of that name."""
    attributes = {"name": site_name} if site_name else {}
    red, green, blue = map(str, rgb)
    ET.SubElement(ET.SubElement(parent, name), "color", attributes, red=red, green=green, blue=blue)
