"""What a restart of the gateway keeps: setpoints, what the slots follow, requests, and what was interrupted."""

from __future__ import annotations

import json
import secrets
import signal
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


@pytest.fixture
def dm(tmp_path: Path) -> Iterator[DmControl]:
    """A local DM that lives longer than the gateway."""
    localdm = start_localdm(tmp_path / "dm")
    yield DmControl(tmp_path / "dm")
    localdm.stop()
    if localdm.process.stdout is not None:
        localdm.process.stdout.close()


@pytest.fixture
def rest(repeater: None, dm: DmControl, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway to that DM."""
    urls = {f"DM_{name}_WEB_SERVICE_URL": url for name, url in dm.urls.items()}
    environment = {"DM_STATION_NAME": "DEMO", "DM_LOGIN_FILE": str(dm.directory / "login"), **urls}
    with running_gateway(tmp_path / "state", environment=environment) as process:
        yield process


def client(gateway: GatewayProcess) -> CaClient:
    return CaClient(gateway.prefix)


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
        return next(label for label in pv.labels if label != before and label != "Disabled")
    if pv.kind in (Kind.LONG, Kind.DOUBLE):
        low = pv.low if pv.low is not None else 0
        return type(before)(low + 1 if low + 1 != before else low + 2)
    return f"é {pv.name}"


def test_every_saved_setpoint_comes_back(gateway: GatewayProcess) -> None:
    ca = client(gateway)
    ca.connect(pv.name for pv in SAVED)
    wanted = {pv.name: another(pv, ca.get(pv.name)) for pv in SAVED}
    for name, value in wanted.items():
        ca.put(name, value)
    ca.put("WF1:RequestID", "not kept")
    # At once: the end of the gateway saves what is not on disk yet.
    assert gateway.stop() == 0
    gateway.start()
    assert {name: ca.get(name) for name in wanted} == wanted
    assert ca.get("WF1:RequestID") == ""
    assert "autosave" not in ca.get("Message")
    ca.put("Control", "Disabled")
    wait_until(lambda: "Disabled" in (gateway.state / "autosave.sav").read_text("utf-8"), what="saved without a stop")
    gateway.kill()
    gateway.start()
    assert ca.get("Control") == "Disabled"
    assert ca.get("EXP:Name") == wanted["EXP:Name"]
    ca.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_and_leaves_nothing(gateway: GatewayProcess, data: Path, number: signal.Signals) -> None:
    ca = fast(client(gateway))
    start_all(ca, data)
    ca.put("DAQ1:Expect", 99)
    ca.put("DAQ1:Wait", 1, wait=False)
    ca.wait_for("DAQ1:Wait", "Busy")
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    assert len(children) >= 2  # the local DM and a process of the job's stage
    began = time.monotonic()
    assert gateway.stop(number) == 0
    assert time.monotonic() - began < STOP_S
    wait_until(lambda: not any(child.is_running() for child in children), 1.0, what=f"end of {children}")
    assert "Traceback" not in gateway.log()
    ca.close()


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
    ca.close()


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_slots_follow_dm_again(rest: GatewayProcess, data: Path, number: signal.Signals) -> None:
    ca = fast(client(rest))
    before = start_all(ca, data)
    attached = {name: ca.get(name) for name in ("DAQ1:Attached", "WF1:Attached", "UPL1:SourcePath")}
    saved = wait_until(lambda: before["WF1:JobID"] in (rest.state / "autosave.savB").read_text("utf-8"), what="saved")
    assert saved
    rest.process.send_signal(number)
    rest.process.wait(STOP_S)
    rest.start()
    followed_again(ca, before, "Running")
    assert {name: ca.get(name) for name in attached} == attached
    at_work_again(ca, data)
    assert ca.command("WF1:Abort")[0] == "OK"
    ca.wait_for("JOB:Idle", "Yes")
    ca.close()


def test_after_a_kill_the_local_dm_is_taken_over(gateway: GatewayProcess, data: Path) -> None:
    ca = fast(client(gateway))
    before, localdm = start_all(ca, data), gateway.localdm()
    wait_until(lambda: before["WF1:JobID"] in (gateway.state / "autosave.savB").read_text("utf-8"), what="saved")
    gateway.kill()
    assert localdm.is_running()
    gateway.start()
    followed_again(ca, before, "Running")
    assert localdm.is_running()
    at_work_again(ca, data)
    # It belongs to this gateway now: it is started again when it dies, and ends with the gateway.
    localdm.kill()
    ca.wait_for("WF1:Status", "Failed")
    ca.wait_for("State", "Connected")
    second = gateway.localdm()
    assert gateway.stop() == 0
    wait_until(lambda: not second.is_running(), 1.0, what="end of the local DM")
    ca.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_pending_commands_are_reported_interrupted(rest: GatewayProcess, data: Path, number: signal.Signals) -> None:
    ca = fast(client(rest))
    start_all(ca, data)
    ca.puts("DAQ1:", Expect=99)
    for command in ("DAQ1:Wait", "WF1:Wait", "JOB:Wait"):
        ca.put(command, 1, wait=False)
        ca.wait_for(command, "Busy")
    rest.process.send_signal(number)
    rest.process.wait(STOP_S)
    rest.start()
    for command in ("DAQ1:Wait", "WF1:Wait", "JOB:Wait"):
        assert ca.get(command) == "Idle"
        state, message = ca.outcome(command)
        assert state == "Interrupted"
        assert message.startswith("Wait: ") and "gateway" in message
    assert ca.get("UPL1:CmdStatus") == "None"
    # Told once.
    assert rest.stop() == 0
    rest.start()
    assert ca.get("DAQ1:CmdStatus") == "None"
    ca.close()


def test_a_request_id_holds_across_restarts(rest: GatewayProcess) -> None:
    ca = fast(client(rest))
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null", RequestID="scan-17")
    assert ca.command("WF1:Start")[0] == "OK"
    job_id = ca.get("WF1:JobID")
    rest.kill()
    rest.start()
    ca.puts("WF3:", Name="progress-01", FilePath="/dev/null", RequestID="scan-17")
    state, message = ca.command("WF3:Start")
    assert (state, message) == ("OK", f"Start: attached to job {job_id} of progress-01")
    assert (ca.get("WF3:JobID"), ca.get("WF3:Attached")) == (job_id, 1)
    # Without the journal DM itself knows: the id is an argument of the job.
    rest.kill()
    for file in rest.state.glob("journal.sqlite*"):
        file.unlink()
    rest.start()
    ca.wait_for("JOB:Active", 1)
    assert ca.command("WF3:Abort")[0] == "OK"
    ca.wait_for("JOB:Idle", "Yes")
    # A finished job is attached to as well; it is never run twice.
    ca.puts("WF4:", Name="progress-01", FilePath="/dev/null", RequestID="scan-17")
    assert ca.command("WF4:Start")[0] == "OK"
    assert (ca.get("WF4:JobID"), ca.get("WF4:Status")) == (job_id, "Aborted")
    assert ca.get("JOB:Active") == 0
    ca.close()


def test_two_slots_with_one_request_id_at_once(rest: GatewayProcess) -> None:
    ca = fast(client(rest))
    slots = ("WF1:", "WF2:", "WF3:", "WF4:")
    for slot in slots:
        ca.puts(slot, Name="progress-01", FilePath="/dev/null", RequestID="all-at-once")
    for slot in slots:
        ca.put(f"{slot}Start", 1, wait=False)
    for slot in slots:
        ca.wait_for(f"{slot}Start", "Idle")
    assert len({ca.get(f"{slot}JobID") for slot in slots}) == 1
    assert sorted(ca.get(f"{slot}Attached") for slot in slots) == [0, 1, 1, 1]
    ca.wait_for("JOB:Active", 1)
    ca.close()


DAMAGE = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no JSON": lambda text: "{" + text,
    "newer version": lambda text: text.replace('"version": 1', '"version": 99'),
    "wrong kinds": lambda text: text.replace('"held": {', '"held": {"DAQ1:": 5, "X:": null, '),
}


@pytest.mark.parametrize("name", ["autosave.sav", "autosave.savB"])
def test_a_damaged_autosave_file_is_replaced_by_the_other(gateway: GatewayProcess, name: str) -> None:
    ca = client(gateway)
    ca.put("WF1:FilePath", "/precious")
    for kind, damage in DAMAGE.items():
        assert gateway.stop() == 0
        path = gateway.state / name
        path.write_text(damage(path.read_text("utf-8")), "utf-8")
        gateway.start()
        assert ca.get("WF1:FilePath") == "/precious", kind
        # The line on Message may be followed by another one; all of them are in the log.
        told = [line for line in gateway.log().splitlines() if name in line and "is not used" in line]
        assert told and f"{name}.bad" in told[-1], kind
        assert (gateway.state / f"{name}.bad").exists()
    ca.close()


def test_two_damaged_autosave_files_start_with_defaults(gateway: GatewayProcess) -> None:
    ca = client(gateway)
    ca.put("WF1:FilePath", "/precious")
    assert gateway.stop() == 0
    for name in ("autosave.sav", "autosave.savB"):
        (gateway.state / name).write_bytes(b"\xff\xfe\0")
    gateway.start()
    assert ca.get("WF1:FilePath") == ""
    assert gateway.log().count("is not used") == 2
    ca.put("WF1:FilePath", "/new")
    wait_until(lambda: "/new" in (gateway.state / "autosave.savB").read_text("utf-8"), what="saved anew")
    document = json.loads((gateway.state / "autosave.sav").read_text("utf-8").splitlines()[0])
    assert document["setpoints"]["WF1:FilePath"] == "/new"
    ca.close()


def test_a_saved_value_that_no_longer_fits_is_left_out(gateway: GatewayProcess) -> None:
    ca = client(gateway)
    ca.puts("WF1:", FilePath="/precious", IfRunning="Refuse")
    assert gateway.stop() == 0
    for name in ("autosave.sav", "autosave.savB"):
        path = gateway.state / name
        path.write_text(
            path.read_text("utf-8").replace('"Refuse"', '"Nonsense"').replace('"WF1:Name"', '"WF9:Name"'), "utf-8"
        )
    gateway.start()
    assert (ca.get("WF1:FilePath"), ca.get("WF1:IfRunning")) == ("/precious", "Start")
    assert "WF9:Name is no longer a saved setpoint" in gateway.log()
    assert "Nonsense" in gateway.log()
    ca.close()
