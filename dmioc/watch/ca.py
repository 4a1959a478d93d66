"""The PVs over Channel Access, by caproto's client for threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from caproto import AlarmStatus, CaprotoError, ChannelType
from caproto.threading import client as caproto_client
from caproto.threading.client import Context, Subscription

from dmioc.catalogue import PV, Kind, decode
from dmioc.model import Severity
from dmioc.watch.readings import Board, Content, Reading

_ANEW_AFTER_S = 10.0
"""A search that has found nothing for so long is begun anew with a new client."""

_TYPES = {
    Kind.TEXT: ChannelType.TIME_CHAR,
    Kind.LINES: ChannelType.TIME_CHAR,
    Kind.STRING: ChannelType.TIME_STRING,
    Kind.ENUM: ChannelType.TIME_STRING,  # the label as this gateway has it, which may be newer than our catalogue
    Kind.COMMAND: ChannelType.TIME_STRING,
    Kind.LONG: ChannelType.TIME_LONG,
    Kind.DOUBLE: ChannelType.TIME_DOUBLE,
}


class _Metadata(Protocol):
    status: int
    severity: int
    timestamp: float


class _Update(Protocol):
    """An update as caproto gives it, of a DBR_TIME type."""

    data: Any
    metadata: _Metadata


class CaClient:
    """Monitors over Channel Access; finds the gateway by the ``EPICS_CA_*`` variables, and again when it comes back.

    caproto's clients do not survive every loss of a server: a connection that is refused ends the thread that makes connections
    (client for threads), or leaves a circuit that is never tried again (asyncio). So a `_Link` is used for one connection only,
    and while the gateway is away one name is searched for, not hundreds.
    """

    protocol = "Channel Access"
    has_tables = False

    def __init__(self, prefix: str, board: Board, head: PV) -> None:
        _quiet()
        self._prefix = prefix
        self._board = board
        self._head = head
        self._wanted: dict[str, PV] = {head.name: head}
        self._link: _Link | None = None
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_a_link, name="watch-ca", daemon=True)
        self._thread.start()

    def watch(self, pvs: Iterable[PV]) -> None:
        """Bring updates of these PVs to the board, as soon and as often as they are connected."""
        pvs = tuple(pvs)
        with self._lock:
            self._wanted |= {pv.name: pv for pv in pvs}
            if self._link is not None and self._link.is_connected:
                self._link.subscribe(pvs)

    def unwatch(self, pvs: Iterable[PV]) -> None:
        """No more updates of these PVs; the board forgets them."""
        names = [pv.name for pv in pvs]
        with self._lock:
            for name in names:
                self._wanted.pop(name, None)
            if self._link is not None:
                self._link.unsubscribe(names)
            self._board.forget(names)

    def close(self) -> None:
        """End every subscription."""
        self._closing.set()
        with self._lock:
            if self._link is not None:
                self._link.ended.set()
        self._thread.join(timeout=2.0)

    def _keep_a_link(self) -> None:
        while not self._closing.is_set():
            link = _Link(self._prefix, self._board, self._head, self._connected)
            with self._lock:
                self._link = link
            link.subscribe([self._head])
            while not link.ended.wait(_ANEW_AFTER_S) and link.is_connected:
                pass
            with self._lock:
                self._link = None
                link.close()
                self._board.lose(self._wanted)

    def _connected(self, link: _Link) -> None:
        with self._lock:
            if link is self._link:
                link.subscribe(self._wanted.values())


class _Link:
    """One client of caproto and its channels, for one connection with the gateway.

    Attributes:
        is_connected: whether the head is connected.
        ended: set when the connection is lost or the client is of no more use.
    """

    def __init__(self, prefix: str, board: Board, head: PV, on_connect: Callable[[_Link], None]) -> None:
        self._prefix = prefix
        self._board = board
        self._head = head
        self._on_connect = on_connect
        self._channels: dict[str, _Monitor] = {}
        self._is_open = True
        self._lock = threading.Lock()
        self.is_connected = False
        self.ended = threading.Event()
        self._context = _Context(self.ended)

    def subscribe(self, pvs: Iterable[PV]) -> None:
        """Watch those of the PVs that are not watched yet."""
        new = [pv for pv in pvs if pv.name not in self._channels]
        for pv in new:
            self._channels[pv.name] = _Monitor(pv, self)
        names = [self._prefix + pv.name for pv in new]
        # One call for all: one search for all of them.
        for pv, channel in zip(new, self._context.get_pvs(*names), strict=True):
            self._channels[pv.name].begin(channel)

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Give these up."""
        for name in names:
            if name in self._channels:
                self._channels.pop(name).end()

    def publish(self, pv: PV, reading: Reading) -> None:
        """A value has come; nothing when the link was closed, so that what comes late is not taken for fresh."""
        with self._lock:
            if self._is_open and pv.name in self._channels:
                self._board.publish(pv.name, reading)

    def state_changed(self, pv: PV, is_connected: bool) -> None:
        """A channel was connected or lost."""
        if not is_connected:
            with self._lock:
                if self._is_open:
                    self._board.lose([pv.name])
        if pv is self._head:
            self.is_connected = is_connected
            if is_connected:
                self._on_connect(self)
            else:
                self.ended.set()

    def close(self) -> None:
        """Disconnect; nothing is published any more when this returns."""
        with self._lock:
            self._is_open = False
        # Its own threads end within seconds: nobody waits for them.
        threading.Thread(target=self._context.disconnect, kwargs={"wait": False}, daemon=True).start()


class _Monitor:
    """One channel with its subscription; caproto holds callbacks weakly, so this holds them."""

    def __init__(self, pv: PV, link: _Link) -> None:
        self._pv = pv
        self._link = link
        self._subscription: Subscription | None = None
        self._has_ended = False

    def begin(self, channel: caproto_client.PV) -> None:
        """Subscribe as soon as it is connected: a subscription made while it connects can be lost."""
        channel.connection_state_callback.add_callback(self._state_changed, run=True)

    def end(self) -> None:
        """Give the subscription up; the channel stays: caproto cannot use one again that it has let go."""
        self._has_ended = True
        if self._subscription is not None:
            self._subscription.clear()

    def _state_changed(self, channel: caproto_client.PV, state: str) -> None:
        is_connected = state == "connected"
        if is_connected and self._subscription is None and not self._has_ended:
            self._subscription = channel.subscribe(data_type=_TYPES[self._pv.kind])
            self._subscription.add_callback(self._take)
        self._link.state_changed(self._pv, is_connected)

    def _take(self, subscription: Subscription, response: _Update) -> None:
        self._link.publish(self._pv, reading_of(self._pv, response))


class _Context(Context):
    """caproto's client, which says so when one of its threads cannot go on, instead of a traceback."""

    def __init__(self, broken: threading.Event) -> None:
        self._broken = broken
        super().__init__()

    def _process_search_results_loop(self) -> None:
        self._until_broken(super()._process_search_results_loop)

    def _activate_subscriptions(self) -> None:
        self._until_broken(super()._activate_subscriptions)

    def _until_broken(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except (CaprotoError, OSError):
            self._broken.set()


def reading_of(pv: PV, response: _Update) -> Reading:
    """An update in our words."""
    metadata = response.metadata
    severity = Severity(int(metadata.severity))
    alarm = AlarmStatus(metadata.status).name if severity is not Severity.NO_ALARM else ""
    return Reading(_content(pv, response.data), severity, alarm, metadata.timestamp)


def _content(pv: PV, data: Any) -> Content:
    if pv.kind is Kind.LONG:
        return int(data[0])
    if pv.kind is Kind.DOUBLE:
        return float(data[0])
    text = decode(bytes(bytearray(data)) if pv.kind.is_text else data[0])
    return tuple(text.split("\n")) if pv.kind is Kind.LINES and text else () if pv.kind is Kind.LINES else text


def _quiet() -> None:
    """Keep caproto's complaints off the screen: what they tell is told by the state of the PVs."""
    logger = logging.getLogger("caproto")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
