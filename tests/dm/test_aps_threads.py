"""Blocking calls in threads: deadlines, threads that are stuck, calls that are cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from dmioc.dm.aps.threads import CallThreads
from dmioc.errors import DmUnreachableError

LONG_S, SHORT_S = 10.0, 0.1


def using(most: int, use: Callable[[CallThreads], Awaitable[None]]) -> None:
    async def main() -> None:
        threads = CallThreads("PROC", most)
        try:
            await use(threads)
        finally:
            threads.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.01)


def test_results_and_errors() -> None:
    async def use(threads: CallThreads) -> None:
        names = await asyncio.gather(
            *(threads.run("x", lambda: threading.current_thread().name, LONG_S) for _ in "12345")
        )
        assert set(names) <= {"aps-dm-api-PROC-1", "aps-dm-api-PROC-2"}
        with pytest.raises(ZeroDivisionError):
            await threads.run("x", lambda: 1 // 0, LONG_S)
        assert await threads.run("x", lambda: 5, LONG_S) == 5

    using(2, use)


def test_a_stuck_thread_is_counted_and_comes_back() -> None:
    async def use(threads: CallThreads) -> None:
        end = threading.Event()
        with pytest.raises(DmUnreachableError, match="the call was given up, 1 of 2 threads") as caught:
            await threads.run("PROC x", end.wait, SHORT_S)
        assert caught.value.request_sent and threads.stuck() == 1
        assert await threads.run("x", lambda: 5, LONG_S) == 5
        with pytest.raises(DmUnreachableError, match="2 of 2"):
            await threads.run("x", end.wait, SHORT_S)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(
            DmUnreachableError, match="PROC x: all 2 threads of aps-dm-api for PROC are stuck"
        ) as caught:
            await threads.run("PROC x", end.wait, LONG_S)
        assert not caught.value.request_sent and asyncio.get_running_loop().time() - began_s < 1.0
        end.set()
        await until(lambda: threads.stuck() == 0)
        assert await threads.run("x", lambda: 5, LONG_S) == 5

    using(2, use)


def test_a_call_waits_for_a_thread_no_longer_than_its_deadline() -> None:
    async def use(threads: CallThreads) -> None:
        end = threading.Event()
        first = asyncio.create_task(threads.run("x", end.wait, LONG_S))
        await asyncio.sleep(0)
        with pytest.raises(DmUnreachableError, match="are busy: nothing was sent") as caught:
            await threads.run("x", end.wait, SHORT_S)
        assert not caught.value.request_sent and threads.stuck() == 0
        second = asyncio.create_task(threads.run("x", lambda: "second", LONG_S))
        end.set()
        assert (await first, await second) == (True, "second")

    using(1, use)


def test_a_cancelled_call_gives_its_thread_back_when_it_ends() -> None:
    async def use(threads: CallThreads) -> None:
        begun, end = threading.Event(), threading.Event()
        task = asyncio.create_task(threads.run("x", lambda: begun.set() or end.wait(), SHORT_S))
        await until(begun.is_set)
        waiting = asyncio.create_task(threads.run("x", lambda: "never", LONG_S))
        await asyncio.sleep(0)
        for one in (task, waiting):
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        # Nobody waits for it any more, and it is stuck all the same once its deadline is over.
        await until(lambda: threads.stuck() == 1)
        end.set()
        await until(lambda: threads.stuck() == 0)
        assert await threads.run("x", lambda: 5, LONG_S) == 5

    using(1, use)


def test_a_stuck_thread_does_not_outlive_the_program() -> None:
    """The loop ends while a call is stuck; its thread is a daemon, and ends with the call."""
    end, inside = threading.Event(), list[threading.Thread]()

    async def use(threads: CallThreads) -> None:
        with pytest.raises(DmUnreachableError):
            await threads.run("x", lambda: inside.append(threading.current_thread()) or end.wait(), SHORT_S)

    using(1, use)
    (thread,) = inside
    assert thread.daemon
    end.set()
    thread.join(LONG_S)
    assert not thread.is_alive()
