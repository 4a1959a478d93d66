"""PVAccess as the handshake needs it: get, put and watch with deadlines, over p4p."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from p4p.client import raw
from p4p.client.thread import Cancelled, Context, Disconnected, RemoteError

from dmioc.streaming.errors import StreamRefused, StreamTimeoutError

if TYPE_CHECKING:
    from p4p import Value

_Answer = TypeVar("_Answer")


class PvaClient:
    """One PVAccess client; finds its servers by the ``EPICS_PVA_*`` variables. May be used from several threads."""

    def __init__(self) -> None:
        # nt=False: values as they come, so that a frame is not unpacked twice.
        self._context = Context("pva", nt=False)

    def get(self, name: str, timeout_s: float) -> Value:
        """The structure now; raises `StreamTimeoutError`, or `StreamRefused` when the server says no."""
        return self._answer(name, timeout_s, lambda: self._context.get(name, timeout=timeout_s))

    def put(self, name: str, fields: Mapping[str, object], timeout_s: float) -> None:
        """Put these fields of a structure; raises as `get`."""
        self._answer(name, timeout_s, lambda: self._context.put(name, dict(fields), timeout=timeout_s, get=False))

    def _answer(self, name: str, timeout_s: float, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except RemoteError as error:
            raise StreamRefused(str(error)) from error
        except (TimeoutError, Disconnected, Cancelled) as error:
            # The server may be starting anew: the next search must not be seconds away.
            self._context.hurryUp()
            raise StreamTimeoutError(f"{name} does not answer within {timeout_s:g} s") from error

    def watch(self, name: str, request: str = "field()") -> Watch:
        """Subscribe to a PV; ``request`` is a pvRequest, e.g. ``field()record[queueSize=100]``."""
        return Watch(self._context, name, request)

    def close(self) -> None:
        """End every operation and subscription."""
        self._context.close()


class Watch:
    """The updates of one PV, to be taken by one thread; subscribes anew by itself when its server comes back.

    p4p's own subscription of the thread client loses updates for ever when the first comes before its constructor has
    returned (``epics-notes.md §4.6``), and runs callbacks in threads it shares; this one only sets an event there.
    """

    def __init__(self, context: Context, name: str, request: str) -> None:
        self.name = name
        self.connected = False
        self._woken = threading.Event()
        self._monitor = raw.Context.monitor(context, name, self._woken.set, request)

    def take(self) -> Value | None:
        """The next update, or None if there is none now; sets ``connected``."""
        while True:
            update = self._monitor.pop()
            if update is None:
                return None
            self.connected = not isinstance(update, Exception)
            if not isinstance(update, Exception):
                return update

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until there may be an update that `take` has not seen; False if the time passed."""
        woken = self._woken.wait(timeout_s)
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """End a wait, from another thread."""
        self._woken.set()

    def close(self) -> None:
        """End the subscription."""
        self._monitor.close()
