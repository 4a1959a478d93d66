"""Pause, resume, abort, stop and halt while a plan is at work: what becomes of the plan and of DM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky import plan_stubs as bps
from dm_control import DmControl
from gateway_process import CaClient
from run_engine import Engine
from waiting import wait_until

from dmioc.plans import run_workflow, start_daq, stop_daq, wait_daq

LEAVE = ("abort", "stop", "halt")


@pytest.fixture(autouse=True)
def no_jobs(ca: CaClient) -> Iterator[None]:
    """No test leaves a job or a DAQ behind."""
    yield
    for slot in ("WF1", "WF2", "DAQ1"):
        if ca.get(f"{slot}:Status") in {"Pending", "Running"}:
            ca.command(f"{slot}:{'Stop' if slot == 'DAQ1' else 'Abort'}")


def jobs(dm: DmControl) -> int:
    """How many jobs DM has ever had."""
    return len(dm.session("PROC").call("GET", "processingJobsByOwner", "dmioc"))


def waiting(engine: Engine, ca: CaClient, workflow: str, gate: Path, abort_on_exit: bool = False) -> None:
    """A plan that waits for a job that runs."""
    engine.start(run_workflow(workflow, gate=str(gate), file_path="/dev/null", abort_on_exit=abort_on_exit))
    ca.wait_for("WF1:Status", "Running")


def test_pause_and_resume_while_it_waits(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    before, gate = jobs(dm), tmp_path / "gate"
    waiting(engine, ca, gated, gate)
    for _ in range(2):
        engine.pause()
        assert ca.get("WF1:Status") == "Running"
        engine.resume()
        wait_until(lambda: engine.re.state == "running", what="it runs again")
    engine.pause()
    gate.touch()
    ca.wait_for("WF1:Status", "Done")
    engine.resume()
    assert engine.end().is_done
    assert jobs(dm) == before + 1, "resume repeats messages: the job must not be started again"


def test_pause_in_the_middle_of_the_start(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    before, gate = jobs(dm), tmp_path / "gate"
    gate.touch()
    with dm.hanging():
        engine.start(run_workflow(gated, gate=str(gate), file_path="/dev/null"))
        ca.wait_for("WF1:Start", "Busy")
        engine.pause()
    ca.wait_for("WF1:Start", "Idle")
    engine.resume()
    assert engine.end().is_done
    assert jobs(dm) == before + 1


def test_pause_after_the_plan_does_not_repeat_it(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    """A pause in what follows rewinds to the last checkpoint, which was before the job."""
    before, gate = jobs(dm), tmp_path / "gate"
    gate.touch()

    def plan():  # pyright: ignore[reportUnknownParameterType]
        yield from bps.checkpoint()
        outcome = yield from run_workflow(gated, gate=str(gate), file_path="/dev/null")
        yield from bps.pause()
        return outcome

    from bluesky.utils import RunEngineInterrupted

    engine.start(plan())
    with pytest.raises(RunEngineInterrupted):
        engine.end()
    engine.resume()
    assert engine.end().is_done
    assert jobs(dm) == before + 1


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_a_job_goes_on(engine: Engine, ca: CaClient, gated: str, tmp_path: Path, how: str, paused: bool) -> None:
    waiting(engine, ca, gated, tmp_path / "gate")
    if paused:
        engine.pause()
    engine.leave(how)
    assert ca.get("WF1:Status") == "Running"
    (tmp_path / "gate").touch()
    ca.wait_for("WF1:Status", "Done")


@pytest.mark.parametrize("how", LEAVE)
def test_a_job_is_aborted_if_asked(engine: Engine, ca: CaClient, gated: str, tmp_path: Path, how: str) -> None:
    waiting(engine, ca, gated, tmp_path / "gate", abort_on_exit=True)
    engine.leave(how)
    # A halt leaves no time for anything.
    assert ca.get("WF1:Status") == ("Running" if how == "halt" else "Aborted")


def test_a_job_that_was_being_started_goes_on(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    before = jobs(dm)
    with dm.hanging():
        engine.start(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null"))
        ca.wait_for("WF1:Start", "Busy")
        engine.leave("abort")
    ca.wait_for("WF1:Status", "Running")
    assert jobs(dm) == before + 1


def test_a_job_that_was_being_started_is_aborted_if_asked(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    with dm.hanging():
        engine.start(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", abort_on_exit=True))
        ca.wait_for("WF1:Start", "Busy")
    engine.leave("abort")
    # The gateway gives the start up if it has not asked DM for the job yet, else it aborts the job.
    ca.wait_for("WF1:Start", "Idle")
    assert ca.command("Refresh")[0] == "OK"
    assert ca.get("JOB:Active") == 0


def test_a_start_that_waits_for_others_is_given_up(
    engine: Engine, ca: CaClient, dm: DmControl, gated: str, tmp_path: Path
) -> None:
    engine.run(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", wait=False))
    before = jobs(dm)
    engine.start(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null", if_running="Wait"))
    ca.wait_for("WF2:Start", "Busy")
    engine.leave("abort")
    ca.wait_for("WF2:Start", "Idle")
    assert (ca.get("WF1:Status"), jobs(dm)) == ("Running", before)


@pytest.mark.parametrize("how", LEAVE)
def test_a_daq_goes_on(engine: Engine, ca: CaClient, tmp_path: Path, how: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    daq = engine.run(start_daq(str(data), "there"))
    ca.put("DAQ1:Expect", 0)
    engine.start(wait_daq(1))
    ca.wait_for("DAQ1:Expect", 1)
    engine.leave(how)
    assert (ca.get("DAQ1:Status"), ca.get("DAQ1:ID")) == ("Running", daq.id)
    # The next wait does not stand behind the one that was left.
    (data / "file.dat").write_bytes(b"data")
    assert engine.run(wait_daq(1, "file.dat")).files_done == 1
    assert engine.took_s < 5.0
    assert engine.run(stop_daq(daq)).status == "Done"
