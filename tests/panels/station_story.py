"""Work for a gateway, so that its panels have something to show: an experiment, uploads, DAQs, jobs, metadata, a stream."""

from __future__ import annotations

import json
from pathlib import Path

from gateway_process import CaClient


def tell(ca: CaClient, data: Path) -> None:
    """Have a job done, one refused and one failed, an upload done and a DAQ running; ends when all that has come to its state."""
    scans = data / "scans"
    scans.mkdir(parents=True)
    for number in range(1, 9):
        (scans / f"scan_{number:04d}.h5").write_bytes(b"\0" * 4096 * number)
    ca.puts("UPL1:", SourcePath=str(scans), DestDirectory="2026-11/scans", Mode="Files")
    ca.puts("DAQ1:", DataDirectory=str(scans), DestDirectory="2026-11/live", Options='{"processExistingFiles": true}')
    ca.puts("WF1:", Name="example-01", FilePath=str(scans / "scan_0001.h5"), Args='{"sample": "Si wafer, 25 C"}')
    ca.puts("WF1:", Arg1Key="energy", Arg1Value="8.04")
    ca.puts("WF2:", Name="example-01", FilePath="")
    ca.puts("WF3:", Name="no-such-workflow")
    ca.puts("MD:", RunUID="5f2b1c9e-0c1d-4f8a", JSON=json.dumps({"plan": "count", "detectors": ["eiger"]}))
    commands = ("UPL1:Run", "DAQ1:Start", "WF1:Run", "WF2:Run", "WF3:Start", "MD:Send")
    for command in commands:
        ca.put(command, 1, wait=False)
    for command in commands:
        ca.wait_for(f"{command.partition(':')[0]}:CmdCount", lambda count: count > 0, timeout_s=60)
    ca.wait_for("UPL1:Status", "Done")
    ca.wait_for("DAQ1:FilesDone", 8)
