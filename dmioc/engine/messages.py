"""Events in words: on ``Message``, in the last 200, and in the log."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.engine.projection import fit, iso8601
from dmioc.engine.tables import columns_of
from dmioc.model import Severity

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.engine.ports import Clock
    from dmioc.engine.store import Store

KEPT = 200
_LOG = logging.getLogger(__name__)
_LEVELS = {
    Severity.NO_ALARM: logging.INFO,
    Severity.MINOR: logging.WARNING,
    Severity.MAJOR: logging.ERROR,
    Severity.INVALID: logging.ERROR,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One event: POSIX time in seconds, how bad, where (a group of PVs or a service), and what in one line."""

    time_s: float
    severity: Severity
    source: str
    text: str


class Messages:
    """The last events, newest last."""

    def __init__(self, catalogue: Catalogue, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._length = catalogue["Message"].length
        self._table = catalogue["Messages"]
        self.kept: deque[Message] = deque(maxlen=KEPT)

    def add(self, source: str, text: str, severity: Severity = Severity.NO_ALARM) -> None:
        """Keep, log and stage one event; the caller commits."""
        line = " ".join(text.split())
        message = Message(self._clock.now_s(), severity, source, line)
        self.kept.append(message)
        _LOG.log(_LEVELS[severity], "%s: %s", source, line)
        self._store.set(
            "Message", fit(f"{iso8601(message.time_s)} {source}: {line}", self._length), time_s=message.time_s
        )
        self._store.set_table(self._table.name, columns_of(self._table, self.kept))
