"""What the real gateway serves is what the catalogue says, and its own values are right."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract_check import contract_violations
from epics_environment import free_port
from gateway_monitor import values, watched
from gateway_process import CaClient, GatewayProcess, running_gateway
from waiting import wait_until

from dmioc import __version__
from dmioc.catalogue import Kind, Slots, station_catalogue

CATALOGUE = station_catalogue(Slots(2, 2, 4))


def test_every_pv_is_as_the_catalogue_says(gateway: GatewayProcess) -> None:
    assert contract_violations(gateway.prefix, CATALOGUE) == []


def test_number_of_slots_is_that_of_the_settings(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Of two servers at one UDP port only one would be found.
    port = free_port()
    ports = {"EPICS_CA_SERVER_PORT": str(port), "EPICS_CAS_SERVER_PORT": str(port)}
    settings = {"DMIOC_SLOTS__DAQ": "1", "DMIOC_SLOTS__UPLOAD": "0", "DMIOC_SLOTS__WORKFLOW": "12"}
    with running_gateway(tmp_path_factory.mktemp("slots") / "state", environment=settings | ports) as other:

        def get(*names: str, timeout_s: str = "10") -> list[str]:
            done = subprocess.run(
                [str(Path(sys.executable).with_name("caproto-get")), "--no-repeater", "--terse", "--timeout", timeout_s]
                + [f"{other.prefix}{name}" for name in names],
                env=os.environ | ports,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            return done.stdout.split()

        assert get("PVCount", "WF12:Status") == [str(len(station_catalogue(Slots(1, 0, 12)))), "Idle"]
        assert get("DAQ2:Status", timeout_s="0.5")[:2] == ["Timed", "out"]


def test_values_of_the_gateway(gateway: GatewayProcess, ca: CaClient) -> None:
    texts = {name: ca.get(name) for name in ("Station", "Owner", "Backend", "Version", "Host")}
    host = platform.node()[:39]
    assert texts == {"Station": "DEMO", "Owner": "dmioc", "Backend": "local", "Version": __version__, "Host": host}
    assert (ca.get("Pid"), ca.get("PVCount")) == (gateway.process.pid, len(CATALOGUE))
    started = datetime.fromisoformat(ca.get("StartTime"))
    uptime_s = (datetime.now(UTC) - started).total_seconds()
    assert ca.get("Uptime") == pytest.approx(uptime_s, abs=2.5)
    assert ca.get("Memory") == pytest.approx(memory_mb(gateway.process.pid), rel=0.3)
    assert 0 < ca.get("Fds") < 200
    assert ca.get("Control") == "Enabled"
    for service in ("DS", "DAQ", "PROC", "CAT"):
        ca.wait_for(f"{service}:State", "Connected")
        assert ca.get(f"{service}:Error") == ""
        assert ca.get(f"{service}:Latency") > 0
        assert 0 <= ca.get(f"{service}:Age") < 10
    ca.wait_for("State", "Connected")
    assert ca.severity("State") == 0


def memory_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_heartbeat_counts_once_a_second(ca: CaClient) -> None:
    with watched(f"{ca.prefix}Heartbeat") as beats, watched(f"{ca.prefix}Uptime") as uptimes:
        wait_until(lambda: len(beats) >= 5, what="five beats")
    numbers, times = values(beats), [event.time_s for event in beats]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert times[-1] - times[0] == pytest.approx(len(times) - 1, abs=0.5)
    assert abs(times[-1] - time.time()) < 10, "time stamps are POSIX time"
    assert values(uptimes) == sorted(values(uptimes))


def test_requests_revision_and_clients_are_counted(gateway: GatewayProcess, ca: CaClient) -> None:
    requests, revision, clients = (ca.get(name) for name in ("Requests", "Revision", "CAClients"))
    assert clients >= 1
    errors = ca.get("RequestErrors")
    assert ca.command("Refresh")[0] == "OK"
    ca.wait_for("Requests", lambda count: count > requests)
    assert ca.get("Revision") > revision
    assert ca.get("RequestErrors") == errors
    code = "import sys, epics; print(epics.caget(sys.argv[1]), flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, f"{ca.prefix}Heartbeat"],
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert other.stdin is not None
    try:
        ca.wait_for("CAClients", clients + 1)
    finally:
        other.stdin.close()
        other.wait(timeout=30)
    ca.wait_for("CAClients", clients)


def test_idle_slots_have_no_alarm(ca: CaClient) -> None:
    for pv in CATALOGUE.scalars():
        if pv.name.endswith((":Status", ":FilesTotal", ":CmdStatus", ":ID", ":JobID")):
            assert ca.severity(pv.name) == 0, pv.name


def test_texts_at_the_start_are_empty_not_missing(ca: CaClient) -> None:
    for pv in CATALOGUE.group("WF4:"):
        if pv.kind in (Kind.TEXT, Kind.STRING) and pv.short_name not in ("Owner", "CmdMessage"):
            assert ca.get(pv.name) == "", pv.name


def test_disabled_control_refuses_every_command(ca: CaClient) -> None:
    commands = [pv.name for pv in CATALOGUE if pv.kind is Kind.COMMAND]
    assert len(commands) > 20
    ca.put("Control", "Disabled")
    try:
        for name in commands:
            ca.put(name, 1)
            group = next(pv.group for pv in CATALOGUE if pv.name == name)
            group = group if f"{group}CmdStatus" in CATALOGUE else group.partition(":")[0] + ":"
            assert ca.get(f"{group}CmdStatus") == "Refused", name
            assert "Control is Disabled" in ca.get(f"{group}CmdMessage"), name
            assert ca.get(name) == "Idle"
    finally:
        ca.put("Control", "Enabled")
    assert ca.command("Refresh")[0] == "OK"


def test_every_setpoint_reads_back_what_was_put(ca: CaClient) -> None:
    for pv in CATALOGUE.scalars():
        if not pv.writable or pv.kind is Kind.COMMAND or pv.name in ("Control", "EXP:Index", "EXP:Name"):
            continue
        if pv.kind.is_text or pv.kind is Kind.STRING:
            value: object = "a text of 30 characters, just so"[: pv.length or 39]
        elif pv.kind.has_states:
            value = pv.labels[-1]
        else:
            value = min(7, int(pv.high or 7)) if pv.kind is Kind.LONG else min(7.25, pv.high or 7.25)
        ca.put(pv.name, value)
        assert ca.get(pv.name) == value, pv.name
        assert ca.severity(pv.name) == 0, pv.name
