"""MEDM: a panel as the text of an ``.adl`` file. Channel Access only, so tables and long texts are their row PVs here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatchmethod
from typing import TYPE_CHECKING, TypeAlias

from dmioc.catalogue import Kind
from dmioc.render.panels import palette
from dmioc.render.panels import widgets as kinds
from dmioc.render.panels.palette import PALETTE, Color

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue

FOLDER = "opi/medm"
EXTENSION = "adl"
_FORMAT_VERSION = "030122"
_ALIGN = {kinds.Align.LEFT: "horiz. left", kinds.Align.CENTER: "horiz. centered", kinds.Align.RIGHT: "horiz. right"}
_READ_HEIGHT = 18
_ENTRY_HEIGHT = 20

Block: TypeAlias = "Sequence[str | tuple[str, Block]]"
"""Lines ``key=value``, and named blocks of such."""


def adl(panel: kinds.Panel, catalogue: Catalogue) -> str:
    """The text of the file, with macros ``$(P)`` and, for a slot, ``$(N)``."""
    return _Medm(panel, catalogue).text()


class _Medm:
    def __init__(self, panel: kinds.Panel, catalogue: Catalogue) -> None:
        self._panel = panel
        self._catalogue = catalogue

    def text(self) -> str:
        """The whole file."""
        blocks = [*self._head()]
        for widget in self._panel.widgets:
            blocks += self.draw(widget)
        return "\n" + "".join(f"{name} {{\n{_lines(content, 1)}}}\n" for name, content in blocks)

    @singledispatchmethod
    def draw(self, widget: kinds.Widget) -> Iterable[tuple[str, Block]]:
        """MEDM's blocks for a widget."""
        raise TypeError(f"no MEDM widget for {widget}")

    def _head(self) -> Iterator[tuple[str, Block]]:
        panel = self._panel
        yield "file", [f'name="{panel.file_stem}.{EXTENSION}"', f"version={_FORMAT_VERSION}"]
        yield (
            "display",
            [
                _object(kinds.Box(100, 60, panel.width, panel.height)),
                *_colors(palette.TEXT, palette.BACKGROUND),
                'cmap=""',
                "gridSpacing=5",
                "gridOn=0",
                "snapToGrid=0",
            ],
        )
        yield '"color map"', [f"ncolors={len(PALETTE)}", ("colors", [f"{color.hex}," for color in PALETTE])]

    @draw.register(kinds.Title)
    def _title(self, widget: kinds.Title) -> Iterator[tuple[str, Block]]:
        yield _rectangle(widget.box, palette.BAR, filled=True)
        yield _text(widget.box, widget.text, kinds.Align.CENTER, palette.TITLE)

    @draw.register(kinds.Frame)
    def _frame(self, widget: kinds.Frame) -> Iterator[tuple[str, Block]]:
        yield _rectangle(widget.box, palette.TEXT, filled=False)
        yield _rectangle(widget.head, palette.BAR, filled=True)
        head = widget.head
        yield _text(
            kinds.Box(head.x, head.y, head.width, head.height - 1), widget.text, kinds.Align.CENTER, palette.TITLE
        )

    @draw.register(kinds.Label)
    def _label(self, widget: kinds.Label) -> Iterator[tuple[str, Block]]:
        yield _text(widget.box, widget.text, widget.align, palette.TEXT)

    @draw.register(kinds.Read)
    def _read(self, widget: kinds.Read) -> Iterator[tuple[str, Block]]:
        yield self._update(widget.box, widget.pv, widget.align)

    @draw.register(kinds.Light)
    def _light(self, widget: kinds.Light) -> Iterator[tuple[str, Block]]:
        yield self._update(widget.box, widget.pv, kinds.Align.CENTER, in_alarm_colors=True)

    @draw.register(kinds.LongRead)
    def _long_read(self, widget: kinds.LongRead) -> Iterator[tuple[str, Block]]:
        if not widget.rows:
            yield self._update(widget.box, widget.pv, kinds.Align.LEFT, background=palette.BAR)
        for box, row in zip(widget.row_boxes, widget.rows, strict=True):
            yield self._update(box, row, kinds.Align.LEFT, background=palette.BAR)

    @draw.register(kinds.Table)
    def _table(self, widget: kinds.Table) -> Iterator[tuple[str, Block]]:
        head, *boxes = widget.row_boxes
        yield _text(head, widget.header, kinds.Align.LEFT, palette.TITLE)
        for box, row in zip(boxes, widget.rows, strict=True):
            yield self._update(box, row, kinds.Align.LEFT, background=palette.BAR)

    def _update(
        self,
        box: kinds.Box,
        name: str,
        align: kinds.Align,
        *,
        in_alarm_colors: bool = False,
        background: Color = palette.BACKGROUND,
    ) -> tuple[str, Block]:
        """A reading, one pixel lower and lower in height than a setpoint beside it."""
        pv = kinds.entry(self._catalogue, name)
        alarmed = in_alarm_colors or kinds.is_alarmed(pv)
        place = kinds.Box(box.x, box.y + 1, box.width, min(box.height, _READ_HEIGHT))
        # Where the colour of the alarm is not shown, text is read on the dark ground all the same.
        color, back = (palette.ALARM_TEXT, palette.ALARM_BACKGROUND) if alarmed else (palette.TITLE, background)
        return (
            '"text update"',
            [
                _object(place),
                self._monitor(name, color, back),
                *(['clrmod="alarm"'] if alarmed else []),
                f'align="{_ALIGN[align]}"',
                *_format(pv.kind),
                ("limits", []),
            ],
        )

    @draw.register(kinds.Entry)
    @draw.register(kinds.LongEntry)
    def _entry(self, widget: kinds.Entry | kinds.LongEntry) -> Iterator[tuple[str, Block]]:
        box = widget.box
        place = kinds.Box(box.x, box.y, box.width, min(box.height, _ENTRY_HEIGHT))
        kind = kinds.entry(self._catalogue, widget.pv).kind
        yield (
            '"text entry"',
            [_object(place), self._control(widget.pv, palette.ENTRY), *_format(kind), ("limits", [])],
        )

    @draw.register(kinds.Menu)
    def _menu(self, widget: kinds.Menu) -> Iterator[tuple[str, Block]]:
        yield "menu", [_object(widget.box), self._control(widget.pv, palette.ENTRY)]

    @draw.register(kinds.Choice)
    def _choice(self, widget: kinds.Choice) -> Iterator[tuple[str, Block]]:
        yield (
            '"choice button"',
            [_object(widget.box), self._control(widget.pv, palette.ENTRY), 'stacking="column"'],
        )

    @draw.register(kinds.Busy)
    def _busy(self, widget: kinds.Busy) -> Iterator[tuple[str, Block]]:
        yield (
            "byte",
            [_object(widget.box), self._monitor(widget.pv, palette.LIT, palette.UNLIT), "sbit=0", "ebit=0"],
        )

    @draw.register(kinds.Bar)
    def _bar(self, widget: kinds.Bar) -> Iterator[tuple[str, Block]]:
        limits: Block = [
            'loprSrc="default"',
            "loprDefault=0",
            'hoprSrc="default"',
            "hoprDefault=100",
        ]
        yield (
            "bar",
            [
                _object(widget.box),
                self._monitor(widget.pv, palette.PROGRESS, palette.TROUGH),
                'label="no decorations"',
                'direction="right"',
                ("limits", limits),
            ],
        )

    @draw.register(kinds.CommandButton)
    def _command(self, widget: kinds.CommandButton) -> Iterator[tuple[str, Block]]:
        # The index: PyDM, which opens .adl too, cannot send a label; MEDM takes either.
        yield self._message(widget, widget.text, str(kinds.RUN), palette.COMMAND)

    @draw.register(kinds.SetButton)
    def _set(self, widget: kinds.SetButton) -> Iterator[tuple[str, Block]]:
        yield self._message(widget, widget.text, str(widget.value), palette.ENTRY)

    def _message(self, widget: kinds.Channel, text: str, value: str, color: Color) -> tuple[str, Block]:
        return (
            '"message button"',
            [_object(widget.box), self._control(widget.pv, color), f'label="{text}"', f'press_msg="{value}"'],
        )

    @draw.register(kinds.Related)
    def _related(self, widget: kinds.Related) -> Iterator[tuple[str, Block]]:
        slot = f",N={widget.slot}" if widget.slot else ""
        target: Block = [
            f'label="{widget.text}"',
            f'name="{kinds.file_stem(widget.panel)}.{EXTENSION}"',
            f'args="P={kinds.PREFIX_MACRO}{slot}"',
        ]
        yield (
            '"related display"',
            [
                _object(widget.box),
                ("display[0]", target),
                *_colors(palette.RELATED_TEXT, palette.RELATED),
                f'label="-{widget.text}"',
            ],
        )

    def _monitor(self, name: str, color: Color, background: Color) -> tuple[str, Block]:
        return "monitor", [f'chan="{kinds.PREFIX_MACRO}{name}"', *_colors(color, background)]

    def _control(self, name: str, background: Color) -> tuple[str, Block]:
        return "control", [f'chan="{kinds.PREFIX_MACRO}{name}"', *_colors(palette.TEXT, background)]


def _lines(content: Block, depth: int) -> str:
    tabs = "\t" * depth
    parts = [
        f"{tabs}{one}\n" if isinstance(one, str) else f"{tabs}{one[0]} {{\n{_lines(one[1], depth + 1)}{tabs}}}\n"
        for one in content
    ]
    return "".join(parts)


def _object(box: kinds.Box) -> tuple[str, Block]:
    return "object", [f"x={box.x}", f"y={box.y}", f"width={box.width}", f"height={box.height}"]


def _colors(color: Color, background: Color) -> list[str]:
    return [f"clr={color.index}", f"bclr={background.index}"]


def _format(kind: Kind) -> list[str]:
    """A CHAR array is text only where it is said to be."""
    return ['format="string"'] if kind.is_text else []


def _rectangle(box: kinds.Box, color: Color, *, filled: bool) -> tuple[str, Block]:
    attribute: Block = [f"clr={color.index}", *([] if filled else ['fill="outline"'])]
    return "rectangle", [_object(box), ('"basic attribute"', attribute)]


def _text(box: kinds.Box, text: str, align: kinds.Align, color: Color) -> tuple[str, Block]:
    attribute: Block = [f"clr={color.index}"]
    return "text", [_object(box), ('"basic attribute"', attribute), f'textix="{text}"', f'align="{_ALIGN[align]}"']
