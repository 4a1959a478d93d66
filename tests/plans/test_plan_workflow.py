"""``run_workflow`` for every outcome of a job: how long the plan waits, what it raises, what it answers."""

from __future__ import annotations

import functools
import json
import logging
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient
from run_engine import Engine, loop_turns
from waiting import wait_until

from dmioc.errors import CommandFailedError, JobFailedError, RefusedError, WaitTimeoutError
from dmioc.plans import run_workflow, wait_jobs

AT_ONCE_S = 0.2
"""The bar: how soon after the gateway's Done a plan is to return."""


@pytest.fixture(autouse=True)
def free_slots(ca: CaClient) -> None:
    """No test leaves a job behind for the next one."""
    for number in range(1, 5):
        if ca.get(f"WF{number}:Status") in {"Pending", "Running"}:
            ca.command(f"WF{number}:Abort")


def open_gate(gate: Path, reason: str = "") -> None:
    """Let the job behind the gate end."""
    gate.with_suffix(".new").write_text(reason)
    gate.with_suffix(".new").rename(gate)


def running(ca: CaClient, slot: str = "WF1") -> str:
    """The id of the job that a slot holds, once it runs."""
    ca.wait_for(f"{slot}:Status", "Running")
    return str(ca.get(f"{slot}:JobID"))


def ended_late_s(ca: CaClient, engine: Engine, end: Any) -> float:
    """Seconds between the moment at which the gateway said Done and the end of the plan."""
    import epics

    seen: list[float] = []
    pv = epics.PV(f"{ca.prefix}WF1:Status", callback=lambda char_value, **_: seen.append(time.monotonic()))
    wait_until(lambda: pv.connected and seen, what="a monitor of the status")
    end()
    engine.end()
    plan_ended_s = time.monotonic()
    pv.disconnect()
    return plan_ended_s - seen[-1]


def test_done(engine: Engine, ca: CaClient, gated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dmioc.plans")
    gate = tmp_path / "gate"
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null", report_period=0.2))
    job_id = running(ca)
    wait_until(lambda: caplog.text.count(f"job {job_id} of gated: Running") >= 2, what="periodic reports")
    open_gate(gate)
    outcome = engine.end()
    assert (outcome.job_id, outcome.workflow, outcome.slot, outcome.status) == (job_id, "gated", "WF1", "Done")
    assert outcome.error == "" and outcome.run_time_s > 0 and not outcome.attached


def test_returns_at_once(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    late_s = math.inf
    for attempt in range(3):  # the machine may be doing other work
        gate = tmp_path / f"gate{attempt}"
        engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
        running(ca)
        late_s = min(late_s, ended_late_s(ca, engine, functools.partial(open_gate, gate)))
        if late_s < AT_ONCE_S:
            return
    raise AssertionError(f"the plan returned {late_s:.3f} s after the gateway's Done")


def test_failed(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
    job_id = running(ca)
    open_gate(gate, "no beam")
    with pytest.raises(JobFailedError, match=f"job {job_id} of gated is Failed: .*") as raised:
        engine.end()
    assert (raised.value.object_id, raised.value.status) == (job_id, "Failed")
    assert str(raised.value).endswith(ca.get("WF1:Error").strip())


def test_failed_and_reported(
    engine: Engine, ca: CaClient, gated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = tmp_path / "gate"
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null", on_failure="report"))
    job_id = running(ca)
    open_gate(gate, "no beam")
    outcome = engine.end()
    assert (outcome.status, outcome.is_done, outcome.error) == ("Failed", False, ca.get("WF1:Error"))
    assert f"job {job_id} of gated is Failed" in caplog.text


def test_aborted_by_another_client(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    engine.start(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null"))
    job_id = running(ca)
    began_s = time.monotonic()
    ca.put("WF1:Abort", 1)
    with pytest.raises(JobFailedError, match=f"job {job_id} of gated is Aborted"):
        engine.end()
    assert time.monotonic() - began_s < 5.0


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (lambda: run_workflow("no-such-workflow", file_path="/dev/null"), "Start: .*no-such-workflow"),
        (lambda: run_workflow("example-01", file_path="x", filePath="y"), "filePath"),
    ],
)
def test_refused(engine: Engine, plan: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        engine.run(plan())
    assert engine.took_s < 5.0


def test_arguments_that_cannot_be(engine: Engine) -> None:
    for plan, words in (
        (run_workflow("x", {"a": 1}, a=2), "as a keyword: a"),
        (run_workflow("x", on_failure="ignore"), "on_failure takes raise or report, not 'ignore'"),
        (run_workflow("x", if_running="maybe"), "if_running takes Start or Wait or Refuse, not 'maybe'"),
    ):
        with pytest.raises(ValueError, match=words):
            engine.run(plan)
    with pytest.raises(RefusedError, match="there is no slot WF9: there are WF1, WF2, WF3, WF4"):
        engine.run(run_workflow("x", slot="WF9"))


@pytest.mark.parametrize("abort_on_exit", [False, True])
def test_timeout(engine: Engine, ca: CaClient, gated: str, tmp_path: Path, abort_on_exit: bool) -> None:
    plan = run_workflow(
        gated, gate=str(tmp_path / "g"), file_path="/dev/null", timeout=1.0, abort_on_exit=abort_on_exit
    )
    with pytest.raises(
        WaitTimeoutError, match=r"job .* of gated: not within 1 s \(timeout\): Running; it goes on in DM"
    ):
        engine.run(plan)
    assert 1.0 <= engine.took_s < (10.0 if abort_on_exit else 2.0)
    assert ca.get("WF1:Status") == ("Aborted" if abort_on_exit else "Running")


def test_dm_lost(engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    ca.put("LostAfter", 2.0)
    try:
        engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
        running(ca)
        with dm.hanging():
            ca.wait_for("PROC:State", "Disconnected", timeout_s=30.0)
            began_s = time.monotonic()
            with pytest.raises(CommandFailedError, match=r"DM PROC has not answered for 2 s .*within"):
                engine.end()
            assert time.monotonic() - began_s < 2.0 + 3.0
        ca.wait_for("PROC:State", "Connected")
        assert ca.get("WF1:Status") == "Running"
    finally:
        ca.put("LostAfter", 60.0)


def test_dm_away_for_a_moment(engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
    running(ca)
    with dm.hanging():
        ca.wait_for("PROC:State", "Disconnected", timeout_s=30.0)
    open_gate(gate)
    assert engine.end().is_done


def test_not_waited_for(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    outcome = engine.run(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", wait=False))
    assert outcome.job_id == ca.get("WF1:JobID") and outcome.status in {"Pending", "Running"}
    assert engine.took_s < 5.0
    # The next one takes the next slot, and the same request is the same job.
    again = engine.run(
        run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", wait=False, request_id="r1")
    )
    assert (again.slot, again.attached) == ("WF2", False)
    third = engine.run(
        run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", wait=False, request_id="r1")
    )
    assert (third.job_id, third.slot, third.attached) == (again.job_id, "WF3", True)


def test_what_an_operator_left_is_not_sent(engine: Engine, ca: CaClient, file: Path) -> None:
    ca.puts("WF1:", Arg1Key="left", Arg1Value="behind", Args='{"old": 1}', FilePath="/old", IfRunning="Refuse")
    outcome = engine.run(run_workflow("example-01", {"sample": "Si 111"}, file_path=str(file), note="keyword"))
    arguments = json.loads(ca.get("WF1:Args_RBV"))
    assert outcome.is_done
    assert (arguments["sample"], arguments["note"], arguments["filePath"]) == ("Si 111", "keyword", str(file))
    assert "left" not in arguments and "old" not in arguments


def test_a_slot_that_another_client_takes(
    engine: Engine, ca: CaClient, gated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = tmp_path / "gate"
    caplog.set_level(logging.INFO, "dmioc.plans")
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
    job_id = running(ca)
    wait_until(lambda: f"job {job_id} of gated is followed by WF1" in caplog.text, what="the plan waits")
    ca.puts("WF1:", Name=gated, FilePath="/dev/null", Args=json.dumps({"gate": "/never"}), RequestID="")
    assert ca.command("WF1:Start")[0] == "OK"
    ca.wait_for("WF2:JobID", job_id)
    open_gate(gate)
    outcome = engine.end()
    assert (outcome.job_id, outcome.slot, outcome.status) == (job_id, "WF2", "Done")
    assert f"another client took WF1; job {job_id} of gated is followed by WF2" in caplog.text


def test_no_slot_left(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    for _ in range(4):
        engine.run(run_workflow(gated, gate=gate, file_path="/dev/null", wait=False))
    with pytest.raises(RefusedError, match="no slot is free, each of WF1, WF2, WF3, WF4 holds something"):
        engine.run(run_workflow(gated, gate=gate, file_path="/dev/null"))


def test_waiting_for_other_jobs(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine.run(run_workflow(gated, gate=str(gate), file_path="/dev/null", wait=False))
    with pytest.raises(RefusedError, match="already running"):
        engine.run(run_workflow(gated, gate=str(gate), file_path="/dev/null", if_running="Refuse"))
    with pytest.raises(WaitTimeoutError, match="no job was started within the timeout"):
        engine.run(run_workflow(gated, gate=str(gate), file_path="/dev/null", if_running="Wait", timeout=1.0))
    engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null", if_running="Wait"))
    ca.wait_for("WF2:Start", "Busy")
    open_gate(gate)
    assert engine.end().is_done


def test_wait_jobs(engine: Engine, ca: CaClient, gated: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine.run(wait_jobs())
    assert engine.took_s < 5.0
    engine.run(run_workflow(gated, gate=str(gate), file_path="/dev/null", wait=False))
    with pytest.raises(
        WaitTimeoutError, match=r"the jobs of the station: not within 1 s \(timeout\): 1 jobs are active"
    ):
        engine.run(wait_jobs(timeout=1.0))
    assert engine.took_s < 5.0
    engine.start(wait_jobs())
    running(ca)
    open_gate(gate)
    engine.end()
    assert ca.get("JOB:Active") == 0


def test_the_run_engine_is_never_blocked(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    """Its loop turns on while the job is started, while DM hangs in the middle of the start, and while it is waited for."""
    gate = tmp_path / "gate"
    slowest: list[float] = []
    over = threading.Event()
    watcher = threading.Thread(target=lambda: slowest.append(loop_turns(engine, over.is_set)))
    watcher.start()
    try:
        with dm.hanging():
            engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
            ca.wait_for("WF1:Start", "Busy")
        running(ca)
        open_gate(gate)
        assert engine.end().is_done
    finally:
        over.set()
        watcher.join()
    assert slowest[0] < 0.5
