"""Streaming slots of a real gateway: reports over PVAccess, states over Channel Access, real jobs of the local DM behind them."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from p4p.client.thread import Context, RemoteError
from waiting import wait_until

OWNER = "dmioc"
FRAMES = 50


class Workflow:
    """The workflow's side of ``STR1:`` and ``STR2:``, by p4p alone; it reads the commands, and numbers its reports."""

    def __init__(self, prefix: str, group: str) -> None:
        self.report_pv, self.command_pv = f"{prefix}{group}Report", f"{prefix}{group}Command"
        self._context = Context("pva", nt=False)
        self.commands: list[dict[str, Any]] = []
        self._subscription = self._context.monitor(self.command_pv, self._take)
        self.seq = 0

    def _take(self, update: Any) -> None:
        self.commands.append({name: update[name] for name in ("session", "epoch", "seq", "command", "args")})

    def wait_command(self, word: str) -> dict[str, Any]:
        wait_until(
            lambda: self.commands and self.commands[-1]["command"] == word, what=f"{word} in {self.commands[-3:]}"
        )
        return self.commands[-1]

    def put(self, **fields: Any) -> None:
        self._context.put(self.report_pv, fields, timeout=30, get=False)

    def report(self, state: str = "", **fields: Any) -> None:
        command = self.commands[-1]
        self.seq += 1
        named = {"session": command["session"], "epoch": command["epoch"], "seq": self.seq}
        self.put(**named, **({"state": state} if state else {}), **fields)

    def shown(self) -> Any:
        return self._context.get(self.report_pv, timeout=30)

    def close(self) -> None:
        self._subscription.close()
        self._context.close()


@contextmanager
def workflow_of(ca: CaClient, group: str) -> Iterator[Workflow]:
    workflow = Workflow(ca.prefix, group)
    wait_until(lambda: workflow.commands, what="the Command PV")
    try:
        yield workflow
    finally:
        if ca.get(f"{group}State") in {"Offered", "Accepted", "Ready", "Streaming", "Draining"}:
            ca.command(f"{group}Abort")
        workflow.close()


@pytest.fixture
def workflow(ca: CaClient) -> Iterator[Workflow]:
    ca.puts("STR1:", WFSlot=0, Source="CAM:Image", ReadyTimeout=60, HeartbeatTimeout=30, DrainTimeout=60, Args="")
    with workflow_of(ca, "STR1:") as one:
        yield one


@pytest.fixture
def dm(gateway: GatewayProcess) -> GatewayDm:
    return GatewayDm(gateway)


def offered(ca: CaClient, workflow: Workflow) -> None:
    """A new session, which the workflow knows."""
    epoch = ca.get("STR1:Epoch")
    ca.put("STR1:Offer", 1, wait=False)
    ca.wait_for("STR1:State", "Offered")
    wait_until(lambda: workflow.commands[-1]["epoch"] > epoch, what="the offer as a command")
    workflow.seq = 0


def streaming(ca: CaClient, workflow: Workflow) -> None:
    offered(ca, workflow)
    workflow.report("Accepted")
    workflow.report("Ready")
    ca.wait_for("STR1:Offer", "Idle")
    assert ca.command("STR1:Begin")[0] == "OK"
    workflow.wait_command("begin")


def test_handshake_between_a_plan_and_a_workflow(ca: CaClient, workflow: Workflow) -> None:
    offered(ca, workflow)
    command = workflow.wait_command("offer")
    assert command["session"] == ca.get("STR1:Session")
    args = json.loads(command["args"])
    assert args["reportPv"] == workflow.report_pv and args["commandPv"] == workflow.command_pv
    assert args["sourcePv"] == ca.get("STR1:Source_RBV") == "CAM:Image"
    assert ca.get("STR1:Offer") == "Busy"
    workflow.report("Accepted", message="loading the model")
    assert ca.wait_for("STR1:State", "Accepted")
    assert ca.wait_for("STR1:Message", "loading the model")
    workflow.report("Ready")
    assert ca.wait_for("STR1:Offer", "Idle")
    assert ca.outcome("STR1:Offer")[0] == "OK"

    assert ca.command("STR1:Begin")[0] == "OK"
    assert ca.get("STR1:State") == "Streaming"
    workflow.wait_command("begin")
    workflow.report("Streaming", received=10, processed=8, missed=1, heartbeat=4)
    ca.wait_for("STR1:Received", 10)
    assert [ca.get(f"STR1:{name}") for name in ("Processed", "Missed", "Errors", "Heartbeat")] == [8, 1, 0, 4]
    assert (ca.severity("STR1:State"), ca.severity("STR1:Missed")) == (1, 1)

    ca.put("STR1:Args", '{"expected": 12}')
    ca.put("STR1:End", 1, wait=False)
    assert json.loads(workflow.wait_command("end")["args"]) == {"expected": 12}
    ca.wait_for("STR1:State", "Draining")
    workflow.report("Draining")
    assert ca.get("STR1:End") == "Busy"
    workflow.report("Done", received=12, processed=11, result='{"frames": 12}')
    ca.wait_for("STR1:End", "Idle")
    assert ca.outcome("STR1:End")[0] == "OK"
    assert (ca.get("STR1:State"), ca.get("STR1:Result"), ca.get("STR1:Error")) == ("Done", '{"frames": 12}', "")
    report = workflow.shown()
    assert (report.getID(), report["state"], report["received"]) == ("dmioc:StreamReport:1.0", "Done", 12)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"session": "of-last-week"}, "stale session"),
        ({"epoch": 0}, "stale session"),
        ({"seq": 1}, "older seq"),
        ({"state": "Done"}, "may not report Done while Ready"),
        ({"result": "{"}, "not JSON"),
        ({"received": -1}, "received takes a whole number"),
    ],
)
def test_refused_report_says_why_and_changes_nothing(
    ca: CaClient, workflow: Workflow, fields: dict[str, Any], reason: str
) -> None:
    offered(ca, workflow)
    workflow.report("Accepted")
    workflow.report("Ready")
    before = workflow.shown().todict()
    command = workflow.commands[-1]
    named = {"session": command["session"], "epoch": command["epoch"], "seq": 9, "message": "not to be seen"}
    with pytest.raises(RemoteError, match=reason):
        workflow.put(**{**named, **fields})
    assert workflow.shown().todict() == before
    assert (ca.get("STR1:State"), ca.get("STR1:Message")) == ("Ready", before["message"])


def test_report_is_seen_over_channel_access_at_once(ca: CaClient, workflow: Workflow) -> None:
    import epics

    streaming(ca, workflow)
    seen: list[tuple[int, float]] = []
    pv = epics.PV(
        f"{ca.prefix}STR1:Received",
        auto_monitor=True,
        callback=lambda value, **_: seen.append((int(value), time.monotonic())),
    )
    try:
        wait_until(lambda: seen, what="the first value")
        delays_s: list[float] = []
        for number in range(1, 11):
            sent_s = time.monotonic()
            workflow.report("Streaming", received=number)
            wait_until(lambda number=number: seen[-1][0] == number, what=f"{number}")
            delays_s.append(seen[-1][1] - sent_s)
    finally:
        pv.disconnect()
    # Far below any period of polling or ticking; the limit leaves room for a busy machine.
    assert sorted(delays_s)[5] < 0.1, delays_s


def test_silent_workflow_is_lost_and_told(ca: CaClient, workflow: Workflow) -> None:
    ca.puts("STR1:", HeartbeatTimeout=2.0)
    offered(ca, workflow)
    workflow.report("Ready")
    for _ in range(15):
        workflow.report()
        time.sleep(0.2)  # the pace of a workflow, not a wait for anything
    assert ca.get("STR1:State") == "Ready"
    ca.wait_for("STR1:State", "Lost", timeout_s=6.0)
    assert "HeartbeatTimeout" in ca.get("STR1:Error")
    assert ca.severity("STR1:State") == 2
    assert "HeartbeatTimeout" in json.loads(workflow.wait_command("abort")["args"])["reason"]
    with pytest.raises(RemoteError, match="is Lost"):
        workflow.report("Ready")


def test_offer_without_a_workflow_fails_in_time(ca: CaClient, workflow: Workflow) -> None:
    ca.puts("STR1:", ReadyTimeout=0.5)
    state, message = ca.command("STR1:Offer", timeout_s=10.0)
    assert state == "Failed" and "ReadyTimeout" in message
    assert ca.get("STR1:State") == "Failed"


def killed_and_started(gateway: GatewayProcess, ca: CaClient) -> None:
    # libca searches ever more seldom for a channel that it has lost, pyepics keeps such a one, and a new one is found at once.
    ca.close(clear_channels=True)
    gateway.kill()
    gateway.start()


def test_session_goes_on_after_kill_9(ca: CaClient, gateway: GatewayProcess, workflow: Workflow) -> None:
    streaming(ca, workflow)
    workflow.report("Streaming", received=5)
    session, epoch = ca.get("STR1:Session"), ca.get("STR1:Epoch")
    killed_and_started(gateway, ca)
    ca.wait_for("STR1:Session", session, timeout_s=60)
    assert (ca.get("STR1:State"), ca.get("STR1:Epoch")) == ("Streaming", epoch)

    def taken() -> bool:
        try:
            workflow.report("Streaming", received=6)
        except TimeoutError:
            return False
        return True

    wait_until(taken, 15.0, what="the next report")
    ca.wait_for("STR1:Received", 6)
    ca.put("STR1:End", 1, wait=False)
    workflow.wait_command("end")
    workflow.report("Done")
    ca.wait_for("STR1:End", "Idle")
    assert ca.outcome("STR1:End")[0] == "OK"


def test_session_put_in_draining_just_before_kill_9(ca: CaClient, gateway: GatewayProcess, workflow: Workflow) -> None:
    streaming(ca, workflow)
    ca.put("STR1:End", 1, wait=False)
    workflow.wait_command("end")
    killed_and_started(gateway, ca)
    assert ca.wait_for("STR1:State", lambda state: state != "Idle", timeout_s=60) == "Draining"
    assert ca.get("STR1:CmdStatus") == "Interrupted"


@contextmanager
def stream_job(ca: CaClient, dm: GatewayDm, command: str) -> Iterator[None]:
    """``WF1:`` runs a command as the workflow of ``STR1:``."""
    name = f"stream-{time.monotonic_ns()}"
    document = {"name": name, "owner": OWNER, "userAccount": OWNER, "stages": {"01-STREAM": {"command": command}}}
    dm.upsert_workflow(document)
    ca.puts("WF1:", Name=name, FilePath="/dev/null", Args="", Arg1Key="", Arg1Value="", IfRunning="Start")
    ca.puts("STR1:", WFSlot=1)
    yield
    ca.puts("STR1:", WFSlot=0)


def test_job_that_dies_ends_the_session_and_the_offer(ca: CaClient, dm: GatewayDm, workflow: Workflow) -> None:
    with stream_job(ca, dm, "/bin/echo cannot import torch >&2; exit 3"):
        state, message = ca.command("STR1:Offer")
        assert state == "Failed"
        assert ca.get("STR1:JobID") in message and "cannot import torch" in message
        assert ca.get("STR1:State") == "Failed"
        assert "exit status 3" in ca.get("STR1:Error")
        assert ca.get("WF1:JobID") == ca.get("STR1:JobID")


def test_job_has_the_sessions_arguments_and_abort_stops_it(ca: CaClient, dm: GatewayDm, workflow: Workflow) -> None:
    with stream_job(ca, dm, 'echo "$session $epoch $reportPv $commandPv $sourcePv"; exec /bin/sleep 300'):
        offered(ca, workflow)
        ca.wait_for("WF1:StdOut", lambda text: "CAM:Image" in text)
        words = ca.get("WF1:StdOut").split()
        assert words[:2] == [ca.get("STR1:Session"), str(ca.get("STR1:Epoch"))]
        assert words[2:] == [workflow.report_pv, workflow.command_pv, "CAM:Image"]
        began_s = time.monotonic()
        assert ca.command("STR1:Abort")[0] == "OK"
        assert time.monotonic() - began_s < 5.0
        assert ca.get("STR1:State") == "Aborted"
        ca.wait_for("WF1:Status", "Aborted")


def test_real_workflow_counts_the_frames_of_a_real_source(
    ca: CaClient, dm: GatewayDm, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "streaming"))
    consume = (
        f'{sys.executable} -m dmioc.streaming.consume --report-pv "$reportPv" --command-pv "$commandPv"'
        ' --session "$session" --source-pv "$sourcePv" --output statistics.json'
    )
    detector = importlib.import_module("frame_source").FrameServer()
    try:
        with stream_job(ca, dm, consume):
            ca.puts("STR1:", Source=detector.name, Args=json.dumps({"expected": FRAMES}))
            state, message = ca.command("STR1:Offer")
            assert state == "OK", (message, ca.get("WF1:StdErr"))
            assert ca.command("STR1:Begin")[0] == "OK"
            detector.post(range(1, FRAMES + 1), period_s=0.01)
            assert ca.command("STR1:End")[0] == "OK", ca.get("STR1:Error")
            assert (ca.get("STR1:State"), ca.get("STR1:Received")) == ("Done", FRAMES)
            assert json.loads(ca.get("STR1:Result"))
            ca.wait_for("WF1:Status", "Done")
    finally:
        detector.stop()


def test_workflow_that_is_killed_fails_the_session(ca: CaClient, dm: GatewayDm, workflow: Workflow) -> None:
    sleep = ["/bin/sleep", f"300.{time.monotonic_ns()}"]
    with stream_job(ca, dm, f"exec {' '.join(sleep)}"):
        offered(ca, workflow)
        ca.wait_for("WF1:Status", "Running")
        workflow.report("Ready")
        ca.wait_for("STR1:Offer", "Idle")
        processes = wait_until(
            lambda: [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == sleep]
        )
        for one in processes:
            one.kill()
        ca.wait_for("STR1:State", "Failed")
        assert ca.get("STR1:JobID") in ca.get("STR1:Error")
