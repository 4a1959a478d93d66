"""Every wait ends: at each finished state, at its own timeout, and when DM is away for longer than LostAfter.

The DM is a local DM of its own process, so that the gateway does not start it again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess, running_gateway
from localdm_process import LocalDmProcess, encoded, encoded_json, start_localdm
from waiting import wait_until

DEADLINE_S = 1.0
POLL_S = 0.1
LOST_AFTER_S = 1.0
PROMPT_S = 3.0
"""From the news in DM to the end of the wait: polls, and the work of two busy machines."""
MANY_FILES = 4000


class Dm(DmControl):
    """The local DM of this module, which tests stop and start."""

    process: LocalDmProcess

    def start(self) -> None:
        self.process = start_localdm(self.directory)

    def kill(self) -> None:
        process = self.process.process
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def dm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dm]:
    dm = Dm(tmp_path_factory.mktemp("dm"))
    dm.start()
    dm.add_workflow("long", "/bin/sleep 300")
    dm.add_workflow("good", "/bin/true")
    dm.add_workflow("bad", "/bin/sh -c 'echo no such detector >&2; exit 3'")
    yield dm
    dm.kill()


@pytest.fixture(scope="module")
def gateway(repeater: None, dm: Dm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    state = tmp_path_factory.mktemp("gateway")
    config = state / "dmioc.toml"
    config.write_text(f"[dm]\ndeadline_s = {DEADLINE_S}\n", "utf-8")
    with running_gateway(state / "state", "--config", str(config), environment=dm.process.environment) as process:
        yield process


@pytest.fixture(autouse=True)
def quiet(ca: CaClient, dm: Dm) -> Iterator[None]:
    """Every test begins with a DM that answers and leaves no command, job or DAQ behind."""
    ca.puts("", PollPeriod=POLL_S, IdlePollPeriod=POLL_S, LostAfter=60.0)
    for group in ("DAQ1:", "UPL1:", "WF1:", "JOB:"):
        ca.put(f"{group}WaitTimeout", 60.0)
    ca.wait_for("State", "Connected")
    yield
    for command in ("DAQ1:Wait", "UPL1:Wait", "UPL1:Run", "WF1:Wait", "WF1:Run", "JOB:Wait"):
        ca.wait_for(command, "Idle", timeout_s=60)
    ca.wait_for("State", "Connected", timeout_s=60)
    for slot, stop in (("DAQ1:", "Stop"), ("UPL1:", "Stop"), ("WF1:", "Abort")):
        if ca.get(f"{slot}Status") in ("Pending", "Running", "Aborting", "Unknown"):
            ca.command(f"{slot}{stop}")
    ca.wait_for("JOB:Idle", "Yes")


def start_daq(ca: CaClient, data: Path, expect: int) -> None:
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=secrets.token_hex(4), Expect=expect, ExpectFile="")
    assert ca.command("DAQ1:Start")[0] == "OK", ca.outcome("DAQ1:Start")


def start_job(ca: CaClient, workflow: str = "long") -> None:
    ca.puts("WF1:", Name=workflow, FilePath="/dev/null", IfRunning="Start", RequestID="")
    assert ca.command("WF1:Start")[0] == "OK", ca.outcome("WF1:Start")


def start_upload(ca: CaClient, data: Path, command: str = "UPL1:Start") -> None:
    """An upload of so many files that it takes its time."""
    for number in range(MANY_FILES):
        (data / f"{number:05}").write_bytes(b"x")
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4), Mode="Files")
    ca.put(command, 1, wait=command.endswith("Start"))
    ca.wait_for("UPL1:Status", "Running")


def begin(ca: CaClient, *commands: str) -> None:
    for command in commands:
        ca.put(command, 1, wait=False)
    for command in commands:
        ca.wait_for(command, "Busy")


def ends(ca: CaClient, commands: tuple[str, ...], act: Callable[[], object]) -> dict[str, float]:
    """Seconds from the beginning of an action to the end of each of the waits that run."""
    began, took = time.monotonic(), dict[str, float]()
    act()

    def all_idle() -> bool:
        for command in commands:
            if command not in took and ca.get(command) == "Idle":
                took[command] = time.monotonic() - began
        return len(took) == len(commands)

    wait_until(all_idle, 20.0, what=f"end of {commands}")
    return took


@pytest.mark.parametrize("command", ["WF1:Run", "WF1:Wait"])
@pytest.mark.parametrize(
    ("workflow", "status", "words"),
    [("good", "Done", ["is Done"]), ("bad", "Failed", ["is Failed", "exit status 3", "no such detector"])],
)
def test_a_job_that_ends(ca: CaClient, command: str, workflow: str, status: str, words: list[str]) -> None:
    if command == "WF1:Wait":
        start_job(ca, workflow)
    ca.puts("WF1:", Name=workflow, FilePath="/dev/null")
    began = time.monotonic()
    outcome, message = ca.command(command)
    assert time.monotonic() - began < 2 * PROMPT_S
    assert outcome == ("OK" if status == "Done" else "Failed")
    assert ca.get("WF1:Status") == status
    for word in words:
        assert word in message


@pytest.mark.parametrize("command", ["WF1:Run", "WF1:Wait", "JOB:Wait"])
def test_a_job_that_another_client_aborts(ca: CaClient, dm: Dm, command: str) -> None:
    if command == "WF1:Run":
        ca.puts("WF1:", Name="long", FilePath="/dev/null")
        begin(ca, command)
    else:
        start_job(ca)
        begin(ca, command)
    ca.wait_for("WF1:Status", "Running")
    call = ("POST", "processingJobsByOwner", "dmioc", ca.get("WF1:JobID"), "stopProcessingJob")
    took = ends(ca, (command,), lambda: dm.session("PROC").call(*call))
    assert took[command] < PROMPT_S
    ca.wait_for("WF1:Status", "Aborted")
    outcome, message = ca.outcome(command)
    assert outcome == ("OK" if command == "JOB:Wait" else "Failed")
    assert ("no job is active" if command == "JOB:Wait" else "is Aborted") in message


def test_job_wait_without_a_job_ends_at_once_and_asks_dm_first(ca: CaClient, dm: Dm) -> None:
    ca.puts("", IdlePollPeriod=30.0)
    began = time.monotonic()
    assert ca.command("JOB:Wait") == ("OK", "Wait: no job is active")
    assert time.monotonic() - began < PROMPT_S
    # One that the gateway has not heard of, since it polls only each 30 s.
    session = dm.session("PROC")
    path = ("processingJobsByWorkflow", "dmioc", encoded("long"), "startProcessingJob")
    job = session.call("POST", *path, query={"argsDict": encoded_json({"filePath": "/dev/null"})})
    begin(ca, "JOB:Wait")
    stop = ("POST", "processingJobsByOwner", "dmioc", job["id"], "stopProcessingJob")
    assert ca.wait_for("JOB:Active", 1)
    assert ca.get("JOB:Wait") == "Busy"
    assert ends(ca, ("JOB:Wait",), lambda: session.call(*stop))["JOB:Wait"] < PROMPT_S
    assert ca.outcome("JOB:Wait")[0] == "OK"


def test_daq_wait_ends_when_the_files_are_stored(ca: CaClient, data: Path) -> None:
    start_daq(ca, data, expect=3)
    begin(ca, "DAQ1:Wait")
    took = ends(ca, ("DAQ1:Wait",), lambda: [(data / name).write_bytes(b"1") for name in "abc"])
    assert took["DAQ1:Wait"] < 2 * PROMPT_S
    assert ca.outcome("DAQ1:Wait") == ("OK", "Wait: 3 files stored, none waiting, no errors")


def test_daq_wait_fails_when_the_daq_ends_too_early(ca: CaClient, data: Path, dm: Dm) -> None:
    start_daq(ca, data, expect=3)
    begin(ca, "DAQ1:Wait")
    (data / "only").write_bytes(b"1")
    ca.wait_for("DAQ1:FilesDone", 1)
    took = ends(ca, ("DAQ1:Wait",), lambda: ca.put("DAQ1:Stop", 1))
    assert took["DAQ1:Wait"] < 2 * PROMPT_S
    ca.wait_for("DAQ1:Stop", "Idle")
    assert ca.get("DAQ1:Status") == "Done"
    outcome, message = ca.command("DAQ1:Wait")
    assert outcome == "Failed" and "Done" in message and "1 of 3 expected files" in message


def test_upload_without_files_fails_with_that_reason(ca: CaClient, data: Path) -> None:
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4), Mode="Files")
    began = time.monotonic()
    outcome, message = ca.command("UPL1:Run")
    assert time.monotonic() - began < 2 * PROMPT_S
    assert outcome == "Failed" and "no new files" in message
    assert ca.get("UPL1:Status") == "Failed"
    assert ca.command("UPL1:Wait")[0] == "Failed"


def test_upload_run_ends_when_it_is_stopped(ca: CaClient, data: Path) -> None:
    start_upload(ca, data, "UPL1:Run")
    took = ends(ca, ("UPL1:Run",), lambda: ca.put("UPL1:Stop", 1))
    assert took["UPL1:Run"] < 2 * PROMPT_S
    assert ca.get("UPL1:Status") == "Aborted"
    outcome, message = ca.command("UPL1:Wait")
    assert outcome == "Failed" and "is Aborted" in message


def test_own_timeout(ca: CaClient, dm: Dm, data: Path) -> None:
    start_daq(ca, data, expect=99)
    start_job(ca)
    waits = ("DAQ1:Wait", "WF1:Wait", "JOB:Wait")
    for command in waits:
        ca.put(f"{command.split(':')[0]}:WaitTimeout", 0.7)
    took = ends(ca, waits, lambda: begin(ca, *waits))
    for command in waits:
        assert 0.6 < took[command] < 0.7 + PROMPT_S
        outcome, message = ca.outcome(command)
        assert outcome == "Failed" and command in message and "0.7 s" in message
    assert (ca.get("DAQ1:Status"), ca.get("WF1:Status")) == ("Running", "Running")
    first = ca.get("WF1:JobID")
    took = ends(ca, ("WF1:Run",), lambda: begin(ca, "WF1:Run"))
    assert 0.6 < took["WF1:Run"] < 0.7 + PROMPT_S
    assert "0.7 s" in ca.get("WF1:CmdMessage")
    ca.wait_for("WF1:Status", "Running")
    stop = ("POST", "processingJobsByOwner", "dmioc", first, "stopProcessingJob")
    dm.session("PROC").call(*stop)


def everything_waits(ca: CaClient, data: Path) -> tuple[str, ...]:
    """A wait of each kind, on something that is at work."""
    (data / "daq").mkdir()
    (data / "upload").mkdir()
    start_daq(ca, data / "daq", expect=99)
    start_job(ca)
    waits = ("DAQ1:Wait", "WF1:Wait", "JOB:Wait")
    begin(ca, *waits)
    start_upload(ca, data / "upload", "UPL1:Run")
    return (*waits, "UPL1:Run")


def lost_contact(ca: CaClient, waits: tuple[str, ...], took: dict[str, float], detection_s: float) -> None:
    for command in waits:
        assert LOST_AFTER_S - 0.2 < took[command] < detection_s + LOST_AFTER_S + PROMPT_S, took
        outcome, message = ca.outcome(command)
        assert outcome == "Failed", message
        assert command.split(":")[0] in message and "has not answered for 1 s" in message
    for name in ("DAQ1:Status", "UPL1:Status", "WF1:Status", "JOB:Active"):
        assert ca.severity(name) == 3


def test_hanging_dm_ends_every_wait_after_lost_after(ca: CaClient, dm: Dm, data: Path) -> None:
    waits = everything_waits(ca, data)
    ca.put("LostAfter", LOST_AFTER_S)
    with dm.hanging():
        took = ends(ca, waits, lambda: None)
        lost_contact(ca, waits, took, DEADLINE_S + POLL_S)
    ca.wait_for("WF1:Status", lambda _: ca.severity("WF1:Status") == 0)
    assert ca.get("WF1:Status") == "Running"
    assert ca.get("DAQ1:Status") == "Running"


def test_dead_dm_ends_every_wait_after_lost_after(ca: CaClient, dm: Dm, data: Path) -> None:
    waits = everything_waits(ca, data)
    ca.put("LostAfter", LOST_AFTER_S)
    took = ends(ca, waits, dm.kill)
    lost_contact(ca, waits, took, POLL_S)
    dm.start()
    # It goes on with the DAQ; the job did not survive.
    ca.wait_for("DAQ1:Status", lambda _: ca.severity("DAQ1:Status") == 0)
    assert ca.get("DAQ1:Status") == "Running"
    ca.wait_for("WF1:Status", "Failed")


def test_a_short_absence_ends_no_wait(ca: CaClient, dm: Dm, data: Path) -> None:
    start_daq(ca, data, expect=1)
    start_job(ca)
    waits = ("DAQ1:Wait", "WF1:Wait", "JOB:Wait")
    begin(ca, *waits)
    with dm.hanging():
        ca.wait_for("State", "Disconnected")
        assert [ca.get(command) for command in waits] == ["Busy"] * 3
    ca.wait_for("State", "Connected")
    assert [ca.get(command) for command in waits] == ["Busy"] * 3
    (data / "a").write_bytes(b"1")
    ca.wait_for("DAQ1:Wait", "Idle")
    assert ca.outcome("DAQ1:Wait")[0] == "OK"
    assert ca.command("WF1:Abort")[0] in ("OK", "Failed")


def test_a_wait_that_begins_while_dm_is_away_waits_for_it(ca: CaClient, dm: Dm, data: Path) -> None:
    start_daq(ca, data, expect=0)
    start_job(ca)
    waits = ("DAQ1:Wait", "WF1:Wait", "JOB:Wait")
    with dm.hanging():
        begin(ca, *waits)
        ca.wait_for("State", "Disconnected")
        assert [ca.get(command) for command in waits] == ["Busy"] * 3
    ca.wait_for("DAQ1:Wait", "Idle")
    assert ca.outcome("DAQ1:Wait")[0] == "OK"
    assert ca.get("JOB:Wait") == "Busy"
    took = ends(ca, ("WF1:Wait", "JOB:Wait"), lambda: ca.put("WF1:Abort", 1))
    assert max(took.values()) < PROMPT_S
    assert ca.outcome("JOB:Wait")[0] == "OK"


def test_what_dm_no_longer_knows_is_lost(ca: CaClient, dm: Dm, data: Path) -> None:
    waits = everything_waits(ca, data)
    dm.kill()
    dm.forget("transfers", [ca.get("DAQ1:ID"), ca.get("UPL1:ID")])
    dm.forget("processing_jobs", [ca.get("WF1:JobID")])
    took = ends(ca, waits, dm.start)
    assert max(took.values()) < 5.0 + PROMPT_S, took  # localdm starts within 5 s here
    for command in ("DAQ1:Wait", "UPL1:Run", "WF1:Wait"):
        group = command.split(":")[0]
        outcome, message = ca.outcome(command)
        assert outcome == "Failed" and "Lost" in message, message
        assert ca.get(f"{group}:Status") == "Lost"
        assert "no longer knows" in ca.get(f"{group}:Error")
        assert ca.severity(f"{group}:Status") == 2
    assert ca.outcome("JOB:Wait") == ("OK", "Wait: no job is active")
    # A slot whose object is lost is free.
    start_daq(ca, data / "daq", expect=0)
    assert ca.command("DAQ1:Wait")[0] == "OK"


def test_abort_gives_up_a_start_that_waits_for_the_slots_own_job(ca: CaClient) -> None:
    start_job(ca)
    job_id = ca.get("WF1:JobID")
    ca.put("WF1:IfRunning", "Wait")
    begin(ca, "WF1:Start")
    took = ends(ca, ("WF1:Start", "WF1:Abort"), lambda: ca.put("WF1:Abort", 1))
    assert max(took.values()) < PROMPT_S
    assert (ca.get("WF1:JobID"), ca.get("WF1:Status")) == (job_id, "Aborted")
    ca.wait_for("JOB:Idle", "Yes")
    # A start with nothing of its own in the slot is given up as well.
    start_job(ca)
    ca.puts("WF2:", Name="long", FilePath="/dev/null", IfRunning="Wait")
    begin(ca, "WF2:Start")
    assert ca.command("WF2:Abort")[0] in ("OK", "Failed")
    ca.wait_for("WF2:Start", "Idle")
    assert ca.get("WF2:Status") == "Idle"
    ca.put("WF2:IfRunning", "Start")
    assert ca.get("JOB:Active") == 1
