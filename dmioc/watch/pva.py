"""The PVs over PVAccess, by p4p's client."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from p4p.client.raw import Context

from dmioc.catalogue import PV, Kind
from dmioc.model import Severity
from dmioc.watch.readings import Board, Content, Reading

if TYPE_CHECKING:
    from p4p import Value
    from p4p.client.raw import Subscription


class PvaClient:
    """Monitors over PVAccess; finds the gateway by the ``EPICS_PVA_*`` variables, and again when it comes back.

    p4p's subscription for threads loses its first wake-up under load and is then silent for ever (``epics-notes.md §4.6``); here
    a wake-up only names the PV to a thread of our own, which waits until the subscription is there.
    """

    protocol = "PVAccess"
    has_tables = True

    def __init__(self, prefix: str, board: Board) -> None:
        self._prefix = prefix
        self._board = board
        self._context = Context("pva", nt=False, useenv=True)
        self._lock = threading.Lock()
        self._watched: dict[str, tuple[PV, Subscription]] = {}
        self._woken: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._take_updates, name="watch-pva", daemon=True)
        self._thread.start()

    def watch(self, pvs: Iterable[PV]) -> None:
        """Bring updates of these PVs to the board, as soon and as often as they are connected."""
        for pv in pvs:
            with self._lock:
                if pv.name not in self._watched:
                    wake = partial(self._woken.put, pv.name)
                    self._watched[pv.name] = (pv, self._context.monitor(self._prefix + pv.name, wake))

    def unwatch(self, pvs: Iterable[PV]) -> None:
        """No more updates of these PVs; the board forgets them."""
        names = [pv.name for pv in pvs]
        with self._lock:
            for name in names:
                if name in self._watched:
                    self._watched.pop(name)[1].close()
        self._board.forget(names)

    def close(self) -> None:
        """End every subscription."""
        self._woken.put(None)
        self._thread.join(timeout=2.0)
        with self._lock:
            for _, subscription in self._watched.values():
                subscription.close()
            self._watched.clear()
        self._context.close()

    def _take_updates(self) -> None:
        while (name := self._woken.get()) is not None:
            with self._lock:
                watched = self._watched.get(name)
                if watched is not None:
                    self._take(*watched)

    def _take(self, pv: PV, subscription: Subscription) -> None:
        newest: Value | Exception | None = None
        while (update := subscription.pop()) is not None:
            newest = update
        if isinstance(newest, Exception):
            self._board.lose([pv.name])
        elif newest is not None:
            self._board.publish(pv.name, reading_of(pv, newest))


def reading_of(pv: PV, value: Value) -> Reading:
    """An update in our words."""
    number = int(value["alarm.severity"])
    severity = Severity(number) if number <= Severity.INVALID else Severity.INVALID
    time_s = value["timeStamp.secondsPastEpoch"] + value["timeStamp.nanoseconds"] * 1e-9
    alarm = str(value["alarm.message"]) if severity is not Severity.NO_ALARM else ""
    return Reading(_content(pv, value), severity, alarm, time_s)


def _content(pv: PV, value: Value) -> Content:
    if pv.kind.has_states:
        index, labels = int(value["value.index"]), list(value["value.choices"])
        return str(labels[index]) if 0 <= index < len(labels) else str(index)
    if pv.kind is Kind.TABLE:
        columns = value["value"]
        return {name: _cells(columns[name]) for name in columns.keys()}
    content: Any = value["value"]
    return tuple(str(line) for line in content) if pv.kind is Kind.LINES else content


def _cells(column: Any) -> tuple[Any, ...]:
    """A column as plain Python values; numbers come as an array."""
    return tuple(cast("list[Any]", column if isinstance(column, list) else column.tolist()))
