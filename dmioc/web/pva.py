"""The PVAccess client: p4p in its own threads, everything else in the loop of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from p4p.client.raw import Context
from p4p.nt import NTURI

from dmioc.errors import GatewayLostError

if TYPE_CHECKING:
    from p4p import Value

QUERY_TIMEOUT_S = 10.0


class PvaClient:
    """One client; finds its servers by the ``EPICS_PVA_*`` variables. Made and used in one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # nt=False: values as they came, with what has changed in them. Without useenv the raw client reads no EPICS_PVA_*.
        self._context = Context("pva", useenv=True, nt=False)

    def monitor(self, name: str, taken: Callable[[Value | Exception], None]) -> Monitor:
        """Subscribe; ``taken`` is called in the loop with values, and with an exception for a lost connection."""
        return Monitor(self._context, self._loop, name, taken)

    async def ask(self, name: str, method: str) -> Value:
        """Ask a PV a query without arguments; raises `GatewayLostError` when there is no answer or a refusal."""
        answered: asyncio.Future[Value] = self._loop.create_future()

        def end(answer: Value | Exception) -> None:
            if answered.done():
                return
            if isinstance(answer, Exception):
                answered.set_exception(GatewayLostError(f"{name}: {method} was not answered: {answer}"))
            else:
                answered.set_result(answer)

        question = NTURI([("method", "s")]).wrap(name, kws={"method": method})
        operation = self._context.rpc(name, lambda answer: _call_in(self._loop, lambda: end(answer)), question)
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                return await answered
        except TimeoutError:
            raise GatewayLostError(f"{name}: {method} was not answered within {QUERY_TIMEOUT_S:g} s") from None
        finally:
            operation.close()

    def hurry(self) -> None:
        """Search anew, now, for all that is not connected: p4p's own searches come ever more seldom."""
        self._context.hurryUp()

    def close(self) -> None:
        """End everything; waits for p4p's threads."""
        self._context.close()


class Monitor:
    """A subscription that comes back by itself when its server does."""

    def __init__(
        self,
        context: Context,
        loop: asyncio.AbstractEventLoop,
        name: str,
        taken: Callable[[Value | Exception], None],
    ) -> None:
        self._taken = taken
        self._closed = False
        self._subscription = context.monitor(name, lambda: _call_in(loop, self._drain))

    def _drain(self) -> None:
        while not self._closed and (update := self._subscription.pop()) is not None:
            self._taken(update)

    def close(self) -> None:
        """End the subscription; nothing is called afterwards."""
        self._closed = True
        self._subscription.close()


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have the loop call it, from another thread; a loop that has ended calls nothing any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
