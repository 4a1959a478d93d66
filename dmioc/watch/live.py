"""The station on the screen of a terminal, until ``q``."""

from __future__ import annotations

import asyncio
import signal
import time
from contextvars import Context, copy_context
from functools import partial
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from dmioc.watch.lines import Line, Span, Tone, heading, line
from dmioc.watch.pages import PAGES, title
from dmioc.watch.panes import Pane
from dmioc.watch.station import Station
from dmioc.watch.values import details_page
from dmioc.watch.view import StationView
from dmioc.watch.wording import Paper

_LEAST_PERIOD_S = 0.2
"""Least time between two drawings that updates of PVs cause."""
_CLOCK_PERIOD_S = 1.0
"""Times and ages are drawn anew so often when no PV changes."""
_ACTIONS = (
    ("ctrl+c", "quit"),
    ("escape", "leave"),
    ("enter", "enter"),
    ("q", "end"),
    ("question_mark,h,f1", "help"),
    *((page.key, f"page({number})") for number, page in enumerate(PAGES)),
    ("left,shift+tab", "turn(-1)"),
    ("right,tab", "turn(1)"),
    ("up,k", "move(-1)"),
    ("down,j", "move(1)"),
    ("pageup", "leaf(-1)"),
    ("pagedown,space", "leaf(1)"),
    ("home,g", "edge(0)"),
    ("end,G", "edge(1)"),
    ("slash", "filter"),
)
"""Keys and what they do."""
_ACTIONS_WHILE_TYPING = ("quit", "leave", "enter")
"""What keys do while the filter is typed; the others are its text."""


class WatchApp(App[None]):
    """The live screen; nothing in it writes to a PV."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = """
    Screen { layout: vertical; }
    .bar { height: 1; }
    .page { height: 1fr; }
    Input { height: 1; border: none; padding: 0; display: none; }
    Input:focus { border: none; }
    """
    # With priority each key is acted on before the next is looked at: what is typed after "/" goes into the filter.
    BINDINGS: ClassVar[list[BindingType]] = [Binding(keys, action, priority=True) for keys, action in _ACTIONS]

    def __init__(self, station: Station, is_ascii: bool = False) -> None:
        # The terminal's own colours: they suit its background, and NO_COLOR takes all of them away.
        super().__init__(ansi_color=True)
        self._station = station
        self._is_ascii = is_ascii
        self._number = 0
        self._details = ""
        self._is_help = False
        self._marked_slot = ""
        self._wanted = ""
        self._drawn_s = 0.0
        self._is_due = False
        self._top = Pane(is_reverse=True, classes="bar")
        self._tabs = Pane(classes="bar")
        self._page = Pane(classes="page")
        self._input = Input(placeholder="only lines with this text; Enter keeps it, Esc shows all")
        self._bottom = Pane(is_reverse=True, classes="bar")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield from (self._top, self._tabs, self._page, self._input, self._bottom)

    def on_mount(self) -> None:
        """Follow the station."""
        self.theme = "ansi-dark"
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.exit)
        # What a client's thread asks for runs in the context of the app, or textual does not know whose timer it is.
        self._station.listen(partial(self._hear, loop, copy_context()))
        self.set_interval(_CLOCK_PERIOD_S, self._draw)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        """The screen is gone."""
        self._station.listen(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key acts; while the filter is typed, most keys are its text."""
        return not self._input.display or action in _ACTIONS_WHILE_TYPING

    def _hear(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        """A PV has changed; in a thread of the client. One drawing is asked for, however many changes there are."""
        if not self._is_due:
            self._is_due = True
            try:
                loop.call_soon_threadsafe(self._draw_soon, context=context)
            except RuntimeError:  # the loop has ended between two instructions
                return

    def _draw_soon(self) -> None:
        self.set_timer(max(self._drawn_s + _LEAST_PERIOD_S - time.monotonic(), 0.001), self._draw_due)

    def _draw_due(self) -> None:
        self._is_due = False
        self._draw()

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        view = self._station.view()
        paper = Paper(self.size.width, self._page.size.height, self._is_ascii)
        lines = self._kept(self._lines(view, paper))
        slots = [one.slot for one in lines if one.is_row and one.slot]
        if slots and self._marked_slot not in slots:
            self._marked_slot = slots[0]
        self._top.show([title(view, paper)])
        self._tabs.show([self._tab_line()])
        self._page.show(lines, self._marked_number(lines))
        self._bottom.show([self._key_line(len(lines))])

    def _lines(self, view: StationView, paper: Paper) -> list[Line]:
        if self._is_help:
            return _help()
        slot = view.slot(self._details) if self._details else None
        if self._details and slot is None:
            return [line(f"{self._details} is not there any more; Esc goes back.")]
        return details_page(view, slot, paper) if slot is not None else PAGES[self._number].draw(view, paper)

    def _kept(self, lines: list[Line]) -> list[Line]:
        """The lines that the filter leaves: rows with its text, and everything that is no row."""
        wanted = self._wanted.lower()
        return [one for one in lines if not one.is_row or wanted in one.text.lower()]

    def _marked_number(self, lines: list[Line]) -> int:
        if self._details or self._is_help:
            return -1
        marked = (number for number, one in enumerate(lines) if one.is_row and one.slot == self._marked_slot)
        return next(marked, -1) if self._marked_slot else -1

    def _tab_line(self) -> Line:
        """The pages, the open one between brackets."""
        spans: list[Span] = [Span(" ")]
        for number, page in enumerate(PAGES):
            is_open = number == self._number and not self._is_help
            if is_open:
                spans[-1] = Span("[", Tone.HEAD)
            spans.append(Span(f"{page.key} {page.title}", Tone.HEAD if is_open else Tone.CAPTION))
            spans.append(Span("]", Tone.HEAD) if is_open else Span(" "))
        return Line(tuple(spans))

    def _key_line(self, count: int) -> Line:
        top = round(self._page.scroll_y)
        shown = min(top + self._page.size.height, count)
        where = f"lines {top + 1}-{shown} of {count}" if count > self._page.size.height else ""
        if self._wanted:
            where = f"only '{self._wanted}', Esc: all  {where}"
        keys = (
            "q quit  ? help  Esc back"
            if self._details or self._is_help
            else "q quit  ? help  1-8 pages  Enter details  / filter"
        )
        paper = Paper(self.size.width)
        return line(paper.cell(keys, max(self.size.width - len(where) - 1, 0)) + " " + where)

    def _follow(self) -> None:
        """Watch what the open page shows besides, and draw it."""
        if self._details:
            slot = self._station.view().slot(self._details)
            extra = slot.all_details if slot is not None else ()
        else:
            table = PAGES[self._number].table
            overview = self._station.overview
            extra = [pv for pv in (*overview.lists, *overview.rows) if table and table.name in (pv.name, pv.row_of)]
        self._station.show(extra)
        self._page.scroll_to(y=0, animate=False)
        self._draw()

    def action_page(self, number: int) -> None:
        """Open a page."""
        self._number, self._details, self._is_help = number, "", False
        self._follow()

    def action_turn(self, step: int) -> None:
        """Open the next page or the one before."""
        self.action_page((self._number + step) % len(PAGES))

    def action_help(self) -> None:
        """Show the keys."""
        self._is_help = not self._is_help
        self._page.scroll_to(y=0, animate=False)
        self._draw()

    def action_leave(self) -> None:
        """Leave the filter, the help or the details."""
        if self._input.display or self._wanted:
            self._wanted = ""
            self._input.value = ""
            self._end_input()
        elif self._is_help:
            self.action_help()
        elif self._details:
            self._details = ""
            self._follow()

    def action_end(self) -> None:
        """Quit."""
        self.exit()

    def action_enter(self) -> None:
        """Keep the filter that is typed and give the keys back; else open the details of the marked slot."""
        if self._input.display:
            self._end_input()
        elif self._marked_number(list(self._page.lines)) >= 0:
            self._details = self._marked_slot
            self._follow()

    def action_move(self, step: int) -> None:
        """Mark the next slot, or scroll where there is none."""
        lines = list(self._page.lines)
        marked = self._marked_number(lines)
        numbers = [number for number, one in enumerate(lines) if one.is_row and one.slot]
        further = [number for number in (numbers if step > 0 else reversed(numbers)) if (number - marked) * step > 0]
        is_scrolled = round(self._page.scroll_y) > 0
        if marked < 0 or not further or (step < 0 and is_scrolled):
            self._page.scroll_relative(y=step, animate=False)
        else:
            self._marked_slot = lines[further[0]].slot
            self._page.reveal(further[0])
        self._draw()

    def action_leaf(self, step: int) -> None:
        """Scroll by a screen."""
        self._page.scroll_relative(y=step * max(self._page.size.height - 1, 1), animate=False)
        self._draw()

    def action_edge(self, end: int) -> None:
        """Scroll to the first or the last line."""
        self._page.scroll_to(y=len(self._page.lines) if end else 0, animate=False)
        self._draw()

    def action_filter(self) -> None:
        """Ask for a text that lines must have."""
        self._input.display = True
        self.set_focus(self._input)  # now: the input's own focus() leaves the keys that follow at once to the screen

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as the text is typed."""
        self._wanted = event.value.strip()
        self._draw()

    def _end_input(self) -> None:
        self._input.display = False
        self.set_focus(None)
        self.call_after_refresh(self._draw)


_KEYS = (
    ("1 to 8", "open a page; Left and Right turn to the page before and the next"),
    ("Up, Down", "mark a slot; scroll where there is none"),
    ("PgUp, PgDn", "scroll by a screen; Home and End go to the first and the last line"),
    ("Enter", "details of the marked slot: stages, output, error"),
    ("Esc", "back"),
    ("/", "show only rows with a text; Enter keeps it so, Esc shows all"),
    ("?", "this help"),
    ("q, Ctrl-C", "quit"),
)
_MEANINGS = (
    ("MINOR", "degraded: an error among many, aborted", Tone.MINOR),
    ("MAJOR", "failed, or no progress", Tone.MAJOR),
    ("INVALID", "DM does not answer the gateway: what it said last may be old", Tone.INVALID),
    ("DISCONNECTED", "the gateway is away; watching goes on by itself when it is back", Tone.LOST),
    ("SILENT", "the gateway is connected but its heartbeat stands still", Tone.LOST),
)


def _help() -> list[Line]:
    keys = [line(Span(f"{key:<14}", Tone.HEAD), text) for key, text in _KEYS]
    meanings = [line(Span(f"{word:<14}", tone), text) for word, text, tone in _MEANINGS]
    more = line("Nothing here writes to a PV. More: dmioc watch --help")
    return [heading("Keys"), *keys, line(), heading("Words"), *meanings, line(), more]


def watch_live(prefix: str, protocol: str, is_ascii: bool) -> None:
    """Show the station until the person quits or the terminal is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a closed terminal ends it, whatever the shell said
    station = Station(prefix, protocol)
    try:
        WatchApp(station, is_ascii).run(mouse=False)  # the mouse selects text, as in any terminal
    finally:
        station.close()
