"""Waits with a clock that is moved: what ends them, and when; and the signals they wait on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_parts import Parts, engine_parts

from dmioc.engine.links import ServiceLink
from dmioc.engine.signals import Signal
from dmioc.engine.waits import wait_for
from dmioc.errors import CommandFailedError
from dmioc.model import Service


class Waiting:
    """One wait, on a clock that only `pass_s` moves."""

    def __init__(self, parts: Parts, timeout_s: float) -> None:
        self.parts = parts
        self.line: str | None = None
        self.error: Exception | None = None
        self.signal = Signal()
        self.link: ServiceLink = parts.core.links[Service.PROC]
        self.task = asyncio.create_task(
            wait_for(
                self._check,
                changed=self.signal,
                link=self.link,
                store=parts.core.store,
                clock=parts.clock,
                timeout_s=timeout_s,
                what="WF1:Wait",
            )
        )

    def _check(self) -> str | None:
        if self.error is not None:
            raise self.error
        return self.line

    async def pass_s(self, seconds: float) -> None:
        """Let time pass in steps, so that the wait looks now and then."""
        await asyncio.sleep(0)  # the wait begins before time passes
        for _ in range(4):
            self.parts.clock.at_s += seconds / 4
            await self.look()

    async def look(self) -> None:
        for _ in range(3):
            self.signal.fire()
            await asyncio.sleep(0)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    parts = engine_parts(tmp_path)
    parts.core.store.set("LostAfter", 10.0)
    return parts


def test_it_ends_with_the_news(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 100.0)
        waiting.link.answered("jobs")
        await waiting.pass_s(50.0)
        assert not waiting.task.done()
        waiting.line = "job 1 is Done"
        await waiting.look()
        assert waiting.task.done() and await waiting.task == "job 1 is Done"

    asyncio.run(main())


def test_news_that_is_there_already_counts_before_every_limit(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 0.0)
        waiting.line = "here"
        parts.clock.at_s += 1e6
        assert await waiting.task == "here"

    asyncio.run(main())


def test_it_ends_with_what_the_check_raises(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 100.0)
        waiting.error = CommandFailedError("job 1 is Lost")
        with pytest.raises(CommandFailedError, match="job 1 is Lost"):
            await waiting.task

    asyncio.run(main())


def test_its_own_timeout_names_the_wait_and_the_limit(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 20.0)
        waiting.link.answered("jobs")
        await waiting.pass_s(19.9)
        assert not waiting.task.done()
        await waiting.pass_s(0.2)
        with pytest.raises(CommandFailedError, match=r"WF1:Wait: not within 20 s"):
            await waiting.task

    asyncio.run(main())


def test_lost_after_counts_from_the_last_good_answer_of_the_service(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 1000.0)
        waiting.link.answered("jobs")
        await waiting.pass_s(100.0)
        waiting.link.failed("jobs", "connection refused")
        await waiting.pass_s(9.0)
        waiting.link.answered("jobs")
        await waiting.pass_s(20.0)
        assert not waiting.task.done()  # a short absence is forgotten
        waiting.link.failed("jobs", "connection refused")
        await waiting.pass_s(9.9)
        waiting.link.failed("jobs", "no whole answer within 1 s")
        assert not waiting.task.done()
        await waiting.pass_s(0.3)
        with pytest.raises(
            CommandFailedError, match=r"DM PROC has not answered for 10 s \(no whole answer within 1 s\)"
        ):
            await waiting.task

    asyncio.run(main())


def test_a_service_that_never_answered_is_lost_as_well(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 1000.0)
        await waiting.pass_s(11.0)
        with pytest.raises(CommandFailedError, match="no answer yet"):
            await waiting.task

    asyncio.run(main())


def test_lost_after_may_be_changed_while_it_waits(parts: Parts) -> None:
    async def main() -> None:
        waiting = Waiting(parts, 1000.0)
        waiting.link.failed("jobs", "gone")
        await waiting.pass_s(5.0)
        assert not waiting.task.done()
        parts.core.store.set("LostAfter", 4.0)
        await waiting.look()
        with pytest.raises(CommandFailedError, match="for 4 s"):
            await waiting.task

    asyncio.run(main())


def test_one_question_that_fails_is_enough_for_a_service_to_be_away(parts: Parts) -> None:
    link = parts.core.links[Service.PROC]
    link.answered("jobs")
    link.failed("workflows", "HTML instead of JSON")
    assert not link.answers and link.error == "HTML instead of JSON"
    link.answered("jobs")
    assert not link.answers
    link.forget("workflows")
    assert link.answers and link.error == ""


def test_a_cancellation_that_comes_with_the_signal_is_not_lost() -> None:
    async def main() -> None:
        signal = Signal()
        for _ in range(3):
            task = asyncio.create_task(signal.wait(60.0))
            await asyncio.sleep(0)
            signal.fire()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()

    asyncio.run(main())


def test_a_signal_wakes_all_who_wait_now_and_nobody_later() -> None:
    async def main() -> None:
        signal = Signal()
        waiters = [asyncio.create_task(signal.wait(5.0)) for _ in range(3)]
        await asyncio.sleep(0)
        signal.fire()
        assert await asyncio.gather(*waiters) == [True] * 3
        assert await signal.wait(0.01) is False

    asyncio.run(main())
