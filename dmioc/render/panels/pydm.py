"""PyDM's ``.ui``: widgets of released PyDM only; scalars over Channel Access, tables over PVAccess."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dmioc.render.panels import palette, qt_ui
from dmioc.render.panels.pydm_style import HORIZONTAL_HEADER, STYLE, long_text
from dmioc.render.panels.qt_ui import UiDocument, put, put_list
from dmioc.render.panels.widgets import (
    PREFIX_MACRO,
    RUN,
    Align,
    Bar,
    Box,
    Busy,
    Channel,
    Choice,
    CommandButton,
    Entry,
    Frame,
    Label,
    Light,
    LongEntry,
    LongRead,
    Menu,
    Panel,
    Read,
    Related,
    SetButton,
    Table,
    Title,
    Widget,
    entry,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from dmioc.catalogue import PV, Catalogue

FOLDER = "opi/pydm"
EXTENSION = "ui"
_FIELD_HEIGHT = 20
_COLUMN_WIDTH = 80
_TABLE_MARGINS = 70
_CLASSES = {
    "PyDMByteIndicator": ("QWidget", "pydm.widgets.byte"),
    "PyDMEnumButton": ("QWidget", "pydm.widgets.enum_button"),
    "PyDMEnumComboBox": ("QComboBox", "pydm.widgets.enum_combo_box"),
    "PyDMLabel": ("QLabel", "pydm.widgets.label"),
    "PyDMLineEdit": ("QLineEdit", "pydm.widgets.line_edit"),
    "PyDMNTTable": ("QWidget", "pydm.widgets.nt_table"),
    "PyDMPushButton": ("QPushButton", "pydm.widgets.pushbutton"),
    "PyDMRelatedDisplayButton": ("QPushButton", "pydm.widgets.related_display_button"),
    "PyDMScaleIndicator": ("QFrame", "pydm.widgets.scale"),
}
"""What each PyDM widget extends, and the module it comes from."""


def pydm_ui(panel: Panel, catalogue: Catalogue) -> str:
    """The text of the file, with macros ``${P}`` and, for a slot, ``${N}``.

    Raises `KeyError` for a PV that is not in the catalogue.
    """
    return _Writer(panel, catalogue).text()


def _macros(text: str) -> str:
    """``$(P)`` as PyDM writes it: ``${P}``."""
    return text.replace("$(P)", "${P}").replace("$(N)", "${N}")


def _role(widget: Element, name: str) -> None:
    """Mark a widget for the style sheet."""
    put(widget, "role", "string", name, of_class=False)


class _Writer:
    def __init__(self, panel: Panel, catalogue: Catalogue) -> None:
        self._panel = panel
        self._catalogue = catalogue
        self._ui = UiDocument("QWidget", "Form")

    def text(self) -> str:
        whole = Box(0, 0, self._panel.width, self._panel.height)
        form = self._ui.form
        qt_ui.geometry(form, whole)
        put(form, "windowTitle", "string", _macros(f"{self._panel.title} {PREFIX_MACRO}"))
        put(form, "styleSheet", "string", STYLE)
        # A frame of Qt's own behind it all: a style sheet does not colour the form, which PyDM makes a Python class.
        self._parent = self._ui.widget(form, "QFrame", whole)
        _role(self._parent, "background")
        # It takes the focus first: a field that has it shows no news, for PyDM leaves to the user what is typed there.
        put(self._parent, "focusPolicy", "enum", "Qt::StrongFocus")
        for widget in self._panel.widgets:
            self._draw(widget)
        self._declare_classes()
        return self._ui.text()

    def _draw(self, widget: Widget) -> None:
        match widget:
            case Title():
                self._fixed(widget.box, widget.text, Align.CENTER, "title")
            case Frame():
                self._frame(widget)
            case Label():
                self._fixed(widget.box, widget.text, widget.align, "row" if widget.fixed_pitch else "label")
            case Related():
                self._related(widget)
            case LongRead():
                self._long_read(widget)
            case Read():
                self._read(widget, qt_ui.alignment(widget.align), "row" if widget.fixed_pitch else "read")
            case Light():
                self._light(widget)
            case Channel():
                self._control(widget)
            case _:
                raise TypeError(f"no PyDM widget for {widget}")

    def _control(self, widget: Channel) -> None:
        match widget:
            case Entry() | LongEntry():
                self._field(widget)
            case Menu():
                self._channel("PyDMEnumComboBox", widget)
            case Choice():
                self._choice(widget)
            case Busy():
                self._lamp(widget)
            case Bar():
                self._bar(widget)
            case Table():
                self._table(widget)
            case CommandButton():
                # PyDM sends an enum's index, never a label, over Channel Access.
                self._button(widget, widget.text, RUN, "command")
            case SetButton():
                self._button(widget, widget.text, widget.value, "set")
            case _:
                raise TypeError(f"no PyDM widget for {widget}")

    def _declare_classes(self) -> None:
        """PyDM's classes, those that the panel uses, so that Qt's loader finds them."""
        used = {element.get("class", "") for element in self._ui.root.iter("widget")}
        self._ui.declare((name, *_CLASSES[name]) for name in sorted(used & _CLASSES.keys()))

    def _fixed(self, box: Box, text: str, align: Align, role: str) -> None:
        label = self._ui.widget(self._parent, "QLabel", box)
        put(label, "text", "string", _macros(text))
        put(label, "alignment", "set", qt_ui.alignment(align))
        _role(label, role)

    def _frame(self, frame: Frame) -> None:
        _role(self._ui.widget(self._parent, "QFrame", frame.box), "frame")
        self._fixed(frame.head, frame.text, Align.CENTER, "head")

    def _entry(self, widget: Channel) -> PV:
        return entry(self._catalogue, widget.pv)

    def _channel(self, widget_class: str, widget: Channel, parent: Element | None = None) -> Element:
        """A PyDM widget with the channel of a PV; in another parent its layout places it."""
        box = widget.box if parent is None else None
        element = self._ui.widget(self._parent if parent is None else parent, widget_class, box)
        pv = self._entry(widget)
        protocol = "ca" if pv.kind.is_scalar else "pva"
        put(element, "toolTip", "string", f"{pv.description}: {_macros(PREFIX_MACRO + widget.pv)}")
        put(element, "channel", "string", f"{protocol}://{_macros(PREFIX_MACRO + widget.pv)}", of_class=False)
        return element

    def _string_format(self, element: Element, widget: Channel) -> None:
        """Texts are arrays of CHAR over Channel Access; PyDM shows them as numbers unless told."""
        if self._entry(widget).kind.is_text:
            put(element, "displayFormat", "enum", f"{element.get('class')}::String", of_class=False)

    def _read(self, widget: Channel, alignment: str, role: str, parent: Element | None = None) -> Element:
        label = self._channel("PyDMLabel", widget, parent)
        put(label, "alignment", "set", alignment)
        put(label, "disconnectedText", "string", "disconnected", of_class=False)
        self._string_format(label, widget)
        _role(label, role)
        return label

    def _field(self, widget: Channel) -> None:
        """A field of one line: PyDM has no other to type into."""
        line = replace(widget, box=replace(widget.box, height=min(widget.box.height, _FIELD_HEIGHT)))
        self._string_format(self._channel("PyDMLineEdit", line), widget)

    def _table(self, widget: Table) -> None:
        """All columns begin with one width, as their own cannot be said in the file; the last takes what is left."""
        table = self._channel("PyDMNTTable", widget)
        share = (widget.box.width - _TABLE_MARGINS) // len(widget.widths)
        width = max(_COLUMN_WIDTH, min(share, max(widget.widths[:-1])))
        put(
            table,
            "styleSheet",
            "string",
            f"{HORIZONTAL_HEADER} {{ qproperty-defaultSectionSize: {width}; }}",
        )

    def _light(self, widget: Light) -> None:
        put(
            self._read(widget, qt_ui.alignment(Align.CENTER), "light"),
            "alarmSensitiveContent",
            "bool",
            "true",
            of_class=False,
        )

    def _long_read(self, widget: LongRead) -> None:
        """Wrapped, and scrolled when it is longer than its box."""
        area = self._ui.widget(self._parent, "QScrollArea", widget.box)
        put(area, "widgetResizable", "bool", "true")
        contents = self._ui.widget(area, "QWidget")
        layout = self._ui.layout(contents, "QVBoxLayout")
        label = self._read(widget, "Qt::AlignLeft|Qt::AlignTop", "long", self._ui.layout_item(layout))
        put(label, "styleSheet", "string", long_text(fixed_pitch=widget.fixed_pitch))
        # Else a text that fits has a scroll bar: Qt reckons with the height that it would have in a narrow box.
        qt_ui.put_size(label, "minimumSize", 1, 1)
        put(label, "wordWrap", "bool", "true")

    def _choice(self, widget: Choice) -> None:
        buttons = self._channel("PyDMEnumButton", widget)
        put(buttons, "orientation", "enum", "Qt::Horizontal", of_class=False)
        for side in ("marginTop", "marginBottom", "marginLeft", "marginRight"):
            put(buttons, side, "number", "0", of_class=False)
        put(buttons, "checkable", "bool", "true", of_class=False)

    def _lamp(self, widget: Busy) -> None:
        lamp = self._channel("PyDMByteIndicator", widget)
        put(lamp, "showLabels", "bool", "false", of_class=False)
        put(lamp, "circles", "bool", "true", of_class=False)
        qt_ui.put_color(lamp, "onColor", palette.LIT, of_class=False)
        qt_ui.put_color(lamp, "offColor", palette.UNLIT, of_class=False)

    def _bar(self, widget: Bar) -> None:
        bar = self._channel("PyDMScaleIndicator", widget)
        for name in ("showValue", "showLimits", "showTicks", "limitsFromChannel"):
            put(bar, name, "bool", "false", of_class=False)
        put(bar, "barIndicator", "bool", "true", of_class=False)
        put(bar, "userLowerLimit", "double", "0", of_class=False)
        put(bar, "userUpperLimit", "double", "100", of_class=False)
        put(bar, "backgroundSizeRate", "double", "1", of_class=False)
        put(bar, "scaleHeight", "number", str(widget.box.height), of_class=False)
        qt_ui.put_color(bar, "backgroundColor", palette.TROUGH, of_class=False)
        qt_ui.put_color(bar, "indicatorColor", palette.PROGRESS, of_class=False)

    def _button(self, widget: Channel, text: str, value: int, role: str) -> None:
        button = self._channel("PyDMPushButton", widget)
        put(button, "text", "string", text)
        put(button, "pressValue", "string", str(value), of_class=False)
        _role(button, role)

    def _related(self, widget: Related) -> None:
        button = self._ui.widget(self._parent, "PyDMRelatedDisplayButton", widget.box)
        put(button, "text", "string", widget.text)
        put(button, "showIcon", "bool", "false", of_class=False)
        put_list(button, "filenames", [f"dmioc_{widget.panel}.{EXTENSION}"], of_class=False)
        # P comes with the panel that is open; N of a slot's panel must be told anew.
        put_list(button, "macros", [json.dumps({"N": _macros(widget.slot)}) if widget.slot else ""], of_class=False)
        put(button, "openInNewWindow", "bool", "true", of_class=False)
