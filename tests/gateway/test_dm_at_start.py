"""A gateway whose DM, or a part of it, is not there when it starts."""

from __future__ import annotations

import time
from pathlib import Path

from gateway_process import CaClient, running_gateway
from localdm_process import LocalDmProcess, start_localdm

INVALID = 3
AT_ONCE_S = 3.0
"""Without waiting for the deadline of a request, on a machine that does other work too."""
SERVICES = ("DS", "DAQ", "PROC", "CAT")


def test_one_service_away_is_degraded(repeater: None, tmp_path: Path) -> None:
    localdm = start_localdm(tmp_path / "dm")
    try:
        environment = localdm.environment | {"DM_CAT_WEB_SERVICE_URL": "http://127.0.0.1:9"}
        with running_gateway(tmp_path / "state", environment=environment) as gateway:
            ca = CaClient(gateway.prefix)
            ca.puts("", IdlePollPeriod=0.1)
            ca.put("EXP:Name", "demo")
            assert ca.get("EXP:State") == "Loaded"
            ca.wait_for("State", "Degraded")
            assert ca.severity("State") == 1
            assert (ca.get("CAT:State"), ca.get("DS:State")) == ("Disconnected", "Connected")
            assert "connection refused" in ca.get("CAT:Error")
            assert ca.severity("EXP:FileCount") == INVALID
            assert ca.severity("EXP:ID") == 0
            ca.close(clear_channels=True)
    finally:
        end(localdm)


def end(localdm: LocalDmProcess) -> None:
    localdm.stop()
    if localdm.process.stdout is not None:
        localdm.process.stdout.close()


NEED_DM = ("DAQ1:Start", "UPL1:Start", "UPL1:Run", "WF1:Start", "WF1:Run", "WF1:Attach", "EXP:New:Create", "MD:Send")


def without_dm_every_command_says_so_at_once(ca: CaClient, data: Path) -> None:
    ca.puts("DAQ1:", DataDirectory=str(data))
    ca.puts("UPL1:", SourcePath=str(data))
    ca.puts("WF1:", Name="example-01", AttachID="some-job")
    ca.put("EXP:New:Name", "fresh")
    ca.puts("MD:", RunUID="0123456789", JSON='{"a": 1}')
    for command in NEED_DM:
        began = time.monotonic()
        state, message = ca.command(command)
        assert time.monotonic() - began < AT_ONCE_S
        assert state == "Refused", (command, message)
        assert "connection refused" in message and "http://127.0.0.1:" in message
    state, message = ca.command("Refresh")
    assert state == "Failed"
    for service in SERVICES[:3]:
        assert f"DM {service}" in message
    for name in ("DAQ1:Status", "UPL1:Status", "WF1:Status"):
        assert (ca.get(name), ca.severity(name)) == ("Idle", 0)


def test_a_gateway_that_starts_before_its_dm(repeater: None, tmp_path: Path, data: Path) -> None:
    localdm = start_localdm(tmp_path / "dm")
    environment = localdm.environment
    end(localdm)
    with running_gateway(tmp_path / "state", environment=environment) as gateway:
        ca = CaClient(gateway.prefix)
        ca.puts("", IdlePollPeriod=0.2)
        ca.wait_for("State", "Disconnected")
        assert ca.get("Backend") == "rest"
        assert "connection refused" in ca.get("DS:Error")
        began = time.monotonic()
        ca.put("EXP:Name", "demo")
        assert time.monotonic() - began < AT_ONCE_S
        assert ca.get("EXP:State") == "Unverified"
        without_dm_every_command_says_so_at_once(ca, data)
        localdm = start_localdm(tmp_path / "dm")
        try:
            assert localdm.environment == environment
            ca.wait_for("EXP:State", "Loaded")
            ca.wait_for("State", "Connected")
            assert ca.get("EXP:Name") == "demo"
            assert ca.get("Owner") == localdm.username
            assert ca.command("DAQ1:Start")[0] == "OK"
            assert ca.command("DAQ1:Stop")[0] == "OK"
        finally:
            end(localdm)
        ca.close(clear_channels=True)
