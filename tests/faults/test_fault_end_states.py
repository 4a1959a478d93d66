"""A wait ends also at the end states that localdm itself never gives: DM's own time-out, and skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_file import FaultFile
from fault_slots import add_workflows, begin, prepare_upload, start_daq, start_job, tidy
from fault_station import MAJOR, NO_ALARM, PERIOD_S, SLACK_S, Pva
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess

PROMPT_S = 2 * PERIOD_S + SLACK_S
ENDS = {"timeout": ("TimedOut", MAJOR), "skipped": ("Skipped", NO_ALARM)}
UPLOADS = ["upload", "getUploadInfo", "listUploads"]


@pytest.fixture(scope="module", autouse=True)
def workflows(dm: GatewayDm) -> None:
    add_workflows(dm)


@pytest.fixture(autouse=True)
def quiet(ca: CaClient, dm: GatewayDm, faults: FaultFile, gateway: GatewayProcess) -> Iterator[None]:
    yield
    tidy(ca, dm, faults)
    assert "Traceback" not in gateway.log()


def ends(ca: CaClient, pva: Pva, command: str, word: str, said: str) -> None:
    """A wait that runs ends as Failed with the state and DM's reason; the slot shows the state."""
    status, severity = ENDS[word]
    group = command.split(":", maxsplit=1)[0]
    ca.wait_for(command, "Idle", timeout_s=PROMPT_S)
    outcome, message = ca.outcome(command)
    assert outcome == "Failed" and f"is {status}" in message and said in message
    assert (ca.get(f"{group}:Status"), ca.get(f"{group}:StatusText")) == (status, word)
    assert ca.severity(f"{group}:Status") == severity
    assert pva.seen([f"{group}:Status"])[f"{group}:Status"].severity == severity


@pytest.mark.parametrize("word", ENDS)
@pytest.mark.parametrize("command", ["WF1:Run", "WF1:Wait"])
def test_job(ca: CaClient, pva: Pva, faults: FaultFile, command: str, word: str) -> None:
    if command == "WF1:Wait":
        start_job(ca)
    ca.puts("WF1:", Name="long", FilePath="/dev/null", RequestID="")
    begin(ca, command, "JOB:Wait")
    ca.wait_for("WF1:Status", "Running")
    ended = {"status": word, "errorMessage": "DM gave it up"}
    faults.put({"kind": "set", "service": "PROC", "object": ca.get("WF1:JobID"), "values": ended})
    ends(ca, pva, command, word, "DM gave it up")
    # Nothing is active any more.
    ca.wait_for("JOB:Wait", "Idle", timeout_s=PROMPT_S)
    assert ca.outcome("JOB:Wait") == ("OK", "Wait: no job is active")


@pytest.mark.parametrize("word", ENDS)
@pytest.mark.parametrize("command", ["UPL1:Run", "UPL1:Wait"])
def test_upload(ca: CaClient, pva: Pva, faults: FaultFile, data: Path, command: str, word: str) -> None:
    prepare_upload(ca, data)
    # It is done at once; DM says that it runs for as long as this test wants it.
    faults.put({"kind": "status-word", "endpoint": UPLOADS, "word": "running"})
    if command == "UPL1:Wait":
        assert ca.command("UPL1:Start")[0] == "OK"
    begin(ca, command)
    ca.wait_for("UPL1:Status", "Running")
    faults.put({"kind": "status-word", "endpoint": UPLOADS, "word": word})
    ends(ca, pva, command, word, "of 2 files")


@pytest.mark.parametrize("word", ENDS)
def test_daq(ca: CaClient, pva: Pva, faults: FaultFile, data: Path, word: str) -> None:
    start_daq(ca, data)
    ca.put("DAQ1:Expect", 99)
    begin(ca, "DAQ1:Wait")
    faults.put({"kind": "status-word", "object": ca.get("DAQ1:ID"), "word": word})
    ends(ca, pva, "DAQ1:Wait", word, "2 of 99 expected files")


@pytest.mark.parametrize("word", ENDS)
def test_a_start_that_waits_for_another_job(ca: CaClient, faults: FaultFile, word: str) -> None:
    """``IfRunning = Wait``: a job that ended in these states is out of the way."""
    first = start_job(ca)
    ca.puts("WF2:", Name="long", FilePath="/dev/null", IfRunning="Wait")
    begin(ca, "WF2:Start")
    faults.put({"kind": "status-word", "service": "PROC", "object": first, "word": word})
    ca.wait_for("WF2:Start", "Idle", timeout_s=PROMPT_S)
    assert ca.outcome("WF2:Start")[0] == "OK"
    assert ca.get("WF2:JobID") != first
    ca.put("WF2:IfRunning", "Start")
