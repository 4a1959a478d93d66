"""Loops that ask DM again and again, each at its own pace."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from dmioc.engine.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dmioc.engine.links import ServiceLink
    from dmioc.engine.store import Store

_LOG = logging.getLogger(__name__)
_JITTER = 0.2


class Poller:
    """One question to one service, put again after each period; a slow answer delays no other poller.

    Args:
        question: what it asks, for messages and for the link.
        link: the service.
        work: asks DM and uses the answer; False if there was nothing to ask; raises `DmError`.
        period_s: seconds from the end of one round to the start of the next, asked anew each time. After a failure it is
            drawn within 20 % so that many gateways do not come back in step, and never longer than the period.
    """

    def __init__(
        self,
        question: str,
        link: ServiceLink,
        store: Store,
        work: Callable[[], Awaitable[bool]],
        period_s: Callable[[], float],
    ) -> None:
        self.question = question
        self._link = link
        self._store = store
        self._work = work
        self._period_s = period_s
        self._wake = Signal()
        self._woken = False
        self._rounds_started = 0
        self._rounds_ended = 0
        self._round = Signal()

    def wake(self) -> None:
        """Start the next round at once, or once more after the one that is running."""
        self._woken = True
        self._wake.fire()

    async def now(self, timeout_s: float) -> bool:
        """Have a whole round that starts after this call; answers whether it ended in time."""
        target = self._rounds_started + 1
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        self.wake()
        while self._rounds_ended < target:
            left_s = deadline_s - asyncio.get_running_loop().time()
            if left_s <= 0 or not await self._round.wait(left_s):
                return self._rounds_ended >= target
        return True

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self._woken = False
            self._rounds_started += 1
            answered = await self._ask()
            self._store.commit()
            self._rounds_ended = self._rounds_started
            self._round.fire()
            period_s = self._period_s()
            if not answered:
                period_s *= 1.0 - random.uniform(0.0, _JITTER)
            if not self._woken:
                await self._wake.wait(period_s)

    async def _ask(self) -> bool:
        try:
            return await self._link.ask(self.question, self._work)
        except Exception as error:
            # The supervisor of the polling loops: a bug in reading one answer must not end the polling, nor look like success.
            _LOG.exception("bug while polling %s", self.question)
            self._link.failed(self.question, f"the gateway failed on the answer: {type(error).__name__}: {error}")
            return False
