"""The gateway goes away while a plan waits: for good, and for a restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_process import CaClient, GatewayProcess
from run_engine import Engine
from waiting import wait_until

from dmioc.errors import GatewayLostError
from dmioc.plans import run_workflow, start_daq, wait_daq

AWAY_S = 3.0
SLACK_S = 5.0
"""For a machine that does other work too."""


@pytest.fixture
def rest(gateway: GatewayProcess, ca: CaClient, start_again: Callable[[], None]) -> Iterator[GatewayProcess]:
    """The gateway, which is there again after the test."""
    ca.put("LostAfter", AWAY_S)
    yield gateway
    if gateway.process.poll() is not None:
        start_again()
    for number in range(1, 5):
        if ca.get(f"WF{number}:Status") in {"Pending", "Running"}:
            ca.command(f"WF{number}:Abort")


@pytest.fixture
def job_id(engine: Engine, ca: CaClient, gated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """A job that a plan waits for; it ends when ``gate`` appears in the test's folder."""
    caplog.set_level(logging.INFO, "dmioc.plans")
    engine.start(run_workflow(gated, gate=str(tmp_path / "gate"), file_path="/dev/null"))
    wait_until(lambda: "is followed by WF1" in caplog.text, what="the plan waits")
    ca.wait_for("WF1:Status", "Running")
    return str(ca.get("WF1:JobID"))


def test_restarted_gateway_is_taken_up_again(
    engine: Engine, ca: CaClient, rest: GatewayProcess, start_again: Callable[[], None], job_id: str, tmp_path: Path
) -> None:
    ca.put("LostAfter", 120.0)
    rest.kill()
    (tmp_path / "gate").touch()  # the job ends while nobody looks
    start_again()
    outcome = engine.end()
    assert (outcome.job_id, outcome.status) == (job_id, "Done")


def test_killed_gateway(engine: Engine, rest: GatewayProcess, job_id: str) -> None:
    began_s = time.monotonic()
    rest.kill()
    words = rf"job {job_id} of gated: the gateway {rest.prefix} has been away for 3 s \(LostAfter\); DM goes on"
    with pytest.raises(GatewayLostError, match=words):
        engine.end()
    assert AWAY_S <= time.monotonic() - began_s < AWAY_S + SLACK_S


@pytest.fixture
def watched_folder(engine: Engine, ca: CaClient, tmp_path: Path) -> Iterator[Path]:
    """A folder that a DAQ watches."""
    folder = tmp_path / "data"
    folder.mkdir()
    engine.run(start_daq(str(folder), "away"))
    yield folder
    ca.command("DAQ1:Stop")


def test_restarted_gateway_while_files_are_waited_for(
    engine: Engine, ca: CaClient, rest: GatewayProcess, start_again: Callable[[], None], watched_folder: Path
) -> None:
    ca.put("LostAfter", 120.0)
    engine.start(wait_daq(file="late.dat"))  # only the gateway can tell: its command Wait runs
    ca.wait_for("DAQ1:Wait", "Busy")
    rest.kill()
    (watched_folder / "late.dat").write_bytes(b"late")
    start_again()
    assert engine.end().files_done == 1


def test_killed_gateway_while_files_are_waited_for(
    engine: Engine, ca: CaClient, watched_folder: Path, rest: GatewayProcess
) -> None:
    engine.start(wait_daq(file="never.dat"))
    ca.wait_for("DAQ1:Wait", "Busy")
    began_s = time.monotonic()
    rest.kill()
    with pytest.raises(GatewayLostError, match=rf"the gateway {rest.prefix} has been away for 3 s"):
        engine.end()
    assert AWAY_S <= time.monotonic() - began_s < AWAY_S + SLACK_S


def test_gateway_that_is_not_there(engine: Engine, station: Any, rest: GatewayProcess) -> None:
    rest.kill()
    wait_until(lambda: not station.workflows.wf1.status.connected, what="its clients know that it is gone")
    with pytest.raises(GatewayLostError, match=f"no answer from the gateway {rest.prefix} within 10 s: is it running"):
        engine.run(run_workflow("example-01"))
    assert engine.took_s < 12.0


def test_wrong_prefix(engine: Engine) -> None:
    with pytest.raises(GatewayLostError, match="no answer from the gateway NOBODY:DM: within 10 s"):
        engine.run(wait_daq(1, station="NOBODY:DM:"))
