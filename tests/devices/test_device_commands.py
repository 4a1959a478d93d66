"""Commands: done only when the gateway says OK, else failed with its reason, also where several clients use one slot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess
from waiting import wait_until

from dmioc.errors import CommandFailedError, RefusedError, WaitTimeoutError

if TYPE_CHECKING:
    from dmioc.devices import DMStation, DMWorkflowSlot


@pytest.fixture
def file(data: Path) -> Path:
    path = data / "scan.dat"
    path.write_bytes(b"one line of data\n")
    return path


@pytest.fixture
def slow(station: DMStation, gateway: GatewayProcess) -> str:
    """A workflow that takes its time."""
    DmControl(gateway.state / "localdm").add_workflow("slow", "/bin/sleep 30")
    return "slow"


def prepared(slot: DMWorkflowSlot, workflow: str, file_path: str = "/dev/null") -> DMWorkflowSlot:
    for signal, value in ((slot.name_, workflow), (slot.file_path, file_path), (slot.args, ""), (slot.request_id, "")):
        signal.set(value).wait(10)
    return slot


def test_run_to_done(station: DMStation, file: Path) -> None:
    slot = prepared(station.workflows.wf1, "example-01", str(file))
    slot.run.set(1).wait(30)
    # All that the command did is read without waiting for it.
    assert slot.status.get() == "Done"
    assert slot.job_id.get() and slot.percent.get() == 100.0
    assert slot.run.get() == "Idle"
    assert slot.std_out.get() is not None and "example" not in slot.std_err.get()
    assert slot.report_.get()


def test_trigger_runs(station: DMStation) -> None:
    before = station.cmd_count.get()
    station.refresh.trigger().wait(20)
    assert station.cmd_count.get() == before + 1
    assert station.cmd_message.get() == "Refresh: everything was polled"


def test_run_of_a_job_that_fails(station: DMStation) -> None:
    slot = prepared(station.workflows.wf1, "example-01", "")
    with pytest.raises(CommandFailedError, match=r"^Run: .*Invalid input file specification") as caught:
        slot.run.set(1).wait(30)
    assert str(caught.value) == slot.cmd_message.get()
    assert slot.status.get() == "Failed"


def test_refused_by_dm(station: DMStation) -> None:
    slot = prepared(station.workflows.wf1, "no-such-workflow")
    with pytest.raises(RefusedError, match=r"^Start: .*no-such-workflow"):
        slot.start.set(1).wait(30)


def test_command_of_a_part(station: DMStation) -> None:
    station.experiment.new.name_.set("demo").wait(10)
    with pytest.raises(RefusedError, match=r"^New:Create: .*demo"):
        station.experiment.new.create.set(1).wait(30)


@pytest.mark.parametrize("value", [0, 2, "Idle", None, "1"])
def test_other_values_are_refused(station: DMStation, value: Any) -> None:
    with pytest.raises(RefusedError, match="Refresh is a command: it takes 1"):
        station.refresh.set(value).wait(10)


def test_disabled(station: DMStation) -> None:
    station.control.set("Disabled").wait(10)
    try:
        with pytest.raises(RefusedError, match=r"^Wait: Control is Disabled"):
            station.jobs.wait.set(1).wait(10)
    finally:
        station.control.set("Enabled").wait(10)


def test_timeout_leaves_the_command_alone(station: DMStation, slow: str) -> None:
    slot = prepared(station.workflows.wf2, slow)
    began_s = time.monotonic()
    with pytest.raises(WaitTimeoutError, match=r"^Run: .*WF2:Run has not ended within 0.5 s; it goes on"):
        slot.run.set(1, timeout=0.5).wait(30)
    assert time.monotonic() - began_s < 5.0
    assert slot.run.get() == "Busy"
    slot.abort.set(1).wait(30)
    wait_until(lambda: slot.run.get() == "Idle")
    assert slot.status.get() == "Aborted"


def test_timeout_of_run_is_that_of_the_slot(station: DMStation, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dmioc.devices.commands.MARGIN_S", 0.2)
    slot = prepared(station.workflows.wf2, slow)
    slot.start.set(1).wait(30)
    slot.wait_timeout.set(0.5).wait(10)
    try:
        # The gateway's own time-out comes first.
        with pytest.raises(CommandFailedError, match=r"^Wait: .*0\.5 s"):
            slot.wait.set(1).wait(30)
    finally:
        slot.wait_timeout.set(86400.0).wait(10)
        slot.abort.set(1).wait(30)


def test_second_put_is_refused_and_the_first_goes_on(station: DMStation, slow: str) -> None:
    slot = prepared(station.workflows.wf2, slow)
    first = slot.run.set(1)
    wait_until(lambda: slot.status.get() == "Running")
    count = slot.cmd_count.get()
    with pytest.raises(RefusedError, match=r"^Run: busy: .*WF2:Run is still running"):
        slot.run.set(1).wait(10)
    with pytest.raises(RefusedError, match=r"^Start: busy: another command is still running \(Run: is running\)"):
        slot.start.set(1).wait(10)
    assert not first.done and slot.cmd_count.get() == count
    abort = slot.abort.set(1)
    with pytest.raises(CommandFailedError, match=r"^Run: .*Aborted"):
        first.wait(30)
    abort.wait(30)


def test_outcomes_of_other_commands_are_not_ours(station: DMStation, gateway: GatewayProcess, slow: str) -> None:
    """While our command runs another client's ones in the same group end well and badly."""
    slot = prepared(station.workflows.wf3, slow)
    other = CaClient(gateway.prefix)
    try:
        ours = slot.run.set(1)
        wait_until(lambda: slot.status.get() == "Running")
        other.put("WF3:WaitTimeout", 0.2)
        state, message = other.command("WF3:Wait")
        assert state == "Failed" and message.startswith("Wait: ")
        other.put("WF3:WaitTimeout", 600)
        other.put("WF3:Wait", 1, wait=False)
        other.wait_for("WF3:Wait", "Busy")
        assert not ours.done
        other.put("WF3:Abort", 1)
        with pytest.raises(CommandFailedError, match=r"^Run: .*Aborted"):
            ours.wait(30)
        other.wait_for("WF3:Wait", "Idle")
    finally:
        other.put("WF3:WaitTimeout", 86400)
        other.close()


def test_command_of_another_client_in_the_way(station: DMStation, gateway: GatewayProcess, slow: str) -> None:
    slot = prepared(station.workflows.wf3, slow)
    other = CaClient(gateway.prefix)
    try:
        other.put("WF3:Run", 1, wait=False)
        other.wait_for("WF3:Status", "Running")
        with pytest.raises(RefusedError, match=r"^Run: busy"):
            slot.run.set(1).wait(10)
        with pytest.raises(RefusedError, match=r"^Start: busy"):
            slot.start.set(1).wait(10)
        slot.abort.set(1).wait(30)
    finally:
        other.close()


def test_daq_and_upload(station: DMStation, data: Path) -> None:
    daq = station.daqs.daq1
    daq.data_directory.set(str(data)).wait(10)
    daq.expect.set(1).wait(10)
    daq.start.set(1).wait(30)
    (data / "a.dat").write_bytes(b"a")
    daq.wait.set(1).wait(30)
    assert daq.status.get() == "Running" and daq.files_done.get() == 1
    daq.stop_.set(1).wait(30)
    assert daq.status.get() == "Done"
    upload = station.uploads.upl1
    upload.source_path.set(str(data / "nothing")).wait(10)
    with pytest.raises((RefusedError, CommandFailedError), match=r"^Run: "):
        upload.run.set(1).wait(30)
    upload.source_path.set(str(data)).wait(10)
    upload.dest_directory.set("uploaded").wait(10)
    upload.run.set(1).wait(30)
    assert upload.status.get() == "Done" and upload.files_failed.get() == 0


def test_many_at_once(station: DMStation, file: Path) -> None:
    """Every slot by itself, and more waits than ophyd has threads."""
    slots = [prepared(slot, "example-01", str(file)) for slot in station.workflows.slots]
    statuses = [slot.run.set(1) for slot in slots] + [station.jobs.wait.set(1), station.refresh.set(1)]
    for status in statuses:
        status.wait(40)
    assert {slot.status.get() for slot in slots} == {"Done"}
    assert len({slot.job_id.get() for slot in slots}) == len(slots)


def test_command_needs_a_group() -> None:
    from dmioc.devices.commands import CommandSignal

    signal = CommandSignal("NOBODY:WF1:Start", name="alone")
    try:
        with pytest.raises(TypeError, match="NOBODY:WF1:Start has to be a component of a CommandGroup"):
            _ = signal.group
    finally:
        signal.destroy()


def test_outcomes_that_came_together() -> None:
    """Two commands that end at once: status by status, message by message, count by count; their times tell them apart."""
    from dmioc.devices import DMWorkflowSlot

    slot = DMWorkflowSlot("NOBODY:WF1:", name="nobody")
    try:
        slot.cmd_status.events.extend([(1.0, "Failed"), (2.0, "OK")])
        slot.cmd_message.events.extend([(1.0, "Run: job 7 is Aborted"), (2.0, "Abort: job 7 is Aborted")])
        slot.cmd_count.events.extend([(1.0, 4), (2.0, 5)])
        run, abort = slot.outcome_of("Run", 3, 5), slot.outcome_of("Abort", 3)
        assert run is not None and (run.status, run.message) == ("Failed", "Run: job 7 is Aborted")
        assert abort is not None and abort.status == "OK"
        assert slot.outcome_of("Run", 4, 5) is None, "it was counted before"
        assert slot.outcome_of("Abort", 3, 4) is None, "it was counted after"
        assert slot.outcome_of("Start", 3, 5) is None
        assert (slot.counted(3, 5), slot.counted(1, 5)) == (2, 2)
    finally:
        slot.destroy()
