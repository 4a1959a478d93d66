"""Numbers, times and texts as a person reads them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

ID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
"""An id of DM; its first digits are enough where there is one line only."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Paper:
    """What is drawn on: columns, rows, and whether only ASCII can be shown."""

    width: int = 80
    height: int = 24
    is_ascii: bool = False

    def cell(self, text: str, width: int, is_right: bool = False) -> str:
        """The text on exactly so many columns, cut with a mark where it is longer."""
        text = printable(text)
        if cell_len(text) > width:
            return set_cell_size(text, max(width - 1, 0)) + ("~" if self.is_ascii else "…") if width else ""
        return " " * (width - cell_len(text)) + text if is_right else set_cell_size(text, width)

    def bar(self, percent: float, width: int) -> tuple[str, str]:
        """The done and the open part of a progress bar; only a whole bar is 100 %."""
        done = min(int(max(percent, 0.0) / 100 * width), width)
        full, empty = ("#", "-") if self.is_ascii else ("█", "░")
        return full * done, empty * (width - done)


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def duration(seconds: float) -> str:
    """``0:12:33``, from one day on ``2d 03h``; at most eight columns."""
    whole = max(int(seconds), 0)
    days, rest = divmod(whole, _DAY_S)
    hours, minutes = rest // _HOUR_S, rest % _HOUR_S // _MINUTE_S
    if days:
        return f"{days}d {hours:02d}h"
    return f"{hours}:{minutes:02d}:{rest % _MINUTE_S:02d}"


def span(seconds: float) -> str:
    """Roughly how long: ``3 s``, ``4 min``, ``5 h``, ``6 d``."""
    whole = max(int(seconds), 0)
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if whole >= 2 * unit_s:
            return f"{whole // unit_s} {unit}"
    return f"{whole} s"


def clock(time_s: float, now_s: float) -> str:
    """Local time of day, with the day in front of it when that is not today."""
    then = time.localtime(time_s)
    is_today = then[:3] == time.localtime(now_s)[:3]
    return time.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M", then)


def date_and_time(time_s: float) -> str:
    """Local date and time; empty for 0.0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_s)) if time_s else ""


def count(number: float) -> str:
    """A count on at most five columns: ``12345``, ``123k``, ``12M``."""
    whole = int(number)
    for limit, divisor, unit in ((100_000, 1, ""), (10_000_000, 1000, "k"), (10_000_000_000, 1_000_000, "M")):
        if abs(whole) < limit:
            return f"{whole // divisor}{unit}"
    return f"{whole // 1_000_000_000}G"
