"""Who put what, when, from where, and what became of it: every put of every protocol, on record.

The loop only notes; folding, formatting and writing happen in a thread, some times a second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmioc.engine.audit_bursts import Bursts
from dmioc.engine.audit_lines import Form, Line, value_of
from dmioc.errors import StateFileError
from dmioc.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import AuditWriter, Clock
    from dmioc.engine.puts import Origin
    from dmioc.engine.store import Store

_LOG = logging.getLogger(__name__)
PERIOD_S = 0.25
BURST_S = 5.0
"""How long a put waits for the next one to the same PV, as in caPutLog."""

_SOURCE = "audit"
_MOST_WAITING = 20000
_STOP_TIMEOUT_S = 3.0
ACCEPTED, DENIED = "Accepted", "Denied"

REQUEST_ID: ContextVar[str] = ContextVar("request id of the command that runs in this task", default="")
"""Set by whoever submits a job, for the line about the end of its command."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the loop notes of one put, or of the end of a command; values as they came (see `Line`)."""

    time_s: float
    origin: Origin
    name: str
    new: object
    old: object
    result: str
    message: str = ""
    request_id: str = ""
    took_s: float = -1.0
    is_command: bool = False


@dataclass(slots=True)
class Outlet:
    """One form of the lines, where it goes, and the lines that could not be written yet."""

    form: Form
    writer: AuditWriter
    waiting: list[str] = field(default_factory=list[str])
    lost: int = 0
    error: str = ""

    def write(self, lines: Sequence[Line]) -> None:
        """Write the lines, after those that wait; blocks for the disk. ``error`` tells whether it went well."""
        self.waiting += map(self.form, lines)
        if len(self.waiting) > _MOST_WAITING:
            too_many = len(self.waiting) - _MOST_WAITING
            del self.waiting[:too_many]
            self.lost += too_many
        if not self.waiting:
            return
        try:
            self.writer.write(self.waiting)
        except StateFileError as error:
            self.error = str(error)
        else:
            self.waiting = []
            self.error = ""


class Audit:
    """Notes puts; `run` brings them to the outlets. With no outlets it does nothing.

    Args:
        messages: where it is told that a file cannot be written.
        store: committed then.
        clock: time.
        outlets: where the lines go.
        prefix: before every PV's name.
        burst_s: how long a put waits for the next one to the same PV.
    """

    def __init__(
        self,
        messages: Messages,
        store: Store,
        clock: Clock,
        outlets: Sequence[Outlet],
        *,
        prefix: str,
        burst_s: float = BURST_S,
    ) -> None:
        self._messages = messages
        self._store = store
        self._clock = clock
        self._outlets = tuple(outlets)
        self._prefix = prefix
        self._bursts = Bursts(burst_s)
        self._entries: list[Entry] = []
        self._told: dict[int, str] = {}
        self._writing = asyncio.Lock()
        self._working = threading.Lock()

    def note(
        self,
        origin: Origin,
        name: str,
        new: object,
        old: object,
        result: str,
        *,
        message: str = "",
        took_s: float = -1.0,
        is_command: bool = False,
    ) -> None:
        """Note a put, or the end of a command; ``name`` is that of the PV without prefix.

        What cannot be written for so long that there are too many is counted, and told when it can be written again.
        """
        if not self._outlets:
            return
        if len(self._entries) >= _MOST_WAITING:
            for outlet in self._outlets:
                outlet.lost += 1
            return
        request_id = REQUEST_ID.get() if is_command else ""
        now_s = self._clock.now_s()
        self._entries.append(Entry(now_s, origin, name, new, old, result, message, request_id, took_s, is_command))

    async def run(self) -> None:
        """Write what was noted until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self._write(self._bursts.ended)

    async def stop(self) -> None:
        """Write everything that was noted, also what may still be followed by others; given up when the disk hangs."""
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._write(lambda _now_s: self._bursts.flush())
        except TimeoutError:
            _LOG.error("the audit's disk does not answer: its last lines are lost")

    async def _write(self, rest: Callable[[float], Sequence[Line]]) -> None:
        async with self._writing:
            entries, self._entries = self._entries, []
            if not entries and self._bursts.is_empty and not any(outlet.waiting for outlet in self._outlets):
                return
            await asyncio.to_thread(self._work, entries, rest)
            self._tell()

    def _work(self, entries: Sequence[Entry], rest: Callable[[float], Sequence[Line]]) -> None:
        # The thread of a write that was cancelled goes on.
        with self._working:
            lines: list[Line] = []
            for entry in entries:
                lines += self._bursts.take(self._line(entry), entry.is_command)
            lines += rest(self._clock.now_s())
            for outlet in self._outlets:
                outlet.write(lines)

    def _line(self, entry: Entry) -> Line:
        origin = entry.origin
        return Line(
            entry.time_s,
            origin.host,
            origin.user,
            self._prefix + entry.name,
            value_of(entry.new),
            value_of(entry.old),
            origin.protocol,
            entry.result,
            " ".join(entry.message.split()),
            entry.request_id,
            entry.took_s,
            alias=origin.alias,
        )

    def _tell(self) -> None:
        """Say once that an outlet cannot be written, and once that it can again, with what was lost meanwhile."""
        for number, outlet in enumerate(self._outlets):
            told = self._told.get(number, "")
            if outlet.error == told:
                continue
            self._told[number] = outlet.error
            if outlet.error:
                self._messages.add(_SOURCE, f"{outlet.error}; puts go on, and are kept for later", Severity.MAJOR)
            else:
                lost = (
                    f"; {outlet.lost} lines were too many to keep and are lost" if outlet.lost else "; nothing is lost"
                )
                self._messages.add(_SOURCE, f"the file is written again{lost}", Severity.MINOR)
                outlet.lost = 0
            self._store.commit()
