"""Lines of text with the meaning of each piece, which decides its colour where there are colours."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from dmioc.model import Severity, Status
from dmioc.watch.wording import Paper, printable


class Tone(Enum):
    """What a piece of text is."""

    PLAIN = "plain"
    DIM = "dim"
    HEAD = "head"
    CAPTION = "caption"
    ACTIVE = "active"
    GOOD = "good"
    MINOR = "minor"
    MAJOR = "major"
    INVALID = "invalid"
    LOST = "lost"


TONES = {
    Severity.NO_ALARM: Tone.PLAIN,
    Severity.MINOR: Tone.MINOR,
    Severity.MAJOR: Tone.MAJOR,
    Severity.INVALID: Tone.INVALID,
}
WORD_TONES: Mapping[str, Tone] = {
    **{status.value: TONES[status.severity] for status in Status if status.severity},
    Status.DONE.value: Tone.GOOD,
    Status.RUNNING.value: Tone.ACTIVE,
    Status.PENDING.value: Tone.ACTIVE,
    **{severity.name: TONES[severity] for severity in Severity if severity},
}
"""Tones of the status words and the severities, where a table holds them as text."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        spans: its pieces.
        slot: the slot that it is about, e.g. ``WF1``; its details can be opened there.
        is_row: whether it is one of many, which a filter may leave out.
    """

    spans: tuple[Span, ...] = ()
    slot: str = ""
    is_row: bool = False

    @property
    def text(self) -> str:
        """The line without its tones."""
        return "".join(span.text for span in self.spans).rstrip()


def line(*pieces: Span | str, slot: str = "", is_row: bool = False) -> Line:
    """A line of pieces; a plain text is one too."""
    spans = tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)
    return Line(spans, slot=slot, is_row=is_row)


def heading(text: str, more: str = "", captions: str = "") -> Line:
    """The first line of a part: what it is, something about it, captions of the columns below."""
    return Line((Span(text, Tone.HEAD), Span(more), Span(captions, Tone.CAPTION)))


def wrapped(text: str, width: int) -> list[str]:
    """A text of any length as lines of at most so many columns; its own line ends are kept, blank lines are not."""
    found: list[str] = []
    for one in text.splitlines():
        text = printable(one.expandtabs(4))
        found.extend(textwrap.wrap(text, max(width, 10), subsequent_indent="  ", break_on_hyphens=False))
    return found


@dataclass(frozen=True, slots=True)
class Caption:
    """One column of a table: its title and width; a width of 0 takes what is left, for one column of a table."""

    title: str
    width: int
    is_right: bool = False


def table(captions: Sequence[Caption], rows: Iterable[tuple[Sequence[str], Tone]], paper: Paper) -> list[Line]:
    """A table with its captions; each row with its tone."""
    fixed = sum(caption.width for caption in captions) + len(captions) - 1
    widths = [caption.width or max(paper.width - fixed, 5) for caption in captions]

    def row_text(cells: Sequence[str]) -> str:
        placed = zip(cells, widths, captions, strict=True)
        return " ".join(paper.cell(cell, width, caption.is_right) for cell, width, caption in placed)

    lines = [line(Span(row_text([caption.title for caption in captions]), Tone.CAPTION))]
    lines.extend(line(Span(row_text(cells), tone), is_row=True) for cells, tone in rows)
    return lines
