"""DM is away: every value from it says so and keeps what it was, the gateway goes on, and all is right soon after DM is back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess, running_gateway
from waiting import wait_until

from dmioc.catalogue import Slots, station_catalogue

DEADLINE_S = 1.0
IDLE_S = 0.5
SLACK_S = 2.0
"""For reading some hundred PVs one after the other, on a machine that does other work too."""
COMM, INVALID = 9, 3
CATALOGUE = station_catalogue(Slots(daq=2, upload=2, workflow=4))
EMPTY_SLOTS = ("DAQ2:", "UPL2:", "WF2:", "WF3:", "WF4:")
FROM_DM = [
    pv.name for pv in CATALOGUE if pv.kind.is_scalar and pv.service is not None and not pv.name.startswith(EMPTY_SLOTS)
]
OWN = [pv.name for pv in CATALOGUE if pv.kind.is_scalar and pv.service is None]
SERVICES = ("DS", "DAQ", "PROC", "CAT")
REST_ALARMS = {"State": 2, **{f"{service}:State": 2 for service in SERVICES}}


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    state = tmp_path_factory.mktemp("gateway")
    config = state / "dmioc.toml"
    config.write_text(f"[dm]\ndeadline_s = {DEADLINE_S}\nconnect_timeout_s = 1\n", "utf-8")
    with running_gateway(state / "state", "--config", str(config)) as process:
        yield process


@pytest.fixture(scope="module")
def dm(gateway: GatewayProcess) -> DmControl:
    return DmControl(gateway.state / "localdm")


@pytest.fixture(scope="module")
def used(ca: CaClient, dm: DmControl, tmp_path_factory: pytest.TempPathFactory) -> CaClient:
    """The first slot of each kind holds something: a DAQ and a job that run, an upload that is done."""
    data = tmp_path_factory.mktemp("data")
    (data / "a.dat").write_bytes(b"a")
    ca.puts("", PollPeriod=0.1, IdlePollPeriod=IDLE_S)
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=secrets.token_hex(4))
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4))
    dm.add_workflow("long", "/bin/sleep 300")
    ca.puts("WF1:", Name="long", FilePath="/dev/null")
    for command in ("DAQ1:Start", "UPL1:Run", "WF1:Start"):
        assert ca.command(command)[0] == "OK", ca.outcome(command)
    ca.connect((*FROM_DM, *OWN))
    return ca


@pytest.fixture
def connected(used: CaClient) -> CaClient:
    used.wait_for("State", "Connected")
    used.wait_for("WF1:Status", "Running")
    assert used.command("Refresh")[0] == "OK"
    wait_until(lambda: max(severities(used, FROM_DM).values()) < INVALID, what="all from DM is valid")
    return used


def readings(ca: CaClient, names: list[str]) -> dict[str, dict[str, Any]]:
    return {name: ca.metadata(name) for name in names}


def severities(ca: CaClient, names: list[str]) -> dict[str, int]:
    return {name: reading["severity"] for name, reading in readings(ca, names).items()}


def all_invalid(ca: CaClient) -> dict[str, dict[str, Any]] | None:
    after = readings(ca, FROM_DM)
    return after if all((one["severity"], one["status"]) == (INVALID, COMM) for one in after.values()) else None


def kept(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """Values and times stayed, but for what the gateway learned between the two looks."""
    moving = {"WF1:RunTime", "WF1:Report", "DAQ1:RunTime"}
    for name in FROM_DM:
        if name not in moving:
            assert str(after[name]["value"]) == str(before[name]["value"]), name
            assert after[name]["timestamp"] == before[name]["timestamp"], name


def own_values_are_well(ca: CaClient) -> None:
    found = severities(ca, OWN)
    assert {name: severity for name, severity in found.items() if severity} == REST_ALARMS


def fast_gets(ca: CaClient) -> None:
    """A get is answered at once while DM hangs."""
    slowest_s = 0.0
    for name in ("WF1:Status", "WF1:Report", "EXP:Users", "Heartbeat", "DAQ1:Options") * 10:
        began = time.monotonic()
        ca.get(name)
        slowest_s = max(slowest_s, time.monotonic() - began)
    assert slowest_s < 0.3  # a loaded machine's; the deadline of DM is longer


def test_hanging_dm(connected: CaClient, dm: DmControl) -> None:
    ca = connected
    before = readings(ca, FROM_DM)
    with dm.hanging():
        began = time.monotonic()
        after = wait_until(lambda: all_invalid(ca), 10.0, what="all from DM is INVALID/COMM")
        took_s = time.monotonic() - began
        assert took_s < 2 * IDLE_S + DEADLINE_S + SLACK_S
        assert after is not None
        kept(before, after)
        own_values_are_well(ca)
        fast_gets(ca)
        assert ca.get("State") == "Disconnected"
        for service in SERVICES:
            assert ca.get(f"{service}:State") == "Disconnected"
            error = ca.get(f"{service}:Error")
            assert "within 1 s" in error and "http://127.0.0.1:" in error
        ca.wait_for("DS:Age", lambda age: age >= 1.0)
        ca.put("WF2:FilePath", "/put/while/dm/hangs")
        assert ca.get("WF2:FilePath") == "/put/while/dm/hangs"
        assert ca.severity("WF2:FilePath") == 0
        began = time.monotonic()
        ca.put("EXP:Name", "demo")
        assert time.monotonic() - began < 2 * DEADLINE_S + 2 * IDLE_S + SLACK_S
        assert ca.get("EXP:State") == "Unverified"
    began = time.monotonic()
    wait_until(lambda: max(severities(ca, FROM_DM).values()) < INVALID, 10.0, what="all is valid again")
    assert time.monotonic() - began < 2 * IDLE_S + SLACK_S
    assert ca.get("State") == "Connected"
    assert ca.get("DS:Error") == ""
    ca.wait_for("EXP:State", "Loaded", timeout_s=2 * IDLE_S + SLACK_S)
    assert (ca.get("DAQ1:Status"), ca.get("WF1:Status")) == ("Running", "Running")


def test_killed_dm_is_started_again_at_the_same_ports(
    connected: CaClient, gateway: GatewayProcess, dm: DmControl
) -> None:
    ca = connected
    urls, job_id, daq_id = dm.urls, ca.get("WF1:JobID"), ca.get("DAQ1:ID")
    old = gateway.localdm()
    began = time.monotonic()
    old.kill()
    wait_until(lambda: all_invalid(ca), 10.0, what="all from DM is INVALID/COMM")
    assert time.monotonic() - began < 2 * IDLE_S + DEADLINE_S + SLACK_S
    ca.wait_for("State", "Connected")
    assert gateway.localdm().pid != old.pid
    assert dm.urls == urls
    ca.wait_for("WF1:Status", lambda _: ca.severity("WF1:Status") < INVALID)
    assert (ca.get("WF1:JobID"), ca.get("DAQ1:ID")) == (job_id, daq_id)
    # The DAQ goes on; the job's process died with DM.
    ca.wait_for("DAQ1:Status", "Running")
    ca.wait_for("WF1:Status", "Failed")
    assert "the local DM ended by itself" in gateway.log()
    # Once more: it is watched as before.
    gateway.localdm().kill()
    ca.wait_for("State", "Disconnected")
    ca.wait_for("State", "Connected")
    assert dm.urls == urls
