"""How work is carried out as a plan, and which station it is given; what has no need of jobs or files."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from gateway_process import GatewayProcess
from run_engine import Engine, loop_turns
from waiting import wait_until

from dmioc.errors import RefusedError
from dmioc.plans import forget_stations, run_workflow, setup_user, use_station, wait_jobs
from dmioc.plans.carrying import carried_out, cleaned_up


@pytest.fixture
def alone(epics: None) -> Engine:
    """A RunEngine without a gateway."""
    return Engine()


class Work:
    """Work that waits until it is told to end; counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.is_cancelled = False
        self.over = threading.Event()

    async def __call__(self) -> str:
        self.begun += 1
        try:
            while not self.over.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return "done"


def test_answers_and_errors(alone: Engine) -> None:
    async def answers() -> int:
        return 42

    async def fails() -> None:
        raise RefusedError("as the gateway says")

    assert alone.run(carried_out(answers)) == 42
    with pytest.raises(RefusedError, match=r"^as the gateway says$"):
        alone.run(carried_out(fails))


def test_begun_once_over_pauses_and_repeated_messages(alone: Engine) -> None:
    work = Work()

    def plan() -> Any:
        yield from bps.checkpoint()
        answer = yield from carried_out(work)
        yield from bps.sleep(30)
        return answer

    alone.start(plan())
    wait_until(lambda: work.begun == 1)
    alone.pause()
    alone.resume()
    wait_until(lambda: alone.re.state == "running")
    work.over.set()
    messages: list[str] = []
    alone.re.msg_hook = lambda message: messages.append(message.command)
    wait_until(lambda: "sleep" in messages)
    alone.pause()
    alone.re.msg_hook = lambda message: messages.append(f"again {message.command}")
    alone.resume()
    wait_until(lambda: "again sleep" in messages)
    alone.leave("abort")
    assert "again wait_for" in messages, "the RunEngine repeats what came after the checkpoint"
    assert (work.begun, work.is_cancelled) == (1, False)


@pytest.mark.parametrize("how", ["abort", "stop", "halt"])
def test_cancelled_when_the_plan_is_left(alone: Engine, how: str) -> None:
    work, cleaned = Work(), list[str]()

    def clean_up(error: Exception) -> Any:
        cleaned.append(type(error).__name__)
        yield from bps.null()

    alone.start(cleaned_up(carried_out(work), clean_up))
    wait_until(lambda: work.begun == 1)
    alone.leave(how)
    wait_until(lambda: work.is_cancelled)
    assert cleaned == {"abort": ["RequestAbort"], "stop": ["RequestStop"], "halt": []}[how]


def test_within_a_run_and_a_preprocessor(alone: Engine) -> None:
    async def answers() -> str:
        return "here"

    @bpp.run_decorator()
    def plan() -> Any:
        yield from bps.create("primary")
        yield from carried_out(answers)
        yield from bps.drop()

    alone.run(bpp.msg_mutator(plan(), lambda message: message))
    assert [name for name, _ in alone.documents] == ["start", "stop"]


def test_messages_that_nobody_runs_come_to_an_end() -> None:
    from bluesky.simulators import summarize_plan

    with pytest.raises(RuntimeError, match="does nothing unless a RunEngine runs it"):
        summarize_plan(run_workflow("example-01"))


def test_stations(alone: Engine, gateway: GatewayProcess, ca: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix, the one in use, and that of the environment; the RunEngine goes on while the station is made."""
    slowest: list[float] = []
    over = threading.Event()
    watcher = threading.Thread(target=lambda: slowest.append(loop_turns(alone, over.is_set)))
    watcher.start()
    try:
        alone.run(wait_jobs(station=gateway.prefix))
        over.set()
        watcher.join()
        assert slowest[0] < max(1.0, 0.5 * alone.took_s), (
            "a station that is made on the loop holds it for all that time"
        )
        use_station(gateway.prefix)
        assert alone.run(setup_user("demo")).state == "Loaded"
        use_station(None)
        monkeypatch.setenv("DMIOC_PREFIX", gateway.prefix)
        alone.run(wait_jobs())
        assert alone.took_s < 5.0, "the station is made once"
    finally:
        over.set()
        watcher.join()
        forget_stations()
