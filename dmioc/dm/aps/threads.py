"""Blocking calls in a few threads, each with a deadline (``design.md``, DM)."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from dmioc.dm.aps.logs import THREAD_NAME
from dmioc.errors import DmUnreachableError

T = TypeVar("T")
_Task = Callable[[], None]
_CLOCK_STEP_S = 1e-3  # a loop may wake this much before the time


@dataclass(eq=False)
class _Worker:
    """One thread; ``ends_s`` is the deadline of its call by the loop's clock, 0.0 while it has none."""

    inbox: queue.SimpleQueue[_Task | None] = field(default_factory=queue.SimpleQueue[_Task | None])
    ends_s: float = 0.0

    def serve(self) -> None:
        while (task := self.inbox.get()) is not None:
            task()


class CallThreads:
    """At most a number of calls at once. A call past its deadline is given up: a thread cannot be ended from outside, so that its
    thread counts as stuck until the call returns by itself, and is then of use again.

    Belongs to the event loop of its first call. The threads are daemons: a stuck one does not keep the program from ending.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._free = asyncio.Semaphore(most)
        self._idle: list[_Worker] = []
        self._workers: list[_Worker] = []

    def stuck(self) -> int:
        """How many threads are in a call that is past its deadline."""
        now_s = asyncio.get_running_loop().time() + _CLOCK_STEP_S
        return sum(0.0 < worker.ends_s <= now_s for worker in self._workers)

    async def run(self, what: str, work: Callable[[], T], deadline_s: float) -> T:
        """Do the work in a thread and answer its result, or raise what it raised.

        Args:
            what: Service and method, for messages.
            work: What to do; it goes on in its thread when this call is given up or cancelled.
            deadline_s: Longest time, waiting for a free thread included.

        Raises:
            DmUnreachableError: the deadline has passed, or no thread is free; ``request_sent`` tells whether the work had begun.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + deadline_s
        worker = await self._take(what, ends_s)
        worker.ends_s = ends_s
        future: asyncio.Future[T] = loop.create_future()
        worker.inbox.put(lambda: self._work(worker, loop, work, future))
        try:
            async with asyncio.timeout_at(ends_s):
                return await future
        except TimeoutError:
            raise DmUnreachableError(
                f"{what}: aps-dm-api gave no answer within {deadline_s:g} s; the call was given up, "
                f"{self.stuck()} of {self._most} threads of {self._name} are stuck"
            ) from None

    async def _take(self, what: str, ends_s: float) -> _Worker:
        loop = asyncio.get_running_loop()
        if self.stuck() == self._most:
            since_s = loop.time() - min(worker.ends_s for worker in self._workers)
            raise DmUnreachableError(
                f"{what}: all {self._most} threads of aps-dm-api for {self._name} are stuck in calls that were given up, "
                f"the first {since_s:.0f} s ago: nothing was sent",
                request_sent=False,
            )
        try:
            async with asyncio.timeout_at(ends_s):
                await self._free.acquire()
        except TimeoutError:
            text = f"{what}: all {self._most} threads of aps-dm-api for {self._name} are busy: nothing was sent"
            raise DmUnreachableError(text, request_sent=False) from None
        return self._idle.pop() if self._idle else self._new_worker()

    def _new_worker(self) -> _Worker:
        worker = _Worker()
        self._workers.append(worker)
        name = f"{THREAD_NAME}-{self._name}-{len(self._workers)}"
        threading.Thread(target=worker.serve, name=name, daemon=True).start()
        return worker

    def _work(
        self, worker: _Worker, loop: asyncio.AbstractEventLoop, work: Callable[[], T], future: asyncio.Future[T]
    ) -> None:
        """Runs in the thread, and is the supervisor of what the package does there."""
        result: T | None = None
        raised: Exception | None = None
        try:
            result = work()
        except Exception as error:
            raised = error

        def finish() -> None:
            worker.ends_s = 0.0
            self._idle.append(worker)
            self._free.release()
            if future.done():
                return
            if raised is not None:
                future.set_exception(raised)
            else:
                future.set_result(result)  # pyright: ignore[reportArgumentType] - without an error there is one

        try:
            loop.call_soon_threadsafe(finish)
        except RuntimeError:  # the loop was closed: nobody waits any more
            worker.inbox.put(None)

    def close(self) -> None:
        """End the threads; one that is in a call ends after it."""
        for worker in self._workers:
            worker.inbox.put(None)
