"""A gateway over ``aps-dm-api`` (the stand-in, which carries its calls to a real localdm), through Channel Access."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aps_backend import STAND_IN, Faults
from epics_environment import server_environment
from gateway_process import CaClient, GatewayProcess, running_gateway
from localdm_process import LocalDmProcess, encoded, running_localdm

DEADLINE_S = 1.0
URLS = [f"DM_{service}_WEB_SERVICE_URL" for service in ("DS", "DAQ", "PROC", "CAT")]
INVALID = 3


@dataclass(frozen=True)
class Station:
    """A gateway, the DM behind it, and the faults of the package between them."""

    gateway: GatewayProcess
    localdm: LocalDmProcess
    faults: Faults


def aps_environment(localdm: LocalDmProcess, faults: Faults) -> dict[str, str]:
    """Variables of a gateway that finds the stand-in, and the DM."""
    return localdm.environment | faults.environment | {"PYTHONPATH": str(STAND_IN)}


@pytest.fixture(scope="module")
def station(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("aps")
    config = folder / "dmioc.toml"
    config.write_text(
        f'[dm]\nbackend = "aps-dm-api"\ndeadline_s = {DEADLINE_S}\n'
        '[dm.methods]\nstopProcessingJob = "WorkflowProcApi.abandonProcessingJob"\n'
    )
    faults = Faults(folder / "faults.json")
    with (
        running_localdm(folder / "dm") as localdm,
        running_gateway(
            folder / "state", "--config", str(config), environment=aps_environment(localdm, faults)
        ) as gateway,
    ):
        yield Station(gateway, localdm, faults)


@pytest.fixture(scope="module")
def ca(station: Station) -> Iterator[CaClient]:
    client = CaClient(station.gateway.prefix)
    client.puts("", PollPeriod=0.1, IdlePollPeriod=0.2)
    client.put("EXP:Name", "demo")
    yield client
    client.close()


def test_who_serves(ca: CaClient, station: Station) -> None:
    ca.wait_for("State", "Connected")
    assert ca.get("Backend") == "aps-dm-api"
    assert (ca.get("Station"), ca.get("Owner")) == ("DEMO", station.localdm.username)
    assert ca.get("Requests") > 0


def test_experiment(ca: CaClient) -> None:
    ca.puts("EXP:New:", Name="new-by-aps", Description="made by PVs", StartDate="2026-07-20", EndDate="2026-07-25")
    assert ca.command("EXP:New:Create")[0] == "OK"
    ca.put("EXP:Name", "new-by-aps")
    assert ca.get("EXP:State") == "Loaded"
    assert ca.get("EXP:Description") == "made by PVs"
    assert ca.get("EXP:DataDirectory").endswith("/new-by-aps/data")
    ca.put("EXP:Name", "no-such-experiment")
    assert ca.get("EXP:State") == "NotFound"
    ca.put("EXP:Name", "demo")


def test_daq(ca: CaClient, data: Path) -> None:
    ca.puts("DAQ1:", DataDirectory=str(data), Expect=2)
    assert ca.command("DAQ1:Start")[0] == "OK"
    ca.wait_for("DAQ1:Status", "Running")
    for number in range(2):
        (data / f"frame_{number}.dat").write_bytes(b"x" * 100)
    assert ca.command("DAQ1:Wait")[0] == "OK"
    assert ca.get("DAQ1:FilesDone") == 2
    assert ca.command("DAQ1:Stop")[0] == "OK"
    ca.wait_for("DAQ1:Status", "Done")


def test_upload(ca: CaClient, data: Path) -> None:
    (data / "scan.dat").write_bytes(b"data")
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory="by-aps")
    state, message = ca.command("UPL1:Run")
    assert state == "OK", message
    assert (ca.get("UPL1:Status"), ca.get("UPL1:FilesDone"), ca.get("UPL1:LastFile")) == ("Done", 1, "by-aps/scan.dat")


def test_jobs(ca: CaClient, data: Path) -> None:
    (data / "scan.dat").write_bytes(b"data")
    ca.puts("WF1:", Name="example-01", FilePath=str(data / "scan.dat"))
    assert ca.command("WF1:Run") == ("OK", f"Run: job {ca.get('WF1:JobID')} is Done")
    assert "06-DONE" in ca.get("WF1:Report")
    ca.puts("WF2:", Name="progress-01", FilePath="/dev/null")
    assert ca.command("WF2:Start")[0] == "OK"
    ca.wait_for("WF2:Status", "Running")
    assert ca.command("WF2:Abort")[0] == "OK"  # by the method that the settings name
    assert ca.get("WF2:Status") == "Aborted"
    ca.puts("WF3:", Name="no-such-workflow", FilePath="/dev/null")
    state, message = ca.command("WF3:Start")
    assert state == "Refused" and "no-such-workflow" in message
    ca.wait_for("JOB:Idle", "Yes")


def test_metadata(ca: CaClient, station: Station) -> None:
    ca.puts("MD:", RunUID="0123456789abcdef", JSON=json.dumps({"sample": "Si"}))
    state, message = ca.command("MD:Send")
    assert state == "OK", message
    (record,) = station.localdm.session("CAT").call("GET", "datasetsByExperiment", encoded("demo"))
    assert "Si" in json.dumps(record)


def test_a_call_that_hangs(ca: CaClient, station: Station) -> None:
    """One service is away within its deadline, the others go on, and all is right when the calls come back."""
    ca.wait_for("State", "Connected")
    began = time.monotonic()
    station.faults.set(listProcessingJobs="hang", listWorkflows="hang", startProcessingJob="hang")
    ca.wait_for("PROC:State", "Disconnected")
    assert time.monotonic() - began < DEADLINE_S + 2 * 0.2 + 1.0
    assert "gave no answer within 1 s" in ca.get("PROC:Error")
    assert (ca.get("DS:State"), ca.get("DAQ:State"), ca.get("CAT:State")) == ("Connected",) * 3
    assert ca.get("State") == "Degraded"
    assert ca.severity("JOB:Active") == INVALID
    ca.puts("WF1:", Name="example-01", FilePath="/dev/null")
    state, _ = ca.command("WF1:Start")
    assert state in ("Failed", "Refused")
    ca.wait_for("PROC:Error", lambda text: "all 4 threads of aps-dm-api for PROC are stuck" in text, timeout_s=60)
    station.faults.set()
    ca.wait_for("PROC:State", "Connected")
    ca.wait_for("State", "Connected")
    assert ca.severity("JOB:Active") == 0
    ca.wait_for("JOB:Idle", "Yes")


FAULTS = [
    ("CommunicationError: the service is gone", "the service is gone (CommunicationError)"),
    ("DbError: no database", "DM says: no database (DbError, code 7)"),
    ("python.ValueError: no JSON", "aps-dm-api failed with ValueError: no JSON"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_an_exception_at_a_poll(ca: CaClient, station: Station, fault: str, words: str) -> None:
    ca.wait_for("DAQ:State", "Connected")
    station.faults.set(listDaqs=fault)
    ca.wait_for("DAQ:State", "Disconnected")
    assert words in ca.get("DAQ:Error")
    station.faults.set()
    ca.wait_for("DAQ:State", "Connected")


COMMANDS = [
    ("InvalidArgument: not like this", "Refused"),
    ("AuthorizationError: user may not", "Refused"),
    ("CommunicationError: URL http://127.0.0.1:9 refused connection.", "Refused"),
    ("TimeoutError: too late", "Failed"),
]


@pytest.mark.parametrize(("fault", "state"), COMMANDS, ids=[fault for fault, _ in COMMANDS])
def test_an_exception_at_a_command(ca: CaClient, station: Station, data: Path, fault: str, state: str) -> None:
    ca.wait_for("State", "Connected")
    ca.puts("UPL2:", SourcePath=str(data))
    station.faults.set(upload=fault)
    found, message = ca.command("UPL2:Start")
    station.faults.set()
    assert found == state and fault.split(": ", 1)[1] in message


def test_the_log_is_ours(ca: CaClient, station: Station) -> None:
    log = station.gateway.log()
    assert "INFO dmioc.app: DM is reached by aps-dm-api (as was set)" in log
    assert station.localdm.password not in log and "cookie" not in log and "Traceback" not in log
    assert "STAND-IN" not in log and not any("STAND-IN" in line for line in station.gateway.lines)


def test_auto_takes_rest_where_the_package_cannot_be_used(repeater: None, tmp_path: Path) -> None:
    faults = Faults(tmp_path / "faults.json")
    with running_localdm(tmp_path / "dm") as localdm:
        environment = aps_environment(localdm, faults) | {"APS_STAND_IN_VERSION": "3.3.1"}
        with running_gateway(tmp_path / "state", environment=environment) as gateway:
            log = gateway.log()
    assert "DM is reached by rest (auto: aps-dm-api cannot be used)" in log
    assert "WARNING dmioc.engine.messages: DM: backend auto: aps-dm-api 3.3.1" in log and "too old" in log


def test_without_the_package_the_gateway_does_not_start(tmp_path: Path) -> None:
    environment = {name: f"http://127.0.0.1:{number}" for number, name in enumerate(URLS, start=1)}
    environment |= {"DM_STATION_NAME": "25IDC", "DM_LOGIN_FILE": "/no/such", "DMIOC_DM__BACKEND": "aps-dm-api"}
    finished = subprocess.run(
        [sys.executable, "-m", "dmioc", "run", "--state", str(tmp_path / "state"), "--prefix", "NoPackage:"],
        cwd=tmp_path,
        env=os.environ | server_environment() | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.returncode == 2 and finished.stdout == ""
    last = finished.stderr.splitlines()[-1]
    assert last.startswith('dmioc: [dm] backend = "aps-dm-api" needs the package aps-dm-api: ')
    assert f"{sys.executable} has no module dm; conda install -c apsu aps-dm-api" in last
