"""``dmioc watch --once`` against a real gateway: what it prints is what another client reads."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from epics_environment import client_environment, server_environment
from gateway_process import CaClient, GatewayProcess, running_gateway
from pva_client import pva_context
from waiting import wait_until

from dmioc.catalogue.overview import SlotKind, slot_overview
from dmioc.watch.readings import Trust
from dmioc.watch.station import Station
from dmioc.watch.view import LinkState

SLOTS = {"DMIOC_SLOTS__DAQ": "1", "DMIOC_SLOTS__UPLOAD": "0", "DMIOC_SLOTS__WORKFLOW": "6", "DMIOC_SLOTS__STREAM": "1"}
NAMES = ["DAQ1", "WF1", "WF2", "WF3", "WF4", "WF5", "WF6", "STR1"]
PROTOCOLS = ("pva", "ca")


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with other numbers of slots than the usual ones."""
    with running_gateway(tmp_path_factory.mktemp("watched") / "state", environment=SLOTS) as process:
        yield process


@pytest.fixture(scope="module")
def worked(ca: CaClient, tmp_path_factory: pytest.TempPathFactory) -> CaClient:
    """The gateway after a DAQ of two files, a job that is done, and one that has failed."""
    data = tmp_path_factory.mktemp("data")
    for number in (1, 2):
        (data / f"scan_{number}.dat").write_text("data\n", "utf-8")
    ca.puts("DAQ1:", DataDirectory=str(data), Options='{"processExistingFiles": true}', Expect=2)
    ca.command("DAQ1:Start")
    ca.command("DAQ1:Wait")
    ca.puts("WF1:", Name="example-01", FilePath=str(data / "scan_1.dat"))
    ca.puts("WF6:", Name="example-01", FilePath="")
    assert ca.command("WF1:Run")[0] == "OK"
    assert ca.command("WF6:Run")[0] == "Failed"
    return ca


def watch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One run of the command."""
    return subprocess.run(
        [sys.executable, "-m", "dmioc", "watch", *arguments],
        env=os.environ | client_environment() | {"PYTHONIOENCODING": "utf-8"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@functools.cache
def told(protocol: str, gateway: GatewayProcess) -> dict[str, Any]:
    """What ``--once --json`` says; asked once."""
    finished = watch(gateway.prefix, "--once", "--json", "--protocol", protocol)
    assert (finished.returncode, finished.stderr) == (0, "")
    return json.loads(finished.stdout)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_json_holds_what_another_client_reads(protocol: str, gateway: GatewayProcess, worked: CaClient) -> None:
    found = told(protocol, gateway)
    assert (found["prefix"], found["connected"], list(found["slots"])) == (gateway.prefix, True, NAMES)
    read = {f"{slot}:{name}": value for slot, values in found["slots"].items() for name, value in values.items()}
    read |= {f"EXP:{name}": value for name, value in found["experiment"].items()}
    steady = {name: value for name, value in read.items() if not name.endswith(("RunTime", "Rate", "Age"))}
    assert len(steady) > 70
    worked.connect(steady)
    for name, value in steady.items():
        expected = worked.get(name)
        shown = "\n".join(value["value"]) if isinstance(value["value"], list) else value["value"]
        assert shown == (pytest.approx(expected) if isinstance(expected, float) else expected), name
        assert (value["connected"], value["severity"]) == (True, ("NO_ALARM", "MINOR", "MAJOR")[worked.severity(name)])
    assert found["services"]["PROC"]["State"]["value"] == "Connected"
    assert found["active"]["DAQ:Active"]["value"] == 1


def test_messages_come_over_both_protocols(gateway: GatewayProcess, worked: CaClient) -> None:
    with pva_context() as context:
        table = context.get(f"{gateway.prefix}Messages")["value"]
    all_of_them, newest = told("pva", gateway)["messages"], told("ca", gateway)["messages"]
    assert [one["message"] for one in reversed(all_of_them)] == list(table.message)
    assert [one["severity"] for one in all_of_them].count("MAJOR") == list(table.severity).count("MAJOR")
    assert [(one["source"], one["message"]) for one in newest] == [(table.source[-1], table.message[-1])]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_text_fits_80_columns_and_says_alarms_in_words(
    protocol: str, gateway: GatewayProcess, worked: CaClient
) -> None:
    finished = watch(gateway.prefix, "--once", "--protocol", protocol)
    lines = finished.stdout.splitlines()
    assert finished.returncode == 0
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in finished.stdout
    assert gateway.prefix in lines[0] and "gateway Connected" in lines[0]
    by_slot = {one.split()[0]: one for one in lines if one.split() and one.split()[0] in NAMES}
    assert list(by_slot) == NAMES
    assert by_slot["DAQ1"].split()[1] == "Running" and " 2/2 " in by_slot["DAQ1"] and "100.0%" in by_slot["DAQ1"]
    assert by_slot["WF1"].split()[1] == "Done" and "06-DONE" in by_slot["WF1"] and "example-01" in by_slot["WF1"]
    assert by_slot["WF6"].split()[1:3] == ["Failed", "MAJOR"]
    assert by_slot["WF2"].split()[1:] == ["Idle"]
    # Columns stand below their captions.
    captions = next(one for one in lines if one.startswith("Jobs"))
    assert by_slot["WF1"].index("6/6") == captions.index("stage")


def test_prefix_comes_from_the_environment_and_ascii_is_enough(gateway: GatewayProcess, worked: CaClient) -> None:
    finished = watch("--once", DMIOC_PREFIX=gateway.prefix, PYTHONIOENCODING="ascii")
    assert finished.returncode == 0 and finished.stdout.isascii()
    assert "##########" in finished.stdout


@pytest.mark.parametrize(("protocol", "variable"), [("pva", "EPICS_PVA_ADDR_LIST"), ("ca", "EPICS_CA_ADDR_LIST")])
def test_no_gateway_is_told_in_time(protocol: str, variable: str) -> None:
    began = time.monotonic()
    finished = watch("T-NOBODY:", "--once", "--protocol", protocol, "--timeout", "0.5")
    assert time.monotonic() - began < 8
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("dmioc: T-NOBODY:State does not answer over ")
    assert finished.stderr.count("\n") == 1 and "within 0.5 s" in finished.stderr


def test_gateway_that_hangs_is_not_taken_for_fresh(gateway: GatewayProcess, worked: CaClient) -> None:
    """It answers nothing and its connections stay: only its heartbeat tells."""
    stations = [Station(gateway.prefix, protocol) for protocol in PROTOCOLS]
    process = psutil.Process(gateway.process.pid)
    wait_until(lambda: all(one.view().is_connected for one in stations), what="both watch")
    wf1 = slot_overview(SlotKind.WORKFLOW, 1).head
    wait_until(lambda: all(one.view().reading(wf1).trust is Trust.FRESH for one in stations), what="WF1 is fresh")
    process.suspend()
    try:
        finished = watch(gateway.prefix, "--once", "--timeout", "0.5")
        assert (finished.returncode, finished.stdout) == (1, "")
        wait_until(lambda: all(one.view().link is LinkState.SILENT for one in stations), what="both are silent")
        assert [one.view().reading(wf1).trust for one in stations] == [Trust.DISCONNECTED] * 2
        assert [one.view().content(wf1) for one in stations] == ["Done"] * 2
    finally:
        process.resume()
    wait_until(lambda: all(one.view().is_connected for one in stations), what="both are back")
    for one in stations:
        one.close()


def test_wrong_use_is_told_in_one_line(gateway: GatewayProcess) -> None:
    for arguments, words in (((), "needs a terminal"), (("--json",), "--json goes with --once")):
        finished = watch(gateway.prefix, *arguments)
        assert finished.returncode == 2 and words in finished.stderr and finished.stderr.count("\n") == 1


def test_reader_that_goes_away_makes_no_traceback(gateway: GatewayProcess, worked: CaClient, tmp_path: Path) -> None:
    command = f"{sys.executable} -m dmioc watch {gateway.prefix} --once --json 2>{tmp_path / 'err'} | true"
    subprocess.run(["sh", "-c", command], env=os.environ | client_environment(), timeout=30, check=True)
    assert (tmp_path / "err").read_text("utf-8") == ""


def test_ctrl_c_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dmioc", "watch", "T-NOBODY:", "--once", "--timeout", "20"],
        env=os.environ | client_environment() | server_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: psutil.Process(process.pid).net_connections("udp"), what="it searches")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130
