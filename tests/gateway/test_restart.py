"""What a restart of the gateway keeps: setpoints, what the slots follow, requests, and what was interrupted."""

from __future__ import annotations

import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess, running_gateway
from localdm_process import start_localdm
from waiting import wait_until

from dmioc.catalogue import PV, Kind, Slots, station_catalogue

STOP_S = 5.0
CATALOGUE = station_catalogue(Slots(daq=2, upload=2, workflow=4))
SAVED = [pv for pv in CATALOGUE if pv.saved]


@pytest.fixture
def gateway(repeater: None, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway with a local DM of its own."""
    with running_gateway(tmp_path / "state") as process:
        yield process


@pytest.fixture(scope="module")
def dm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DmControl]:
    """A local DM that lives longer than the gateways."""
    directory = tmp_path_factory.mktemp("dm")
    localdm = start_localdm(directory)
    yield DmControl(directory)
    localdm.stop()
    if localdm.process.stdout is not None:
        localdm.process.stdout.close()


@pytest.fixture
def rest(repeater: None, dm: DmControl, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway to that DM, whose addresses it has from the lines of ``dmioc localdm --env``."""
    command = [sys.executable, "-m", "dmioc", "localdm", "--dir", str(dm.directory), "--env"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    environment = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    with running_gateway(tmp_path / "state", environment=environment) as process:
        yield process


def client(gateway: GatewayProcess) -> CaClient:
    return CaClient(gateway.prefix)


def restart(gateway: GatewayProcess, ca: CaClient, number: signal.Signals = signal.SIGTERM) -> None:
    """End it by a signal and start it again.

    The channels are made anew: libca takes the first beacons of a server that lived shortly for late ones of the old, and
    then searches ever more seldom.
    """
    gateway.stop(number)
    ca.close(clear_channels=True)
    gateway.start()


def fast(ca: CaClient) -> CaClient:
    ca.puts("", PollPeriod=0.1, IdlePollPeriod=0.3)
    ca.put("EXP:Name", "demo")
    ca.wait_for("State", "Connected")
    return ca


def start_all(ca: CaClient, data: Path) -> dict[str, str]:
    """A DAQ, an upload that is done, and a job that runs; answers their ids."""
    (data / "a.dat").write_bytes(b"a")
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=secrets.token_hex(4))
    ca.puts("UPL1:", SourcePath=str(data / "a.dat"), DestDirectory=secrets.token_hex(4))
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null")
    for command in ("DAQ1:Start", "UPL1:Run", "WF1:Start"):
        assert ca.command(command)[0] == "OK", ca.outcome(command)
    ca.wait_for("WF1:Status", "Running")
    return ids(ca)


def ids(ca: CaClient) -> dict[str, str]:
    return {name: ca.get(name) for name in ("DAQ1:ID", "UPL1:ID", "WF1:JobID")}


def another(pv: PV, before: Any) -> Any:
    """A value that the setpoint does not have yet."""
    if pv.kind is Kind.ENUM:
        return next((label for label in pv.labels if label not in (before, "Disabled")), before)
    if pv.kind in (Kind.LONG, Kind.DOUBLE):
        low = pv.low if pv.low is not None else 0
        return type(before)(low + 1 if low + 1 != before else low + 2)
    return f"a {pv.name}"


def test_every_saved_setpoint_comes_back(rest: GatewayProcess) -> None:
    ca = client(rest)
    ca.connect(pv.name for pv in SAVED)
    wanted = {pv.name: another(pv, ca.get(pv.name)) for pv in SAVED}
    for name, value in wanted.items():
        ca.put(name, value)
    ca.put("WF1:RequestID", "not kept")
    # At once: the end of the gateway saves what is not on disk yet.
    restart(rest, ca)
    ca.connect(wanted)
    assert {name: ca.get(name) for name in wanted} == wanted
    assert ca.get("WF1:RequestID") == ""
    assert "autosave" not in ca.get("Message")
    ca.put("Control", "Disabled")
    wait_until(lambda: "Disabled" in (rest.state / "autosave.sav").read_text("utf-8"), what="saved without a stop")
    restart(rest, ca, signal.SIGKILL)
    assert ca.get("Control") == "Disabled"
    assert ca.get("EXP:Name") == wanted["EXP:Name"]
    ca.close(clear_channels=True)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that only waits for its parent to take notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_ends_in_time_and_leaves_nothing(gateway: GatewayProcess, data: Path) -> None:
    ca = fast(client(gateway))
    start_all(ca, data)
    ca.put("DAQ1:Expect", 99)
    ca.put("DAQ1:Wait", 1, wait=False)
    ca.wait_for("DAQ1:Wait", "Busy")
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    assert len(children) >= 2  # the local DM and a process of the job's stage
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < STOP_S
    wait_until(lambda: not any(is_alive(child) for child in children), 5.0, what=f"end of {children}")
    assert "Traceback" not in gateway.log()
    ca.close(clear_channels=True)


def test_it_ends_in_time_while_dm_hangs(rest: GatewayProcess, dm: DmControl, data: Path) -> None:
    ca = fast(client(rest))
    start_all(ca, data)
    with dm.hanging():
        ca.put("WF2:Name", "example-01")
        ca.put("WF2:Start", 1, wait=False)
        ca.wait_for("WF2:Start", "Busy")
        began = time.monotonic()
        assert rest.stop() == 0
        assert time.monotonic() - began < STOP_S
    rest.start()
    ca.close(clear_channels=True)
    clean(ca)
    ca.close(clear_channels=True)


def clean(ca: CaClient) -> None:
    """Leave nothing at work in the DM that later tests use."""
    ca.wait_for("State", "Connected")
    for job, slot in (("DAQ1:Status", "DAQ1:Stop"), ("WF1:Status", "WF1:Abort"), ("WF2:Status", "WF2:Abort")):
        ca.wait_for(job, lambda status: status != "Unknown")
        if ca.get(job) in ("Pending", "Running"):
            ca.command(slot)
    ca.wait_for("JOB:Idle", "Yes")


def followed_again(ca: CaClient, before: dict[str, str], job: str) -> None:
    ca.wait_for("State", "Connected")
    assert ids(ca) == before
    ca.wait_for("DAQ1:Status", "Running")
    ca.wait_for("UPL1:Status", "Done")
    ca.wait_for("WF1:Status", job)
    assert (ca.get("EXP:Name"), ca.get("EXP:State")) == ("demo", "Loaded")
    assert ca.get("WF1:Workflow_RBV") == "progress-01"
    assert ca.get("DAQ1:Experiment_RBV") == "demo"
    assert (ca.get("UPL1:FilesDone"), ca.get("UPL1:FilesFailed")) == (1, 0)


def at_work_again(ca: CaClient, data: Path) -> None:
    """The DAQ takes new files and its slot sees it; commands of the slots work."""
    (data / "new.dat").write_bytes(b"new")
    ca.wait_for("DAQ1:LastFile", lambda text: text.endswith("new.dat"))
    ca.puts("DAQ1:", Expect=1)
    assert ca.command("DAQ1:Wait")[0] == "OK"
    assert ca.command("DAQ1:Stop")[0] == "OK"


WAITS = ("DAQ1:Wait", "WF1:Wait", "JOB:Wait")


def begin_waits(ca: CaClient) -> None:
    ca.puts("DAQ1:", Expect=99)
    for command in WAITS:
        ca.put(command, 1, wait=False)
        ca.wait_for(command, "Busy")


def waits_are_interrupted(ca: CaClient) -> None:
    for command in WAITS:
        assert ca.get(command) == "Idle"
        state, message = ca.outcome(command)
        assert state == "Interrupted"
        assert message.startswith("Wait: ") and "gateway" in message
    assert ca.get("UPL1:CmdStatus") == "None"


def start_with_one_request_id(ca: CaClient, request_id: str) -> str:
    """Three slots at once start one job; answers its id."""
    slots = ("WF2:", "WF3:", "WF4:")
    for slot in slots:
        ca.puts(slot, Name="progress-01", FilePath="/dev/null", RequestID=request_id)
    for slot in slots:
        ca.put(f"{slot}Start", 1, wait=False)
    for slot in slots:
        ca.wait_for(f"{slot}Start", "Idle")
    assert len({ca.get(f"{slot}JobID") for slot in slots}) == 1
    assert sorted(ca.get(f"{slot}Attached") for slot in slots) == [0, 1, 1]
    return ca.get("WF2:JobID")


def attaches(ca: CaClient, request_id: str, job_id: str) -> None:
    """The request id gives the slot the job that it started once, and no other one is started."""
    before = ca.get("JOB:Active")
    ca.puts("WF3:", Name="progress-01", FilePath="/dev/null", RequestID=request_id)
    assert ca.command("WF3:Start") == ("OK", f"Start: attached to job {job_id} of progress-01")
    assert (ca.get("WF3:JobID"), ca.get("WF3:Attached")) == (job_id, 1)
    assert ca.get("JOB:Active") == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_slots_commands_and_requests_over_a_restart(rest: GatewayProcess, data: Path, number: signal.Signals) -> None:
    ca, request_id = fast(client(rest)), secrets.token_hex(4)
    before = start_all(ca, data)
    attached = {name: ca.get(name) for name in ("DAQ1:Attached", "WF1:Attached", "UPL1:SourcePath")}
    job_id = start_with_one_request_id(ca, request_id)
    begin_waits(ca)
    wait_until(lambda: before["WF1:JobID"] in (rest.state / "autosave.savB").read_text("utf-8"), what="saved")
    restart(rest, ca, number)
    waits_are_interrupted(ca)
    followed_again(ca, before, "Running")
    assert {name: ca.get(name) for name in attached} == attached
    at_work_again(ca, data)
    attaches(ca, request_id, job_id)
    # Interruptions are told once. Without the journal DM itself knows: the id is an argument of the job.
    assert rest.stop() == 0
    ca.close(clear_channels=True)
    for file in rest.state.glob("journal.sqlite*"):
        file.unlink()
    rest.start()
    assert ca.get("DAQ1:CmdStatus") == "None"
    ca.wait_for("JOB:Active", 2)
    assert ca.command("WF3:Abort")[0] == "OK"
    # A job that is over is attached to as well: it is never run twice.
    ca.put("WF3:AttachID", before["WF1:JobID"])
    assert ca.command("WF3:Attach")[0] == "OK"
    ca.wait_for("JOB:Active", 1)
    attaches(ca, request_id, job_id)
    assert ca.get("WF3:Status") == "Aborted"
    clean(ca)
    ca.close(clear_channels=True)


def test_after_a_kill_the_local_dm_is_taken_over(gateway: GatewayProcess, data: Path) -> None:
    ca = fast(client(gateway))
    before, localdm = start_all(ca, data), gateway.localdm()
    wait_until(lambda: before["WF1:JobID"] in (gateway.state / "autosave.savB").read_text("utf-8"), what="saved")
    restart(gateway, ca, signal.SIGKILL)
    followed_again(ca, before, "Running")
    assert localdm.is_running()
    at_work_again(ca, data)
    # It belongs to this gateway now: it is started again when it dies, and ends with the gateway.
    localdm.kill()
    ca.wait_for("WF1:Status", "Failed")
    ca.wait_for("State", "Connected")
    second = gateway.localdm()
    assert gateway.stop() == 0
    wait_until(lambda: not second.is_running(), 5.0, what="end of the local DM")
    ca.close(clear_channels=True)


def test_damaged_autosave_files(rest: GatewayProcess) -> None:
    ca, names = client(rest), ("autosave.sav", "autosave.savB")
    ca.puts("WF1:", FilePath="/precious", IfRunning="Refuse")
    # Either of the two: the other one is used.
    for name in names:
        assert rest.stop() == 0
        ca.close(clear_channels=True)
        path = rest.state / name
        path.write_bytes(path.read_bytes()[:-20])
        rest.start()
        assert ca.get("WF1:FilePath") == "/precious"
        # The line on Message may have been followed by another one; all of them are in the log.
        line = next(line for line in rest.log().splitlines() if f"{name} is not used" in line)
        assert str(path) in line and "end mark" in line and f"{name}.bad" in line and "engine.messages" in line
        assert (rest.state / f"{name}.bad").exists()
    # A value that no longer fits: the others are used.
    assert rest.stop() == 0
    ca.close(clear_channels=True)
    for name in names:
        path = rest.state / name
        text = path.read_text("utf-8").replace('"Refuse"', '"Nonsense"').replace('"WF1:Name"', '"WF9:Name"')
        path.write_text(text, "utf-8")
    rest.start()
    assert (ca.get("WF1:FilePath"), ca.get("WF1:IfRunning")) == ("/precious", "Start")
    assert "WF9:Name is no longer a saved setpoint" in rest.log() and "Nonsense" in rest.log()
    # Both: it starts with the defaults, and saves again.
    assert rest.stop() == 0
    ca.close(clear_channels=True)
    for name in names:
        (rest.state / name).write_bytes(b"\xff\xfe\0")
    rest.start()
    assert ca.get("WF1:FilePath") == ""
    assert rest.log().count("is not used") == 4
    ca.put("WF1:FilePath", "/new")
    wait_until(lambda: "/new" in (rest.state / "autosave.savB").read_text("utf-8"), what="saved anew")
    ca.close(clear_channels=True)
