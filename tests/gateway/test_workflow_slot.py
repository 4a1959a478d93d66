"""Workflow slots through Channel Access: real jobs of the local DM."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from gateway_process import CaClient


@pytest.fixture
def file(data: Path) -> Path:
    path = data / "scan.dat"
    path.write_bytes(b"one line of data\n")
    return path


def test_example_01_runs_to_done(ca: CaClient, file: Path) -> None:
    ca.puts("WF1:", Name="example-01", FilePath=str(file), Args="")
    assert ca.command("WF1:Run") == ("OK", f"Run: job {ca.get('WF1:JobID')} is Done")
    assert ca.get("WF1:Status") == "Done"
    assert ca.get("WF1:StatusText") == "done"
    assert ca.get("WF1:StageIndex") == ca.get("WF1:StageCount") > 1
    assert ca.get("WF1:Percent") == 100.0
    assert ca.get("WF1:ExitStatus") == 0
    assert ca.get("WF1:Workflow_RBV") == "example-01"
    assert ca.get("WF1:Files") == 1
    assert hashlib.md5(file.read_bytes()).hexdigest() in ca.get("WF1:Report")
    assert ca.severity("WF1:Status") == 0
    assert ca.get("WF1:SubmitTime") <= ca.get("WF1:StartTime") <= ca.get("WF1:EndTime")


def test_time_of_the_status_is_dms_own(ca: CaClient, file: Path) -> None:
    from datetime import datetime

    ca.puts("WF1:", Name="example-01", FilePath=str(file))
    ca.command("WF1:Run")
    ended = datetime.fromisoformat(ca.get("WF1:EndTime")).timestamp()
    assert ca.metadata("WF1:Status")["timestamp"] == pytest.approx(ended, abs=0.002)


def test_job_without_input_fails_with_dms_words(ca: CaClient) -> None:
    ca.puts("WF1:", Name="example-01", FilePath="", Args="")
    state, message = ca.command("WF1:Run")
    assert state == "Failed"
    assert "Invalid input file specification." in message
    assert ca.get("WF1:Error") == "Invalid input file specification."
    assert ca.severity("WF1:Status") == 2


def test_arguments_come_from_every_setpoint(ca: CaClient, file: Path) -> None:
    ca.puts(
        "WF2:",
        Name="example-01",
        FilePath=str(file),
        Args=json.dumps({"run_uid": "abc"}),
        Arg1Key="sample",
        Arg1Value="Si",
    )
    assert ca.command("WF2:Run")[0] == "OK"
    ca.puts("WF2:", Args=json.dumps({"sample": "Ge"}))
    state, message = ca.command("WF2:Start")
    assert state == "Refused"
    assert "sample" in message and "WF2:Args" in message and "WF2:Arg1Key" in message
    ca.puts("WF2:", Args="", Arg1Key="", Arg1Value="")


def test_abort_ends_the_job_and_the_run(ca: CaClient) -> None:
    ca.puts("WF3:", Name="progress-01", FilePath="/dev/null")
    ca.put("WF3:Run", 1, wait=False)
    ca.wait_for("WF3:Status", "Running")
    assert ca.get("WF3:Run") == "Busy"
    ca.put("WF3:Abort", 1)
    ca.wait_for("WF3:Run", "Idle")
    # Both commands end on the same news; the outcome of either may come last.
    state, message = ca.outcome("WF3:Run")
    assert (state, message.split(":")[0]) in {("Failed", "Run"), ("OK", "Abort")} and "is Aborted" in message
    assert ca.get("WF3:Status") == "Aborted"
    assert ca.severity("WF3:Status") == 1


def test_attach_follows_a_job_of_another_slot(ca: CaClient) -> None:
    ca.puts("WF3:", Name="progress-01", FilePath="/dev/null")
    assert ca.command("WF3:Start")[0] == "OK"
    job_id = ca.get("WF3:JobID")
    ca.put("WF4:AttachID", job_id)
    assert ca.command("WF4:Attach")[0] == "OK"
    assert (ca.get("WF4:JobID"), ca.get("WF4:Attached")) == (job_id, 1)
    assert ca.get("JOB:Active") == 1 and ca.get("JOB:Idle") == "No"
    assert ca.command("WF3:Abort")[0] == "OK"
    ca.wait_for("WF4:Status", "Aborted")
    ca.wait_for("JOB:Idle", "Yes")


def test_same_request_id_starts_one_job(ca: CaClient) -> None:
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null", RequestID="req-1")
    ca.puts("WF2:", Name="progress-01", FilePath="/dev/null", RequestID="req-1")
    assert ca.command("WF1:Start")[0] == "OK"
    state, message = ca.command("WF2:Start")
    assert state == "OK" and message.startswith("Start: attached to job")
    assert ca.get("WF1:JobID") == ca.get("WF2:JobID")
    assert ca.get("JOB:Active") == 1
    ca.puts("WF2:", Name="example-01")
    state, message = ca.command("WF2:Start")
    assert state == "Refused" and "progress-01" in message
    ca.command("WF1:Abort")
    ca.puts("WF1:", RequestID="")
    ca.puts("WF2:", RequestID="")


@pytest.mark.parametrize("choice", ["Start", "Refuse", "Wait"])
def test_if_running(ca: CaClient, file: Path, choice: str) -> None:
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null", IfRunning="Start")
    ca.puts("WF2:", Name="progress-01", FilePath=str(file), IfRunning=choice)
    assert ca.command("WF1:Start")[0] == "OK"
    first = ca.get("WF1:JobID")
    ca.put("WF2:Start", 1, wait=False)
    if choice == "Wait":
        ca.wait_for("WF2:CmdStatus", "Busy")
        assert ca.get("WF2:Start") == "Busy"
        ca.command("WF1:Abort")
    ca.wait_for("WF2:Start", "Idle")
    state, message = ca.outcome("WF2:Start")
    if choice == "Refuse":
        assert state == "Refused" and first in message
    else:
        assert state == "OK" and ca.get("WF2:JobID") != first
        ca.command("WF2:Abort")
    if choice != "Wait":
        ca.command("WF1:Abort")
    ca.wait_for("JOB:Idle", "Yes")
    ca.puts("WF2:", IfRunning="Start")


def test_output_of_the_stage_at_work_is_seen(ca: CaClient) -> None:
    ca.puts("WF4:", Name="progress-01", FilePath="/dev/null", ReportPeriod=0.1)
    assert ca.command("WF4:Start")[0] == "OK"
    ca.wait_for("WF4:StdOut", lambda text: "%" in text)
    ca.wait_for("WF4:Report", lambda text: "Running" in text and len(text.splitlines()) > 2)
    assert ca.get("WF4:ExitStatus") == -1 or ca.get("WF4:StageIndex") >= 1
    assert ca.command("WF4:Abort")[0] == "OK"
