"""The streaming outline of DM's guide: a real workflow of the local DM takes the frames of a real PVAccess source."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky import preprocessors as bpp
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engine import Engine, simulated
from waiting import wait_until

from dmioc.errors import GatewayLostError, JobFailedError
from dmioc.plans import streaming

SOURCE = """
import sys
sys.path[:0] = [sys.argv[1]]
from frame_source import FrameServer

server = FrameServer()
print(server.name, flush=True)
for line in sys.stdin:
    first, last = map(int, line.split())
    server.post(range(first, last + 1), period_s=0.005)
    print("posted", flush=True)
server.stop()
"""


class Source:
    """A detector as a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.name = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def post(self, first: int, last: int) -> None:
        """Post frames by their numbers, and return when all are posted."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first} {last}\n")
        self._process.stdin.flush()
        assert self._line() == "posted"


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    """A source of frames."""
    folder = str(Path(__file__).parents[1] / "streaming")
    with subprocess.Popen(
        [sys.executable, "-c", SOURCE, folder],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Source(process)
        process.kill()


@pytest.fixture(autouse=True)
def nothing_left(ca: CaClient) -> Iterator[None]:
    """No session and no job goes on after a test."""
    yield
    for slot in ("STR1", "STR2"):
        if ca.get(f"{slot}:State") in {"Offered", "Accepted", "Ready", "Streaming", "Draining"}:
            ca.command(f"{slot}:Abort")
    for slot in ("WF1", "WF2"):
        if ca.get(f"{slot}:Status") in {"Pending", "Running"}:
            ca.command(f"{slot}:Abort")


def taking(source: Source, frames: int, then: Any = ()) -> Any:
    """An acquisition: frames, then messages of another plan."""
    det = simulated("det")

    @bpp.run_decorator()
    def inner() -> Any:
        source.post(1, frames)
        yield from bps.trigger_and_read([det])
        yield from then

    yield from inner()
    return frames


def streamed(source: Source, plan: Any, **more: Any) -> Any:
    """The plan with the workflow that counts frames."""
    given = {"workflow": "stream-consume-01", "source": source.name, "file_path": "/dev/null", "ready_timeout": 30.0}
    return streaming(plan, **(given | more))


def test_whole_stream(engine: Engine, gateway: GatewayProcess, source: Source) -> None:
    outcome = engine.run(streamed(source, taking(source, 100), stream_args={"expected": 100}))
    assert (outcome.plan_result, len(outcome.run_uids)) == (100, 1)
    stream, job = outcome.stream, outcome.job
    assert stream is not None and job is not None
    assert (stream.state, stream.error, stream.slot) == ("Done", "", "STR1")
    assert stream.received + stream.missed == 100 and stream.result["received"] == stream.received
    assert (job.status, job.job_id, job.slot) == ("Done", stream.job_id, "WF1")
    metadata = GatewayDm(gateway).dataset("demo", outcome.metadata[0].dataset)["bluesky_metadata"]
    assert metadata["start"]["dm_workflow"] == "stream-consume-01"
    assert metadata["dm"]["session"] == stream.session and metadata["dm"]["result"] == stream.result


def test_acquisition_that_fails(engine: Engine, ca: CaClient, source: Source) -> None:
    def fails() -> Any:
        yield from bps.null()
        raise ValueError("no beam")

    with pytest.raises(ValueError, match="no beam"):
        engine.run(streamed(source, fails()))
    assert ca.get("STR1:State") == "Aborted"
    ca.wait_for("WF1:Status", lambda word: word in {"Aborted", "Failed"})


@pytest.mark.parametrize("then", ["sleep", "wait"])
def test_a_stream_that_dies(engine: Engine, ca: CaClient, source: Source, then: str) -> None:
    """The reason ends the plan, in the middle of what it does; the plan can clean up."""
    from ophyd.status import Status

    class Slow:
        """A device that is never done."""

        name, parent = "slow", None

        def trigger(self) -> Status:
            return Status()

    cleaned: list[str] = []

    def cleans() -> Any:
        cleaned.append("cleaned")
        yield from bps.sleep(0.01)

    rest = bps.sleep(60) if then == "sleep" else bps.trigger(Slow(), wait=True)
    engine.start(streamed(source, bpp.finalize_wrapper(taking(source, 5, rest), cleans)))
    wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="the plan is in the middle")
    began_s = time.monotonic()
    ca.put("WF1:Abort", 1)
    with pytest.raises(JobFailedError, match=r"session .* is (Aborted: ended by SIGTERM|Failed: job .* is)") as raised:
        engine.end()
    assert time.monotonic() - began_s < 10.0
    assert (raised.value.object_id, raised.value.status) == (ca.get("STR1:Session"), ca.get("STR1:State"))
    assert cleaned == ["cleaned"]
    assert engine.documents[-1][1]["exit_status"] == "fail" and "session " in engine.documents[-1][1]["reason"]


def test_workflow_that_does_not_come_up(engine: Engine, ca: CaClient, source: Source, gated: str) -> None:
    taken: list[str] = []

    def never() -> Any:
        taken.append("data")
        yield from bps.null()

    with pytest.raises(JobFailedError, match=r"session .* is Failed: the workflow was not started: .*no-such-workflow"):
        engine.run(streamed(source, never(), workflow="no-such-workflow"))
    with pytest.raises(JobFailedError, match=r"session .* is Failed: not Ready within 1 s"):
        engine.run(streamed(source, never(), workflow=gated, gate="/no", ready_timeout=1.0))
    assert taken == []
    assert ca.get("STR1:State") == "Failed"
    ca.wait_for("JOB:Idle", "Yes")  # nobody needs the job any more


@pytest.mark.parametrize("on_failure", ["raise", "report"])
def test_workflow_that_fails_at_the_end(engine: Engine, source: Source, on_failure: str) -> None:
    """It is told to expect more frames than come, and does not finish in time."""
    plan = streamed(source, taking(source, 3), stream_args={"expected": 1000}, drain_timeout=1.0, on_failure=on_failure)
    if on_failure == "raise":
        with pytest.raises(JobFailedError, match=r"session .* is Failed: not drained within 1 s"):
            engine.run(plan)
    else:
        outcome = engine.run(plan)
        assert outcome.stream is not None and outcome.stream.state == "Failed"
        assert "not drained within 1 s" in outcome.stream.error


@pytest.mark.parametrize("how", ["abort", "stop", "halt"])
def test_left_while_data_are_taken(engine: Engine, ca: CaClient, source: Source, how: str) -> None:
    engine.start(streamed(source, taking(source, 10, bps.sleep(60))))
    wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="the plan is in the middle")
    engine.leave(how)
    if how == "abort":
        assert ca.get("STR1:State") == "Aborted"
        ca.wait_for("WF1:Status", lambda word: word in {"Aborted", "Failed"})
    elif how == "stop":
        ca.wait_for("STR1:State", "Done", timeout_s=30.0)
        ca.wait_for("WF1:Status", "Done")
    else:
        assert (ca.get("STR1:State"), ca.get("WF1:Status")) == ("Streaming", "Running")


def test_pause_and_resume(engine: Engine, ca: CaClient, source: Source) -> None:
    session = ca.get("STR1:Session")
    engine.start(streamed(source, taking(source, 10, bps.sleep(2.0)), stream_args={"expected": 10}))
    wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="the plan is in the middle")
    engine.pause()
    assert ca.get("STR1:State") == "Streaming"
    session = ca.get("STR1:Session")
    engine.resume()
    outcome = engine.end()
    assert outcome.stream is not None and (outcome.stream.state, outcome.stream.session) == ("Done", session)


@pytest.mark.parametrize("how", ["abort", "stop"])
def test_left_while_the_workflow_comes_up(
    engine: Engine, ca: CaClient, source: Source, gated: str, tmp_path: Path, how: str
) -> None:
    before = ca.get("STR1:Session")
    engine.start(streamed(source, bp.count([]), workflow=gated, gate=str(tmp_path / "gate")))
    ca.wait_for("STR1:Offer", "Busy")
    engine.leave(how)
    assert ca.get("STR1:Session") != before and ca.get("STR1:State") == "Aborted"
    ca.wait_for("JOB:Idle", "Yes")


def test_without_a_workflow_of_ours(engine: Engine, ca: CaClient, source: Source) -> None:
    """Somebody else's workflow takes the data."""
    from dmioc.streaming import StreamingWorkflow

    before = ca.get("STR1:Session")
    engine.start(streaming(taking(source, 3), slot="STR1"))
    session = ca.wait_for("STR1:Session", lambda word: word not in ("", before))
    report_pv, command_pv = f"{ca.prefix}STR1:Report", f"{ca.prefix}STR1:Command"
    with StreamingWorkflow(report_pv=report_pv, command_pv=command_pv, session=session, arguments=()) as stream:
        stream.ready()
        stream.wait_begin(20.0)
        stream.wait_end(20.0)
        stream.done({"frames": 3})
    outcome = engine.end()
    assert outcome.stream is not None and (outcome.stream.state, outcome.stream.result) == ("Done", {"frames": 3})
    assert outcome.job is None


def test_gateway_restarted_while_data_are_taken(
    engine: Engine, ca: CaClient, gateway: GatewayProcess, start_again: Callable[[], None], source: Source
) -> None:
    over: list[str] = []

    def until_over() -> Any:
        while not over:
            yield from bps.sleep(0.1)

    engine.start(streamed(source, taking(source, 10, until_over())))
    wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="the plan is in the middle")
    gateway.kill()
    start_again()
    ca.wait_for("STR1:State", "Streaming")
    over.append("now")
    outcome = engine.end()
    assert outcome.stream is not None and outcome.stream.state == "Done"


def test_gateway_killed_while_data_are_taken(
    engine: Engine, ca: CaClient, gateway: GatewayProcess, start_again: Callable[[], None], source: Source
) -> None:
    ca.put("LostAfter", 2.0)
    engine.start(streamed(source, taking(source, 10, bps.sleep(60))))
    wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="the plan is in the middle")
    began_s = time.monotonic()
    gateway.kill()
    with pytest.raises(GatewayLostError, match=r"session .*: the gateway .* has been away for 2 s \(LostAfter\)"):
        engine.end()
    assert 2.0 <= time.monotonic() - began_s < 7.0
    assert engine.documents[-1][1]["exit_status"] == "fail"
    start_again()
