"""The station as it is followed: which PVs are watched, and what is known of them at one moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from dmioc.catalogue import PV, Slots
from dmioc.catalogue.overview import SlotKind, SlotOverview, slot_overview, station_overview
from dmioc.errors import ConfigurationError
from dmioc.watch.readings import Board
from dmioc.watch.view import StationView

_SEARCH_S = 10.0
"""A slot that did not answer for so long, while the gateway did, is not there."""
_MESSAGES_KEPT = 200
"""As many as the gateway itself keeps on ``Messages``."""


class Client(Protocol):
    """A client of the gateway that brings updates to a board."""

    protocol: str
    has_tables: bool

    def watch(self, pvs: Iterable[PV]) -> None:
        """Bring updates of these PVs, as soon and as often as they are connected."""
        ...

    def unwatch(self, pvs: Iterable[PV]) -> None:
        """No more updates of these PVs; the board forgets them."""
        ...

    def close(self) -> None:
        """End every subscription."""
        ...


def open_client(protocol: str, prefix: str, board: Board, head: PV) -> Client:
    """The client of a protocol, ``pva`` or ``ca``; nobody pays for the library of the other."""
    if protocol == "pva":
        from dmioc.watch.pva import PvaClient  # noqa: PLC0415 - half a second

        return PvaClient(prefix, board)
    if protocol == "ca":
        from dmioc.watch.ca import CaClient  # noqa: PLC0415 - half a second

        return CaClient(prefix, board, head)
    raise ConfigurationError(f"protocol {protocol!r} is none of pva, ca")


class Station:
    """One station, followed from its making to `close`; `update` and `show` are for one thread.

    How many slots there are is found out by asking for the first PV of each: those of a usual station at once, one more when all
    of a kind are there.
    """

    def __init__(self, prefix: str, protocol: str) -> None:
        self.prefix = prefix
        self.overview = station_overview()
        self._began_s = time.time()
        self._board = Board(logged_name="Message", kept=_MESSAGES_KEPT)
        self._client = open_client(protocol, prefix, self._board, self.overview.head)
        self._slots: dict[SlotKind, list[SlotOverview]] = {kind: [] for kind in SlotKind}
        self._found: set[str] = set()
        self._shown: tuple[PV, ...] = ()
        self._was_connected = False
        self._asked_s = self._began_s
        self._client.watch(self.overview.scalars)
        if self.has_tables:
            self._client.watch([self.overview.messages])
        self._ask_for_usual_slots()

    @property
    def has_tables(self) -> bool:
        """Whether the protocol carries tables."""
        return self._client.has_tables

    def listen(self, on_change: Callable[[], None] | None) -> None:
        """Have this called after every change, in a thread of the client; it must return at once."""
        self._board.listen(on_change)

    def show(self, pvs: Iterable[PV]) -> None:
        """Follow these PVs too, and no longer those of the last call; tables where the protocol has them, else their rows."""
        wanted = tuple(pv for pv in pvs if (not pv.row_of if self.has_tables else pv.kind.is_scalar))
        self._client.unwatch([pv for pv in self._shown if pv not in wanted])
        self._client.watch([pv for pv in wanted if pv not in self._shown])
        self._shown = wanted

    def view(self) -> StationView:
        """Everything that is known now."""
        now_s = time.time()
        self._look_for_slots(now_s)
        found = tuple(slot for slots in self._slots.values() for slot in slots if slot.name in self._found)
        return StationView(
            prefix=self.prefix,
            protocol=self._client.protocol,
            has_tables=self.has_tables,
            now_s=now_s,
            began_s=self._began_s,
            overview=self.overview,
            slots=found,
            readings=self._board.readings(),
            log=self._board.log(),
        )

    def close(self) -> None:
        """Disconnect."""
        self._board.listen(None)
        self._client.close()

    def _look_for_slots(self, now_s: float) -> None:
        is_connected = self._board.is_connected(self.overview.head.name)
        if is_connected and not self._was_connected:
            self._asked_s = now_s
            self._ask_for_usual_slots()
        self._was_connected = is_connected
        if not is_connected:
            return
        is_asking = now_s - self._asked_s <= _SEARCH_S
        for kind, slots in self._slots.items():
            for slot in slots:
                if slot.name not in self._found and self._board.is_connected(slot.head.name):
                    self._found.add(slot.name)
                    self._client.watch(slot.line)
            if is_asking and all(self._board.is_connected(slot.head.name) for slot in slots):
                self._ask(kind, len(slots) + 1)
        if not is_asking:
            self._drop_absent_slots()

    def _ask_for_usual_slots(self) -> None:
        usual = Slots()
        numbers = {
            SlotKind.DAQ: usual.daq,
            SlotKind.UPLOAD: usual.upload,
            SlotKind.WORKFLOW: usual.workflow,
            SlotKind.STREAM: usual.stream,
        }
        for kind, number in numbers.items():
            self._ask(kind, number)

    def _ask(self, kind: SlotKind, number: int) -> None:
        """Ask for every slot of the kind up to this number."""
        slots = self._slots[kind]
        new = [slot_overview(kind, one) for one in range(len(slots) + 1, number + 1)]
        slots.extend(new)
        self._client.watch([slot.head for slot in new])

    def _drop_absent_slots(self) -> None:
        for slots in self._slots.values():
            while slots and not self._board.is_connected(slots[-1].head.name):
                absent = slots.pop()
                self._found.discard(absent.name)
                self._client.unwatch(absent.line)
