"""The gateway goes away: whoever waits is told in finite time, nothing old is shown, and all is right when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dm_control import DmControl
from gateway_process import GatewayProcess, running_gateway
from waiting import wait_until

from dmioc.errors import GatewayLostError, InterruptedCommandError, RefusedError, WaitTimeoutError

if TYPE_CHECKING:
    from dmioc.devices import DMWorkflows, DMWorkflowSlot

FINITE_S = 12.0
BACK_S = 40.0


@pytest.fixture
def gateway(repeater: None, tmp_path: Path) -> Iterator[GatewayProcess]:
    """One for each test: libca looks ever more seldom for the channels of one that was away."""
    with running_gateway(tmp_path / "state") as process:
        yield process


@pytest.fixture
def bank(gateway: GatewayProcess) -> Iterator[DMWorkflows]:
    """The first workflow slot, connected."""
    from dmioc.devices import DMWorkflows

    device = DMWorkflows(gateway.prefix, name="workflows", slots=1)
    try:
        device.wait_for_connection(timeout=30)
        yield device
    finally:
        device.destroy()


@pytest.fixture
def running(bank: DMWorkflows, gateway: GatewayProcess) -> tuple[DMWorkflowSlot, Any]:
    """A slot whose ``Run`` is under way, and its status."""
    slot = bank.slots[0]
    DmControl(gateway.state / "localdm").add_workflow("slow", "/bin/sleep 30")
    slot.name_.set("slow").wait(10)
    slot.file_path.set("/dev/null").wait(10)
    status = slot.run.set(1)
    wait_until(lambda: slot.status.get() == "Running")
    return slot, status


def ends_with(status: Any, kind: type[Exception], text: str) -> None:
    error = status.exception(timeout=FINITE_S + BACK_S)
    assert isinstance(error, kind) and text in str(error), repr(error)


def test_killed_and_not_back(bank: DMWorkflows, gateway: GatewayProcess, running: tuple[DMWorkflowSlot, Any]) -> None:
    slot, status = running
    slot.run.lost_after_s = 1.0
    began_s = time.monotonic()
    gateway.kill()
    ends_with(status, GatewayLostError, f"Run: the gateway is away since the command was put ({slot.run.pvname})")
    assert 1.0 <= time.monotonic() - began_s < FINITE_S
    nothing_old_is_shown(bank, slot)


def nothing_old_is_shown(bank: DMWorkflows, slot: DMWorkflowSlot) -> None:
    began_s = time.monotonic()
    for device in (slot, bank, slot.status):
        with pytest.raises(Exception, match=r"\S+:\S+ is not connected: is the gateway running\?"):
            device.read()
    with pytest.raises(Exception, match="is not connected"):
        slot.read_configuration()
    with pytest.raises(TimeoutError, match=slot.status.pvname):
        slot.status.get(connection_timeout=0.5)
    assert slot.describe()[slot.status.name]["dtype"] == "string"
    assert "wf1" in repr(slot) and slot.hints == {"fields": [slot.percent.name]}
    statuses = slot.concise.set("Yes"), slot.start.set(1)
    for status in statuses:
        ends_with(status, GatewayLostError, slot.prefix)
    assert time.monotonic() - began_s < FINITE_S


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_started_anew(gateway: GatewayProcess, running: tuple[DMWorkflowSlot, Any], ending: str) -> None:
    slot, status = running
    getattr(gateway, ending)()
    gateway.start()
    ends_with(status, InterruptedCommandError, "Run: ")
    wait_until(lambda: slot.connected, BACK_S)
    # A stopped gateway stops its local DM, and with it the job.
    wait_until(lambda: slot.status.get() == ("Running" if ending == "kill" else "Failed"), what="the job's state")
    # It may be carrying the command out again, which only finds its job.
    wait_until(lambda: slot.run.get() == "Idle")


def test_timeout_while_it_is_away(gateway: GatewayProcess, running: tuple[DMWorkflowSlot, Any]) -> None:
    slot, first = running
    waiting = slot.wait.set(1, timeout=2.0)
    wait_until(lambda: slot.wait.get() == "Busy")
    gateway.kill()
    ends_with(waiting, WaitTimeoutError, "Wait: ")
    assert not first.done, "it may be away for longer"
    gateway.start()
    ends_with(first, InterruptedCommandError, "Run: ")


def test_destroyed_meanwhile(gateway: GatewayProcess, running: tuple[DMWorkflowSlot, Any]) -> None:
    from dmioc.devices import DMWorkflowSlot

    slot, _ = running
    other = DMWorkflowSlot(slot.prefix, name="other")
    other.wait_for_connection(timeout=30)
    with pytest.raises(RefusedError, match="Run: busy"):
        other.run.set(1).wait(10)
    status = other.wait.set(1)
    wait_until(lambda: slot.wait.get() == "Busy")
    other.destroy()
    ends_with(status, GatewayLostError, "Wait: ")
