"""The examples run as they stand there, as programs of their own, against a real gateway with its local DM."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from epics_environment import client_environment, server_environment
from gateway_dm import GatewayDm, md5s
from gateway_process import CaClient, GatewayProcess

EXAMPLES = Path(__file__).parents[2] / "dmioc" / "examples"


@pytest.fixture(autouse=True)
def no_daq(ca: CaClient) -> None:
    """No test finds the DAQ of another one."""
    for slot in ("DAQ1", "DAQ2"):
        if ca.get(f"{slot}:Status") == "Running":
            ca.command(f"{slot}:Stop")


def run(gateway: GatewayProcess, folder: Path, name: str, *arguments: str) -> str:
    """Copy an example and run it; answers what it said."""
    script = folder / name
    script.write_text((EXAMPLES / name).read_text("utf-8"), "utf-8")
    environment = {**os.environ, **client_environment(), **server_environment(), "DMIOC_PREFIX": gateway.prefix}
    finished = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0 and "Traceback" not in finished.stderr, finished.stderr
    return finished.stderr


def test_setup_user(gateway: GatewayProcess, ca: CaClient, tmp_path: Path) -> None:
    ca.put("EXP:Name", "")
    said = run(gateway, tmp_path, "setup_user.py", "demo", str(tmp_path / "2026-3"))
    assert "experiment demo is Loaded in DM" in said
    assert f"DAQ {ca.get('DAQ1:ID')} stores what appears in {tmp_path}/2026-3/demo/data" in said
    assert (ca.get("EXP:Name"), ca.get("DAQ1:Status"), ca.get("UPL1:Status")) == ("demo", "Running", "Done")
    assert "settings.json" in GatewayDm(gateway).catalogued("demo", "setup")


def test_file_based(gateway: GatewayProcess, ca: CaClient, tmp_path: Path) -> None:
    said = run(gateway, tmp_path, "file_based.py", str(tmp_path / "scan1"))
    assert "DM has 5 files" in said
    assert f"job {ca.get('WF1:JobID')} is Done after" in said
    assert GatewayDm(gateway).catalogued("demo", "raw/scan1") == md5s(tmp_path / "scan1")
    found = re.search(r"^run (.*) is dataset (.*)$", said, re.MULTILINE)
    assert found is not None
    dataset = GatewayDm(gateway).dataset("demo", found[2])
    assert dataset["bluesky_run_uid"] == found[1]
    assert dataset["bluesky_metadata"]["start"]["sample"] == "Si 111"


def test_streaming(gateway: GatewayProcess, ca: CaClient, tmp_path: Path) -> None:
    said = run(gateway, tmp_path, "streaming.py")
    assert f"session {ca.get('STR1:Session')} is Done" in said
    found = re.search(r"the workflow took (\d+) frames and missed (\d+)", said)
    assert found is not None and int(found[1]) + int(found[2]) == 50 and int(found[1]) > 0
    ca.wait_for("WF1:Status", "Done")
