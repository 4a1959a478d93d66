"""Folding bursts as caPutLog does: several puts to one PV in quick succession are one line."""

from __future__ import annotations

from dataclasses import replace

from dmioc.engine.audit_lines import Line

LONGEST_BURSTS = 12
"""A burst that does not end is written after so many times the quiet that would end it: it must not stay unseen for ever."""

_MOST_OPEN = 2000


class Bursts:
    """Puts that may still be followed by others to the same PV.

    A put waits ``quiet_s`` for the next one to the same PV, under the same name, by the same user from the same host and with
    the same result. A line about a command writes all that wait first, so that the setpoints that it used stand before it.
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._open: dict[tuple[str, ...], tuple[Line, float]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._open

    def take(self, line: Line, is_command: bool) -> list[Line]:
        """Take the next put; answers the lines to write now."""
        if is_command or self._quiet_s <= 0.0:
            return [*self.flush(), line]
        key = (line.pv, line.alias, line.user, line.host, line.protocol, line.result)
        lines = self.flush() if len(self._open) >= _MOST_OPEN and key not in self._open else []
        known = self._open.get(key)
        if known is not None and self._is_over(*known, line.time_s):
            lines.append(self._open.pop(key)[0])
            known = None
        self._open[key] = (line if known is None else _folded(known[0], line), line.time_s)
        return lines

    def _is_over(self, burst: Line, last_s: float, now_s: float) -> bool:
        """Whether a put that comes now begins another burst; also when the clock was set back."""
        is_quiet = not last_s <= now_s < last_s + self._quiet_s
        return is_quiet or now_s - burst.time_s >= LONGEST_BURSTS * self._quiet_s

    def ended(self, now_s: float) -> list[Line]:
        """Lines of the bursts that are over, in the order that they began in."""
        over = [key for key, known in self._open.items() if self._is_over(*known, now_s)]
        return [self._open.pop(key)[0] for key in over]

    def flush(self) -> list[Line]:
        """Every line that waits."""
        lines = [line for line, _ in self._open.values()]
        self._open.clear()
        return lines


def _folded(burst: Line, line: Line) -> Line:
    """The burst with one more put; least and greatest only where all puts are numbers."""
    number = line.new.number
    lowest, highest = (burst.new.number,) * 2 if burst.count == 1 else (burst.lowest, burst.highest)
    if number is None or lowest is None or highest is None:
        lowest = highest = None
    else:
        lowest, highest = min(lowest, number), max(highest, number)
    return replace(burst, new=line.new, message=line.message, lowest=lowest, highest=highest, count=burst.count + 1)
