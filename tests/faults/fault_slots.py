"""Slots at work: something that runs in each of the first slots, and their end after a test."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from fault_file import FaultFile
from gateway_dm import GatewayDm
from gateway_process import CaClient
from localdm_process import encoded

WORKFLOWS = {
    "long": "/bin/sleep 300",
    "good": "/bin/true",
    "loud": "/bin/sh -c 'echo one line >&2; sleep 300'",
}
SLOTS = ("DAQ1:", "UPL1:", "WF1:")


def add_workflows(dm: GatewayDm) -> None:
    """Workflows of one stage each."""
    for name, command in WORKFLOWS.items():
        dm.upsert_workflow({"name": name, "owner": "dmioc", "stages": {"01-ONLY": {"command": command}}})


def start_job(ca: CaClient, workflow: str = "long", **setpoints: Any) -> str:
    """A job in WF1; answers its id once it is in its stage."""
    ca.puts("WF1:", Name=workflow, FilePath="/dev/null", RequestID="", IfRunning="Start", **setpoints)
    assert ca.command("WF1:Start")[0] == "OK", ca.outcome("WF1:Start")
    if workflow != "good":
        ca.wait_for("WF1:Stage", "01-ONLY")
    return ca.get("WF1:JobID")


def start_daq(ca: CaClient, data: Path, files: int = 2) -> str:
    """A DAQ in DAQ1 that has stored the files of a directory; answers its id."""
    options = '{"processExistingFiles": true}'
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=secrets.token_hex(4), Options=options, ExpectFile="")
    assert ca.command("DAQ1:Start")[0] == "OK", ca.outcome("DAQ1:Start")
    ca.wait_for("DAQ1:FilesDone", files)
    return ca.get("DAQ1:ID")


def prepare_upload(ca: CaClient, data: Path) -> None:
    """Setpoints of an upload of a directory in UPL1."""
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4), Mode="Files", Reprocess="No")


def run_upload(ca: CaClient, data: Path) -> str:
    """An upload in UPL1 that is done; answers its id."""
    prepare_upload(ca, data)
    assert ca.command("UPL1:Run")[0] == "OK", ca.outcome("UPL1:Run")
    return ca.get("UPL1:ID")


def begin(ca: CaClient, *commands: str) -> None:
    """Start commands and wait until they are busy."""
    for command in commands:
        ca.put(command, 1, wait=False)
    for command in commands:
        ca.wait_for(command, "Busy")


def tidy(ca: CaClient, dm: GatewayDm, faults: FaultFile) -> None:
    """Make DM right, and leave no DAQ, upload, job or command behind."""
    faults.put()
    ca.wait_for("State", "Connected", timeout_s=60)
    daqs, jobs = dm.session("DAQ"), dm.session("PROC")
    for daq in daqs.call("GET", "daqs"):
        if daq["status"] == "running":
            experiment, directory = encoded(daq["experimentName"]), encoded(daq["dataDirectory"])
            daqs.call("POST", "experimentsByName", experiment, "stopDaq", directory)
    for job in jobs.call("GET", "processingJobsByOwner", "dmioc"):
        if job["status"] in ("pending", "running"):
            jobs.call("POST", "processingJobsByOwner", "dmioc", job["id"], "stopProcessingJob")
    ca.wait_for("JOB:Active", 0)
    ca.wait_for("DAQ:Active", 0)
    for slot in SLOTS:
        ca.wait_for(f"{slot}Status", lambda status: status not in ("Pending", "Running", "Aborting", "Unknown"))
    for name in ("DAQ1:Start", "DAQ1:Stop", "DAQ1:Wait", "UPL1:Run", "UPL1:Wait", "WF1:Run", "WF1:Wait", "JOB:Wait"):
        ca.wait_for(name, "Idle")
    ca.puts("DAQ1:", Options="", Expect=0)
