"""Clients of both protocols that watch every PV while others misbehave: what they see must be valid, and the newest."""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from pva_client import PvaContext
from raw_ca_client import RawClient, RawMessage
from waiting import wait_until

from dmioc.catalogue import PV, Kind, station_catalogue
from dmioc.catalogue.entries import STRING_BYTES

CATALOGUE = station_catalogue()
SCALARS = tuple(CATALOGUE.scalars())
SETPOINTS = tuple(pv for pv in SCALARS if pv.writable and pv.kind is not Kind.COMMAND)
DBR_STRING, DBR_SHORT, DBR_FLOAT, DBR_ENUM, DBR_CHAR, DBR_LONG, DBR_DOUBLE = range(7)
ECA_NORMAL = 1
TIME_FORM = 14
_HEAD_BYTES = {DBR_STRING: 12, DBR_ENUM: 14, DBR_CHAR: 15, DBR_LONG: 12, DBR_DOUBLE: 16}
_FORMATS = {DBR_ENUM: ">H", DBR_LONG: ">i", DBR_DOUBLE: ">d"}
_SEEN_S = 10.0
DRAWN = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
"""For values drawn at random and put to a gateway that serves a whole module."""


def value_fault(pv: PV, value: Any) -> str:
    """What is wrong with a value that a client sees of a PV; empty if nothing is. Texts are bytes."""
    if isinstance(value, bytes):
        limit = pv.length if pv.kind.is_text else STRING_BYTES
        try:
            value.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"{pv.name}: {error}"
        return f"{pv.name}: {len(value)} bytes of at most {limit}" if len(value) > limit or b"\0" in value else ""
    low, high = (0, len(pv.states) - 1) if pv.kind.has_states else (pv.low, pv.high)
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    return "" if math.isfinite(value) and low <= value <= high else f"{pv.name}: {value!r} is not in {low} to {high}"


def content(native: int, data: bytes, count: int) -> Any:
    """A number, or the bytes of a text, of what came over Channel Access as one of the types that PVs have."""
    if native in _FORMATS:
        return struct.unpack_from(_FORMATS[native], data)[0]
    return data[:count].rstrip(b"\0") if native == DBR_CHAR else data.split(b"\0", 1)[0]


class CaWatch:
    """Monitors of every scalar PV on one circuit, read by a thread."""

    def __init__(self, address: str, prefix: str) -> None:
        self.faults: list[str] = []
        self.newest: dict[str, Any] = {}
        self._client = RawClient(address, "watching")
        channels = [self._client.open(prefix + pv.name, number) for number, pv in enumerate(SCALARS)]
        self._natives = [channel.data_type for channel in channels]
        for number, channel in enumerate(channels):
            self._client.subscribe(channel.parameter2, TIME_FORM + channel.data_type, 0, subscription_id=number)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                message = self._client.receive(1)
            except OSError as error:
                self.faults.append(f"the watching client lost its circuit: {error!r}")
                return
            self._take(message)

    def _take(self, message: RawMessage) -> None:
        pv, native = SCALARS[message.parameter2], self._natives[message.parameter2]
        if message.parameter1 != ECA_NORMAL:
            self.faults.append(f"{pv.name}: an update with status {message.parameter1}")
            return
        value = content(native, message.payload[_HEAD_BYTES[native] :], message.count)
        if fault := value_fault(pv, value):
            self.faults.append(f"CA: {fault}")
        self.newest[pv.name] = value

    def close(self) -> None:
        self._client.sock.shutdown(2)
        self._thread.join(5)
        self._client.close()


class PvaWatch:
    """Monitors of every PV of the catalogue by p4p; what structured PVs show is only looked at for disconnects."""

    def __init__(self, prefix: str) -> None:
        self.faults: list[str] = []
        self.newest: dict[str, Any] = {}
        self._context = PvaContext()
        self._subscriptions = [
            self._context.monitor(prefix + pv.name, self._taker(pv), notify_disconnect=True) for pv in CATALOGUE
        ]

    def _taker(self, pv: PV) -> Callable[[Any], None]:
        def take(update: Any) -> None:
            if isinstance(update, Exception):
                if pv.name in self.newest:
                    self.faults.append(f"PVA: {pv.name}: {update!r}")
                return
            value = pva_content(pv, update) if pv.kind.is_scalar else None
            if value is not None and (fault := value_fault(pv, value)):
                self.faults.append(f"PVA: {fault}")
            self.newest[pv.name] = value

        return take

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._context.close()


def pva_content(pv: PV, value: Any) -> Any:
    """A number, or a text as bytes, of what p4p gives for a scalar PV."""
    shown = value["value.index"] if pv.kind.has_states else value["value"]
    if isinstance(shown, int | float):
        return shown
    return (shown if isinstance(shown, str) else "\n".join(shown)).encode("utf-8", "surrogateescape")


class Watch:
    """Both."""

    def __init__(self, address: str, prefix: str) -> None:
        self.ca, self.pva = CaWatch(address, prefix), PvaWatch(prefix)

    def wait_for_all(self) -> None:
        """Until the first update of every PV is there."""
        wait_until(lambda: len(self.ca.newest) == len(SCALARS), what="the first update of every PV over CA")
        wait_until(lambda: len(self.pva.newest) == len(CATALOGUE), what="the first update of every PV over PVA")

    def check(self, now: Callable[[Iterable[PV]], dict[str, Any]]) -> None:
        """Only valid values came, and the newest of every setpoint did; ``now`` reads them."""
        for watch in (self.ca, self.pva):

            def behind(watch: CaWatch | PvaWatch = watch) -> list[str]:
                return [name for name, value in now(SETPOINTS).items() if watch.newest[name] != value]

            wait_until(lambda behind=behind: not behind(), _SEEN_S, what=f"{type(watch).__name__} has what is there")
            assert watch.faults == []

    def close(self) -> None:
        self.ca.close()
        self.pva.close()


@contextmanager
def watching(address: str, prefix: str) -> Iterator[Watch]:
    """Both for the time of a module."""
    watch = Watch(address, prefix)
    try:
        watch.wait_for_all()
        yield watch
    finally:
        watch.close()
