"""What every signal of this package is built on: values from monitors, and puts that are done when they are known to be."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from ophyd import EpicsSignal, EpicsSignalRO
from ophyd.signal import DEFAULT_WRITE_TIMEOUT, EpicsSignalBase
from ophyd.status import Status
from ophyd.utils import DisconnectedError, ReadOnlyError

from dmioc.catalogue import shown
from dmioc.errors import DmiocError, GatewayLostError, RefusedError, WaitTimeoutError

_LOG = logging.getLogger(__name__)
CONNECTION_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
WRITE_TIMEOUT_S = 30.0


class MonitoredSignal(EpicsSignalBase):
    """A signal whose value is that of its monitor, in the type that ``describe()`` tells.

    What differs from ophyd's: a value that is read has its own time beside it; a put changes nothing before the PV has it; after
    the gateway was away no older value is shown; every time-out is finite; a name that ends with the underscore of an attribute
    like ``name_`` loses it.
    """

    value_dtype: ClassVar[str | None] = None
    """``string`` for signals that hold text; numbers are known by their values."""

    def __init__(self, read_pv: str, *, name: str | None = None, auto_monitor: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("connection_timeout", CONNECTION_TIMEOUT_S)
        kwargs.setdefault("timeout", READ_TIMEOUT_S)
        kwargs.setdefault("write_timeout", WRITE_TIMEOUT_S)
        if name and kwargs.get("attr_name", "").endswith("_"):
            name = name.removesuffix("_")
        self._news = threading.Condition()
        self._is_current = False
        self._lost_count = 0
        self._lost_since_s: float | None = None
        super().__init__(read_pv, name=name, auto_monitor=auto_monitor, dtype=self.value_dtype, **kwargs)

    def get(self, **kwargs: Any) -> Any:
        """The value: of the monitor; asked of the gateway with ``use_monitor=False`` or where there is none yet.

        Raises `TimeoutError`, which names the PV, when the gateway is not reached in time.
        """
        if self._is_current and self.connected and (not kwargs or kwargs == {"use_monitor": True}):
            return self._readback
        try:
            value = super().get(**({"use_monitor": False} | self._asked_as | kwargs))
        except _failures_of_layers() as error:
            raise TimeoutError(f"{self.pvname}: the gateway went away while it was read ({error})") from error
        if self._monitors[self.pvname] is None:
            self._readback = value
        return value

    @property
    def _asked_as(self) -> dict[str, Any]:
        """Arguments of ophyd's ``get`` that the control layer needs."""
        return {}

    def read(self) -> dict[str, dict[str, Any]]:
        """Value and time for a document; raises `DisconnectedError`, which names the PV, at once when the gateway is away."""
        if not self.connected:
            raise DisconnectedError(f"{self.pvname} is not connected: is the gateway running?")
        return super().read()

    def _read_changed(self, value: Any = None, **kwargs: Any) -> None:
        kwargs.pop("char_value", None)
        super()._read_changed(self._fix_type(value), **kwargs)
        self._accepted()
        with self._news:
            self._is_current = True
            self._news.notify_all()

    def _accepted(self) -> None:
        """Called, on ophyd's thread for monitors, when the monitor has brought a value, which stands in ``_readback``."""

    def _catch_up(self) -> None:
        """Wait until every update was taken that came, on any signal, before this call.

        On the wire the updates that a put caused come before its end; in ophyd each waits in a queue of its own.
        """
        caught_up = threading.Event()
        self._metadata_thread_ctx.run(caught_up.set)
        caught_up.wait(READ_TIMEOUT_S)

    def _add_callback(self, pvname: str, pv: Any, cb: Callable[..., None]) -> None:
        # As ophyd's, which asks once more for limits and states, and by caproto adds its callback twice (it has index 0).
        with self._metadata_lock:
            if self._monitors[pvname] is None:
                # Nor run_now where pyepics has no value yet: it would ask for one, and may be given the answer to a question
                # for one element that is on its way (ophyd's, for the alarm state): a text would be its first letter for good.
                is_pyepics = self.cl.name == "pyepics"
                is_run = pv.connected and not is_pyepics
                index = pv.add_callback(cb, run_now=is_run, with_ctrlvars=False)
                self._monitors[pvname] = index
                if is_pyepics and pv._args["value"] is not None:  # noqa: SLF001  # pyepics' own way to look asks the network
                    pv.run_callback(index)

    def _pv_connected(self, pvname: str, conn: bool, pv: Any) -> None:
        with self._news:
            if conn:
                self._lost_since_s = None
            else:
                self._is_current = False
                self._lost_count += 1
                self._lost_since_s = time.monotonic()
        super()._pv_connected(pvname, conn, pv)
        with self._news:
            self._news.notify_all()

    def destroy(self) -> None:
        """Give up the PV; whoever waits for a put is told."""
        super().destroy()
        with self._news:
            self._lost_count += 1
            self._news.notify_all()


class ReadbackSignal(MonitoredSignal, EpicsSignalRO):
    """A value that the gateway publishes."""


class SetpointSignal(MonitoredSignal, EpicsSignal):
    """A value that clients set.

    ``set()`` is done when the gateway has taken the put and the PV holds the value, which a ``get()`` or ``read()`` after it then
    shows. It fails with `RefusedError` when the PV holds something else, `GatewayLostError` when the gateway went away, and
    `WaitTimeoutError` when the put did not end in time. No time-out, or None, means the signal's ``write_timeout``, in seconds.
    """

    def __init__(self, read_pv: str, write_pv: str | None = None, **kwargs: Any) -> None:
        self._set_count = 0
        super().__init__(read_pv, write_pv=write_pv, put_complete=True, **kwargs)

    def _as_held(self, value: Any) -> Any:
        """What the PV will hold; raises `RefusedError` for what it cannot hold."""
        return value

    def _as_sent(self, held: Any) -> Any:
        """What the control layer is to send."""
        return held

    def put(
        self,
        value: Any,
        *,
        callback: Callable[..., None] | None = None,
        use_complete: bool | None = None,
        connection_timeout: float | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> None:
        """Put without waiting for the end; what is read changes when the PV has changed.

        Args:
            value: as `set` takes it.
            callback: called, on ophyd's thread for puts, when the put has ended, well or not.
            use_complete: whether to put with completion; by default if there is a ``callback``.
            connection_timeout: longest wait for the gateway, s.
            timeout: how long the control layer keeps the ``callback``, s.

        Raises `RefusedError`, ophyd's `ReadOnlyError`, and `TimeoutError` when the gateway is not reached.
        """
        sent = self._as_sent(self._as_held(value))
        self.wait_for_connection(timeout=connection_timeout or self.connection_timeout)
        if not self.write_access:
            raise ReadOnlyError(f"{self.setpoint_pvname} may not be written by this user from this host")
        completes = callback is not None if use_complete is None else use_complete
        self._write_pv.put(sent, use_complete=completes, callback=callback, timeout=timeout or self.write_timeout)

    def set(self, value: Any, *, timeout: Any = DEFAULT_WRITE_TIMEOUT, settle_time: float | None = None) -> Status:
        """Put, and a status that is done when the PV holds the value; see the class for how it fails."""
        self._set_count += 1
        number = self._set_count
        timeout_s = self.write_timeout if timeout is DEFAULT_WRITE_TIMEOUT or timeout is None else float(timeout)
        return self._in_thread(lambda: self._put_and_see(value, number, timeout_s), settle_time)

    def _in_thread(self, work: Callable[[], None], settle_time: float | None) -> Status:
        """Do something that waits, away from the threads of the RunEngine and of Channel Access."""
        status = Status(self, settle_time=settle_time or 0)

        def run() -> None:
            try:
                work()
            except (DmiocError, ReadOnlyError) as error:
                status.set_exception(error)
            except (DisconnectedError, TimeoutError, *_failures_of_layers()) as error:
                status.set_exception(GatewayLostError(f"{self.pvname}: {error} Is the gateway running?"))
            except Exception as error:
                # The supervisor of this thread: whoever waits for the status must be told of a bug as well.
                _LOG.exception("bug in a put to %s", self.setpoint_pvname)
                status.set_exception(error)
            else:
                status.set_finished()

        self.cl.thread_class(target=run, name=f"set {self.name}", daemon=True).start()
        return status

    def _put_and_see(self, value: Any, number: int, timeout_s: float) -> None:
        held = self._as_held(value)
        lost_count = self._lost_count
        ended = self._put_with_end(held, timeout_s)
        self._wait_for_end(ended, lost_count, timeout_s)
        if self._lost_count != lost_count:
            raise GatewayLostError(
                f"{self.pvname}: the gateway went away while it was put; whether it took it is not known"
            )
        if not ended.is_set():
            raise WaitTimeoutError(f"{self.pvname}: the put did not end within {timeout_s:g} s")
        if number == self._set_count:
            self._check_held(held)

    def _put_with_end(self, value: Any, timeout_s: float) -> threading.Event:
        """Put; the event is set when the put has ended, well or not, and whoever waits for news is woken."""
        ended = threading.Event()

        def end(**_: Any) -> None:
            with self._news:
                ended.set()
                self._news.notify_all()

        self.put(value, callback=end, timeout=timeout_s)
        return ended

    def _wait_for_end(self, ended: threading.Event, lost_count: int, timeout_s: float) -> None:
        """Wait until the put has ended, the gateway is away, or the time has passed."""
        with self._news:
            self._news.wait_for(
                lambda: ended.is_set() or self._lost_count != lost_count or self._destroyed, max(0.0, timeout_s)
            )

    def _check_held(self, held: Any) -> None:
        """Raises `RefusedError` unless the PV holds the value, which its monitor then shows too."""
        self._catch_up()
        if self._is_current and self._readback == held:
            return
        try:
            now = self.get(use_monitor=False)
        except TimeoutError as error:
            raise GatewayLostError(f"{self.pvname} was put and then not reached: {error}") from error
        if now != held:
            raise RefusedError(
                f"{self.pvname} was not set to {shown(held)}: it holds {shown(now)};"
                " the gateway refused it or another client set it"
            )
        if self._auto_monitor:
            with self._news:
                self._news.wait_for(lambda: self._is_current and self._readback == held, READ_TIMEOUT_S)


def _failures_of_layers() -> tuple[type[Exception], ...]:
    """What the control layers raise, beside `TimeoutError`, where a connection is lost in the middle of a get or a put."""
    ca, caproto = sys.modules.get("epics.ca"), sys.modules.get("caproto")
    of_pyepics = (ca.ChannelAccessException, ca.ChannelAccessGetFailure) if ca is not None else ()
    return (*of_pyepics, caproto.CaprotoError) if caproto is not None else of_pyepics
