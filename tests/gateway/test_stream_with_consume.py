"""The whole stream with real parts: a plan's PVs, the gateway, a job of the local DM, and a source of frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import CaClient, GatewayProcess
from waiting import wait_until

from dmioc.streaming import StreamAborted, StreamingWorkflow, StreamRefused, StreamState

SOURCE = """
import sys
sys.path[:0] = [sys.argv[1]]
from frame_source import FrameServer

server = FrameServer(tuple(map(int, sys.argv[2:4])))
print(server.name, flush=True)
for line in sys.stdin:
    first, last = map(int, line.split())
    server.post(range(first, last + 1), period_s=0.005)
    print("posted", flush=True)
server.stop()
"""


SMALL, ONE_MB = (8, 16), (1000, 1000)


@pytest.fixture
def source(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A detector as a process of its own: it posts the frames whose first and last number it reads.

    Its parameter is the shape of a frame of bytes, small where none is given.
    """
    shape = getattr(request, "param", SMALL)
    folder = str(Path(__file__).parents[1] / "streaming")
    with subprocess.Popen(
        [sys.executable, "-c", SOURCE, folder, *map(str, shape)],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def post(process: subprocess.Popen[str], first: int, last: int) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{first} {last}\n")
    process.stdin.flush()
    assert line(process) == "posted"


def test_the_seeded_workflow_counts_the_frames_of_a_stream(ca: CaClient, source: subprocess.Popen[str]) -> None:
    ca.puts("WF1:", Name="stream-consume-01", FilePath="/dev/null", Args="", RequestID="")
    ca.puts("STR1:", WFSlot=1, Source=line(source), Args="", ReadyTimeout=30)
    assert ca.command("STR1:Offer", timeout_s=60)[0] == "OK", ca.outcome("STR1:Offer")
    assert ca.get("STR1:State") == "Ready"
    assert ca.get("STR1:JobID") == ca.get("WF1:JobID")
    assert ca.command("STR1:Begin")[0] == "OK"
    post(source, 1, 100)
    post(source, 111, 200)
    ca.put("STR1:Args", '{"expected": 190}')
    assert ca.command("STR1:End")[0] == "OK"
    assert (ca.get("STR1:State"), ca.get("STR1:Received"), ca.get("STR1:Missed")) == ("Done", 190, 10)
    result = json.loads(ca.get("STR1:Result"))
    assert (result["received"], result["missed"], result["bytes"]) == (190, 10, 190 * 128)
    ca.wait_for("WF1:Status", "Done")
    assert json.loads(ca.get("WF1:StdOut")) == result


@pytest.mark.parametrize("source", [ONE_MB], indirect=True, ids=["1 MB"])
def test_2000_frames_of_1_mb_at_200_a_second(ca: CaClient, source: subprocess.Popen[str]) -> None:
    """The streaming outline of DM's guide with a detector of 200 MB/s: every frame sent was received or is known to be missed."""
    ca.puts("WF1:", Name="stream-consume-01", FilePath="/dev/null", Args="", RequestID="")
    ca.puts("STR1:", WFSlot=1, Source=line(source), Args="", ReadyTimeout=30)
    assert ca.command("STR1:Offer", timeout_s=60)[0] == "OK", ca.outcome("STR1:Offer")
    assert ca.command("STR1:Begin")[0] == "OK"
    post(source, 1, 2000)
    ca.wait_for("STR1:Received", lambda count: count + ca.get("STR1:Missed") == 2000, timeout_s=90)
    assert ca.command("STR1:End", timeout_s=60)[0] == "OK"
    assert ca.get("STR1:State") == "Done"
    assert ca.get("STR1:Received") + ca.get("STR1:Missed") == 2000
    assert ca.get("STR1:Received") > 1000 and ca.get("STR1:Errors") == 0
    result = json.loads(ca.get("STR1:Result"))
    assert result["bytes"] == result["received"] * 1_000_000
    ca.wait_for("WF1:Status", "Done")
    assert json.loads(ca.get("WF1:StdOut")) == result


def test_abort_ends_the_job(ca: CaClient, source: subprocess.Popen[str]) -> None:
    ca.puts("WF2:", Name="stream-consume-01", FilePath="/dev/null", Args="", RequestID="")
    ca.puts("STR1:", WFSlot=2, Source=line(source), Args="", ReadyTimeout=30)
    assert ca.command("STR1:Offer", timeout_s=60)[0] == "OK"
    assert ca.command("STR1:Abort")[0] == "OK"
    assert ca.get("STR1:State") == "Aborted"
    ca.wait_for("WF2:Status", lambda word: word in {"Aborted", "Failed"})


def offered(ca: CaClient, slot: str) -> StreamingWorkflow:
    """A session that no job is started for, and the workflow's side of it."""
    ca.puts(slot, WFSlot=0, Args="")
    session = ca.get(f"{slot}Session")
    ca.put(f"{slot}Offer", 1, wait=False)
    session = ca.wait_for(f"{slot}Session", lambda word: word not in ("", session))
    return StreamingWorkflow(
        report_pv=f"{ca.prefix}{slot}Report", command_pv=f"{ca.prefix}{slot}Command", session=session, arguments=()
    )


def test_a_workflow_goes_on_over_a_restart_of_the_gateway(gateway: GatewayProcess, ca: CaClient) -> None:
    with offered(ca, "STR2:") as stream:
        stream.ready("waits")
        assert ca.wait_for("STR2:Message", "waits")
        assert ca.command("STR2:Begin")[0] == "OK"
        stream.wait_begin(10.0)
        gateway.kill()
        stream.progress(received=7, processed=7)
        gateway.start()
        ca.close(clear_channels=True)
        ca.wait_for("STR2:State", "Streaming", timeout_s=60)
        ca.wait_for("STR2:Received", 7, timeout_s=60)
        ca.put("STR2:End", 1, wait=False)
        stream.wait_end(20.0)
        stream.done({"frames": 7})
    assert ca.get("STR2:State") == "Done"
    assert json.loads(ca.get("STR2:Result")) == {"frames": 7}


def test_an_abort_and_an_old_session_reach_the_workflow(ca: CaClient) -> None:
    old = offered(ca, "STR2:")
    with pytest.raises(StreamAborted, match="aborted by command"), old as stream:
        stream.ready()
        ca.put("STR2:Abort", 1, wait=False)
        stream.wait_begin(10.0)
    with pytest.raises(StreamRefused, match=r"stale session|needs an active session"), old:
        raise AssertionError("the body must not run")
    with pytest.raises(ValueError, match="no beam"), offered(ca, "STR2:") as stream:
        assert stream.state is StreamState.ACCEPTED
        raise ValueError("no beam")
    assert ca.get("STR2:Error") == "ValueError: no beam"
    wait_until(lambda: ca.get("STR2:State") == "Failed", what="Failed over Channel Access")
