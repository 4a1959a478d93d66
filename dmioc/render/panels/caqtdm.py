"""caQtDM's ``.ui``: Channel Access only; where PyDM and Phoebus show a table, its newest rows one below the other.

The properties are those that caQtDM's own converter of MEDM's displays writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.panels import palette, qt_ui
from dmioc.render.panels.qt_ui import UiDocument, put, put_color
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

    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.palette import Color

FOLDER = "opi/caqtdm"
EXTENSION = "ui"
_STYLE = f"QWidget#centralWidget {{ background: #{palette.BACKGROUND.hex}; }}"


def caqtdm_ui(panel: Panel, catalogue: Catalogue) -> str:
    """The text of the file, with macros ``$(P)`` and, for a slot, ``$(N)``.

    Raises `KeyError` for a PV that is not in the catalogue.
    """
    return _Writer(panel, catalogue).text()


class _Writer:
    def __init__(self, panel: Panel, catalogue: Catalogue) -> None:
        self._panel = panel
        self._catalogue = catalogue
        self._ui = UiDocument("QMainWindow", "MainWindow")

    def text(self) -> str:
        form = self._ui.form
        qt_ui.geometry(form, Box(0, 0, self._panel.width, self._panel.height))
        put(form, "windowTitle", "string", self._panel.title)
        put(form, "styleSheet", "string", _STYLE)
        self._parent = self._ui.named(form, "QWidget", "centralWidget")
        for widget in self._panel.widgets:
            self._draw(widget)
        return self._ui.text()

    def _draw(self, widget: Widget) -> None:
        match widget:
            case Title():
                self._fixed(widget.box, widget.text, Align.CENTER, (palette.TITLE, palette.BAR))
            case Frame():
                self._frame(widget)
            case Label(fixed_pitch=True):
                self._row_head(widget.box, widget.text)
            case Label():
                self._fixed(widget.box, widget.text, widget.align, (palette.TEXT, None))
            case Related():
                self._related(widget)
            case Table():
                self._table(widget)
            case LongRead():
                self._long_read(widget)
            case Read():
                self._read(widget.box, widget.pv, widget.align, fixed_pitch=widget.fixed_pitch)
            case Light():
                self._light(widget)
            case Channel():
                self._control(widget)
            case _:
                raise TypeError(f"no caQtDM widget for {widget}")

    def _control(self, widget: Channel) -> None:
        match widget:
            case Entry() | LongEntry():
                entered = self._value("caTextEntry", widget.box, widget.pv, (palette.TEXT, palette.ENTRY))
                put(entered, "colorMode", "enum", "caLineEdit::Static")
            case Menu():
                menu = self._channel("caMenu", widget.box, widget.pv, palette.TEXT, palette.ENTRY)
                put(menu, "colorMode", "enum", "caMenu::Static")
            case Choice():
                choice = self._channel("caChoice", widget.box, widget.pv, palette.TEXT, palette.ENTRY)
                put(choice, "stackingMode", "enum", "Column")
                put(choice, "colorMode", "enum", "Static")
            case Busy():
                self._lamp(widget)
            case Bar():
                self._bar(widget)
            case CommandButton():
                self._button(widget, widget.text, entry(self._catalogue, widget.pv).labels[RUN], palette.COMMAND)
            case SetButton():
                self._button(widget, widget.text, str(widget.value), palette.ENTRY)
            case _:
                raise TypeError(f"no caQtDM widget for {widget}")

    def _fixed(self, box: Box, text: str, align: Align, colors: tuple[Color, Color | None]) -> None:
        """Fixed text in a colour, on another where there is one, as large as its box allows."""
        label = self._label(box, text, align, colors)
        put(label, "fontScaleMode", "enum", "ESimpleLabel::WidthAndHeight")

    def _row_head(self, box: Box, text: str) -> None:
        """What stands above rows of text, in their font and as high as they are."""
        label = self._label(box, text, Align.LEFT, (palette.TEXT, palette.BAR))
        put(label, "fontScaleMode", "enum", "ESimpleLabel::Height")
        qt_ui.put_fixed_pitch(label)

    def _label(self, box: Box, text: str, align: Align, colors: tuple[Color, Color | None]) -> Element:
        color, background = colors
        label = self._ui.widget(self._parent, "caLabel", box)
        put(label, "frameShape", "enum", "QFrame::NoFrame")
        put_color(label, "foreground", color)
        put_color(label, "background", background or color, alpha=255 if background else 0)
        put(label, "text", "string", text)
        put(label, "alignment", "set", _alignment(align))
        return label

    def _frame(self, frame: Frame) -> None:
        outline = self._ui.widget(self._parent, "caGraphics", frame.box)
        put(outline, "form", "enum", "caGraphics::Rectangle")
        put_color(outline, "foreground", palette.TEXT)
        put_color(outline, "background", palette.TEXT, alpha=0)
        put_color(outline, "lineColor", palette.TEXT)
        put(outline, "linestyle", "enum", "Solid")
        self._fixed(frame.head, frame.text, Align.CENTER, (palette.TITLE, palette.BAR))

    def _channel(self, widget_class: str, box: Box, pv: str, color: Color, background: Color) -> Element:
        element = self._ui.widget(self._parent, widget_class, box)
        put(element, "channel", "string", PREFIX_MACRO + pv)
        put_color(element, "foreground", color)
        put_color(element, "background", background)
        return element

    def _value(self, widget_class: str, box: Box, pv: str, colors: tuple[Color, Color]) -> Element:
        """A value as text, to read or to type into, with a colour for the text and one for the background."""
        element = self._channel(widget_class, box, pv, *colors)
        is_text = entry(self._catalogue, pv).kind.is_text
        # WidthAndHeight makes a long text too small to read; a number must not lose its last digits.
        put(element, "fontScaleMode", "enum", "caLineEdit::Height" if is_text else "caLineEdit::WidthAndHeight")
        put(element, "limitsMode", "enum", "caLineEdit::Channel")
        put(element, "precisionMode", "enum", "caLineEdit::Channel")
        put(element, "formatType", "enum", "string" if is_text else "decimal")
        return element

    def _read(self, box: Box, pv: str, align: Align, *, fixed_pitch: bool) -> None:
        read = self._value("caLineEdit", box, pv, (palette.TITLE, palette.BACKGROUND))
        put(read, "colorMode", "enum", "caLineEdit::Static")
        put(read, "alignment", "set", _alignment(align))
        if fixed_pitch:
            qt_ui.put_fixed_pitch(read)

    def _light(self, widget: Light) -> None:
        light = self._value("caLineEdit", widget.box, widget.pv, (palette.GOOD, palette.ALARM_BACKGROUND))
        put(light, "colorMode", "enum", "caLineEdit::Alarm_Static")
        put(light, "alignment", "set", _alignment(Align.CENTER))

    def _long_read(self, widget: LongRead) -> None:
        text = self._channel("caMultiLineString", widget.box, widget.pv, palette.TITLE, palette.BAR)
        put(text, "fontScaleMode", "enum", "caMultiLineString::None")
        put(text, "colorMode", "enum", "caMultiLineString::Static")

    def _table(self, widget: Table) -> None:
        head, *boxes = widget.row_boxes
        self._row_head(head, widget.header)
        for box, row in zip(boxes, widget.rows, strict=True):
            self._read(box, row, Align.LEFT, fixed_pitch=True)

    def _lamp(self, widget: Busy) -> None:
        lamp = self._ui.widget(self._parent, "caByte", widget.box)
        put(lamp, "channel", "string", PREFIX_MACRO + widget.pv)
        put(lamp, "startBit", "number", "0")
        put(lamp, "endBit", "number", "0")
        put_color(lamp, "trueColor", palette.LIT)
        put_color(lamp, "falseColor", palette.UNLIT)
        put(lamp, "colorMode", "enum", "caByte::Static")

    def _bar(self, widget: Bar) -> None:
        bar = self._channel("caThermo", widget.box, widget.pv, palette.PROGRESS, palette.TROUGH)
        put(bar, "direction", "enum", "caThermo::Right")
        put(bar, "look", "enum", "caThermo::noLabel")
        put(bar, "colorMode", "enum", "caThermo::Static")
        put(bar, "limitsMode", "enum", "caThermo::Channel")

    def _button(self, widget: Channel, text: str, value: str, background: Color) -> None:
        button = self._channel("caMessageButton", widget.box, widget.pv, palette.TEXT, background)
        put(button, "fontScaleMode", "enum", "EPushButton::WidthAndHeight")
        put(button, "label", "string", text)
        put(button, "pressMessage", "string", value)
        put(button, "colorMode", "enum", "caMessageButton::Static")

    def _related(self, widget: Related) -> None:
        button = self._ui.widget(self._parent, "caRelatedDisplay", widget.box)
        put_color(button, "foreground", palette.RELATED_TEXT)
        put_color(button, "background", palette.RELATED)
        put(button, "fontScaleMode", "enum", "EPushButton::WidthAndHeight")
        # A label that starts with - has no icon, as in MEDM.
        put(button, "label", "string", f"-{widget.text}")
        put(button, "labels", "string", widget.text)
        put(button, "files", "string", f"dmioc_{widget.panel}.{EXTENSION}")
        slot = f",N={widget.slot}" if widget.slot else ""
        put(button, "args", "string", f"P={PREFIX_MACRO}{slot}")
        put(button, "stackingMode", "enum", "Menu")


def _alignment(align: Align) -> str:
    return f"Qt::AlignAbsolute|{qt_ui.alignment(align)}"
