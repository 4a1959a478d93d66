"""Lines on a part of the screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from dmioc.watch.lines import Line, Tone

STYLES = {
    Tone.PLAIN: Style(),
    Tone.DIM: Style(color="bright_black"),
    Tone.HEAD: Style(bold=True),
    Tone.CAPTION: Style(color="bright_black"),
    Tone.ACTIVE: Style(color="cyan"),
    Tone.GOOD: Style(color="green"),
    Tone.MINOR: Style(color="yellow", bold=True),
    Tone.MAJOR: Style(color="red", bold=True),
    Tone.INVALID: Style(color="magenta", bold=True),
    Tone.LOST: Style(color="magenta", bold=True),
}
"""Of the sixteen colours that every terminal has; what they mean stands in words too."""

_REVERSE = Style(reverse=True)


class Pane(ScrollView, can_focus=False):
    """Lines, of which one may be marked at its first piece; scrolls when there are more than fit."""

    DEFAULT_CSS = "Pane { scrollbar-size: 0 0; }"

    def __init__(self, *, is_reverse: bool = False, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._lines: Sequence[Line] = ()
        self._marked = -1
        self._is_reverse = is_reverse

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line], marked: int = -1) -> None:
        """Show these, with the line of this number marked; draws nothing when nothing has changed."""
        if lines == self._lines and marked == self._marked:
            return
        self._lines, self._marked = lines, marked
        self.virtual_size = Size(self.size.width, len(lines))
        self.refresh()

    def reveal(self, number: int) -> None:
        """Scroll as little as needed to have a line on the screen."""
        top, height = round(self.scroll_y), self.size.height
        if number < top:
            self.scroll_to(y=number, animate=False)
        elif number >= top + height:
            self.scroll_to(y=number - height + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        number = round(self.scroll_y) + y
        width = self.size.width
        if number >= len(self._lines):
            return Strip.blank(width, _REVERSE if self._is_reverse else None)
        one = self._lines[number]
        base = _REVERSE if self._is_reverse else Style()
        segments = [Segment(span.text, base + STYLES[span.tone]) for span in one.spans if span.text]
        if number == self._marked:
            segments[0] = Segment(segments[0].text, _REVERSE)
        used = sum(cell_len(span.text) for span in one.spans)
        return Strip([*segments, Segment(" " * max(width - used, 0), base)]).crop(0, width)
