"""Waiting for what a station shows: by subscription, never by asking, and always with an end (``pv-contract.md §1``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self

from dmioc.catalogue.gateway import SERVICE_STATES
from dmioc.catalogue.parts import IDLE_BUSY
from dmioc.errors import CommandFailedError, GatewayLostError, WaitTimeoutError
from dmioc.model import Service

if TYPE_CHECKING:
    from types import TracebackType

    from dmioc.devices.station import DMStation

CONNECT_TIMEOUT_S = 10.0
"""How long a plan looks for the gateway before it begins."""
LOST_AFTER_S = 60.0
"""How long gateway or DM may be away while ``LostAfter`` is not known."""
LOOK_AGAIN_S = 0.25
"""Longest time between two looks at what is watched: deadlines pass without news."""
_AWAY_S = 0.5
"""How long a look at what is now waits for a gateway that is not there."""
ON_ITS_WAY_S = 0.02
"""Time between two looks at what a put that is on its way is about to change."""
_CONNECTED = SERVICE_STATES[1].label
IDLE, BUSY = (state.label for state in IDLE_BUSY)
"""What a command reads."""


def no_answer(prefix: str) -> GatewayLostError:
    """The error of a gateway that is not there when a plan begins."""
    return GatewayLostError(
        f"no answer from the gateway {prefix} within {CONNECT_TIMEOUT_S:g} s:"
        " is it running, is this its prefix, and has it as many slots as the station?"
    )


class Watch(AbstractAsyncContextManager["Watch"]):
    """What some signals of a station show, and waits for it to change, for use in the RunEngine's loop.

    Args:
        station: whose signals they are.
        service: the service of DM that what is waited for depends on; None: waits do not end when DM is away.
        signals: monitored signals of the station's devices.

    Entering waits for their first values and raises `GatewayLostError` when they do not come.
    """

    def __init__(self, station: DMStation, service: Service | None, signals: Iterable[Any]) -> None:
        self._station = station
        self._service = service
        device = getattr(station, service.value.lower()) if service is not None else None
        self._service_signals = (device.state, device.error) if device is not None else ()
        self._signals = (*signals, station.lost_after, *self._service_signals)
        self._values: dict[Any, Any] = {}
        self._subscriptions: list[tuple[Any, int]] = []
        self._gateway_away_s: float | None = None
        self._dm_away_s: float | None = None
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def open(self) -> None:
        """Watch from now on; raises as the class says. To be followed by `close` in any case."""
        for signal in self._signals:
            self._subscriptions.append((signal, signal.subscribe(self._taker(signal), run=True)))
        deadline_s = self._loop.time() + CONNECT_TIMEOUT_S
        while not (self.is_connected and all(signal in self._values for signal in self._signals)):
            if self._loop.time() > deadline_s:
                self.close()
                raise no_answer(self._station.prefix)
            await self.wake()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Watch no longer."""
        for signal, number in self._subscriptions:
            signal.unsubscribe(number)
        self._subscriptions.clear()

    def _taker(self, signal: Any) -> Callable[..., None]:
        def take(*, value: Any, **_: Any) -> None:
            # In a thread of ophyd's.
            self._values[signal] = value
            self._loop.call_soon_threadsafe(self._changed.set)

        return take

    @property
    def is_connected(self) -> bool:
        """Whether the gateway is there now, as far as Channel Access knows."""
        return all(signal.connected for signal in self._signals)

    @property
    def lost_after_s(self) -> float:
        """How long gateway or DM may be away."""
        return float(self._values.get(self._station.lost_after, LOST_AFTER_S))

    def value(self, signal: Any) -> Any:
        """The last value that a watched signal showed."""
        return self._values[signal]

    async def wake(self, timeout_s: float = LOOK_AGAIN_S) -> None:
        """Return when a value has come, or after a while."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    async def until(
        self,
        condition: Callable[[], bool],
        *,
        deadline_s: float,
        late: Callable[[], str],
        what: str,
        look: Callable[[], None] | None = None,
    ) -> None:
        """Return when the condition holds.

        Args:
            condition: looks at values; asked whenever one came, and while the gateway is there only.
            deadline_s: on the loop's clock, the end of the wait.
            late: what `WaitTimeoutError` says then.
            what: what is waited for, and goes on when the wait ends otherwise.
            look: called at every look, some times a second: reports, or raises what ends the wait.

        Raises:
            WaitTimeoutError: the deadline has passed.
            GatewayLostError: the gateway has been away for longer than ``LostAfter``.
            CommandFailedError: it says that DM has been.
        """
        while True:
            self.check(what)
            if look is not None:
                look()
            if self.is_connected and condition():
                return
            remaining_s = deadline_s - self._loop.time()
            if remaining_s <= 0:
                raise WaitTimeoutError(late())
            await self.wake(min(LOOK_AGAIN_S, remaining_s))

    def check(self, what: str) -> None:
        """Raises as `until` when gateway or DM have been away for too long; to be called often."""
        self.check_gateway(what)
        if self._gateway_away_s is not None:
            self._dm_away_s = None
        elif self._service is not None:
            self._check_dm(what, self._service)

    def check_gateway(self, what: str) -> None:
        """Raises `GatewayLostError` when the gateway has been away for too long; to be called often."""
        self._gateway_away_s = self._since(self.is_connected, self._gateway_away_s)
        if self._gateway_away_s is not None and self._loop.time() - self._gateway_away_s > self.lost_after_s:
            raise GatewayLostError(
                f"{what}: the gateway {self._station.prefix} has been away for {self.lost_after_s:g} s (LostAfter);"
                " DM goes on with what it was given"
            )

    def _check_dm(self, what: str, service: Service) -> None:
        state, error = (self._values.get(signal) for signal in self._service_signals)
        self._dm_away_s = self._since(state == _CONNECTED, self._dm_away_s)
        if self._dm_away_s is not None and self._loop.time() - self._dm_away_s > self.lost_after_s:
            raise CommandFailedError(
                f"{what}: DM {service.value} has not answered for {self.lost_after_s:g} s"
                f" ({error or 'no answer yet'}); it may go on in DM"
            )

    def _since(self, is_there: bool, before_s: float | None) -> float | None:
        """Since when it is away; None while it is there."""
        if is_there:
            return None
        return self._loop.time() if before_s is None else before_s


async def ended(status: Any) -> None:
    """Return when an ophyd status has ended; raises what it failed with, as it is."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Any) -> None:
        loop.call_soon_threadsafe(done.set)

    status.add_callback(tell)
    await done.wait()
    error = status.exception(timeout=0)
    if error is not None:
        raise error


async def put(values: Mapping[Any, Any]) -> None:
    """Set signals, side by side, and return when all hold their values; raises what the first one failed with."""
    # In a thread: a put to a gateway that is just going away would wait for it.
    for status in await asyncio.to_thread(lambda: [signal.set(value) for signal, value in values.items()]):
        await ended(status)


class Command:
    """One command of the gateway, which goes on there when the plan is left.

    Args:
        signal: the command.
        timeout_s: longest time; None: as the command is declared.
        watch: ends the wait for its end when the gateway has been away for longer than ``LostAfter``; None: the device decides.
    """

    def __init__(self, signal: Any, timeout_s: float | None = None, watch: Watch | None = None) -> None:
        self._signal = signal
        self._timeout_s = timeout_s
        self._watch = watch
        self._put: asyncio.Future[Any] | None = None

    async def begin(self) -> Any:
        """Have it put; answers its status."""
        if self._put is None:
            self._put = asyncio.ensure_future(asyncio.to_thread(lambda: self._signal.set(1, timeout=self._timeout_s)))
        # Whoever is cancelled here must still be able to find out what became of it.
        return await asyncio.shield(self._put)

    async def carried_out(self) -> None:
        """Run it to its end; raises as `CommandSignal.set`."""
        end = asyncio.ensure_future(ended(await self.begin()))
        try:
            while not (await asyncio.wait({end}, timeout=LOOK_AGAIN_S))[0]:
                if self._watch is not None:
                    self._watch.check_gateway(self._signal.pvname)
            end.result()
        finally:
            end.cancel()

    async def is_busy(self) -> bool:
        """Whether the gateway is at it; a put that is on its way is waited for. False: it has ended, or was never begun."""
        if self._put is None:
            return False
        status = await self.begin()
        while not status.done:
            shown = await asyncio.to_thread(shown_now, self._signal)
            if shown is None or shown == BUSY:
                return shown == BUSY
            await asyncio.sleep(ON_ITS_WAY_S)
        return False


async def command(signal: Any, timeout_s: float | None = None, watch: Watch | None = None) -> None:
    """Run a command to its end, see `Command`. It goes on in the gateway when the caller is cancelled."""
    await Command(signal, timeout_s, watch).carried_out()


def shown_now(signal: Any) -> Any:
    """What a signal holds, asked of the gateway; None while that is away. Waits for the answer: not for the loop."""
    try:
        return signal.get(use_monitor=False, connection_timeout=_AWAY_S)
    except TimeoutError:
        return None


async def read(device: Any, id_name: str, names: Iterable[str]) -> dict[str, Any] | None:
    """Components of a slot as they are now, all of the object whose id is read first and last; None while the gateway is away.

    Monitors of several PVs arrive one after the other: after a new start the old status may stand beside the new id. What a
    plan acts on is therefore asked for once more.
    """

    def look() -> dict[str, Any] | None:
        while True:
            found: dict[str, Any] = {}
            for name in (id_name, *names):
                found[name] = shown_now(getattr(device, name))
                if found[name] is None:
                    return None
            if shown_now(getattr(device, id_name)) == found[id_name]:
                return found

    return await asyncio.to_thread(look)
