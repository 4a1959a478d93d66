"""``db/dmioc.db`` in the C softIoc of EPICS base, read by pyepics: neither was written here."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from waiting import wait_until

from dmioc.catalogue import PV, Kind, station_catalogue
from dmioc.catalogue.records import record_type

DATABASE = Path(__file__).parents[2] / "db" / "dmioc.db"
CATALOGUE = station_catalogue()

READER = """
import json, sys
import epics

prefix, names = json.loads(sys.stdin.readline())
pvs = {name: epics.PV(prefix + name, auto_monitor=False, form="ctrl", connection_timeout=20.0) for name in names}
fields = {name: {} for name in names}
for name, wanted in names.items():
    for field in wanted:
        fields[name][field] = epics.PV(f"{prefix}{name}.{field}", auto_monitor=False, connection_timeout=20.0)
found = {}
for name, pv in pvs.items():
    if not pv.wait_for_connection(20.0):
        sys.exit(f"{prefix}{name} is not there")
    pv.get(with_ctrlvars=True, count=1 if pv.nelm > 1 else None)
    found[name] = {
        "value": pv.get(as_string=True, count=10 if pv.nelm > 1 else None),
        "states": list(pv.enum_strs or ()),
        "units": pv.units or "",
        "precision": pv.precision or 0,
        "limits": [pv.lower_ctrl_limit, pv.upper_ctrl_limit],
        "count": pv.nelm,
        "type": pv.type.split("_")[-1],
        "fields": {field: channel.get(as_string=True) for field, channel in fields[name].items()},
    }
status = pvs["WF1:Status"]
status.put("Failed", wait=True)
found["WF1:Status put"] = [status.get(as_string=True), epics.caget(prefix + "WF1:Status.SEVR", as_string=True)]
print(json.dumps(found))
"""


def free_port() -> int:
    """A port that is free for TCP and UDP on loopback."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_taken(port: int) -> bool:
    """Whether a process listens to the UDP port."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        try:
            udp.bind(("", port))
        except OSError:
            return True
        return False


def loopback_environment() -> dict[str, str]:
    """EPICS on loopback with ports of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")}
    address = "127.0.0.1"
    for name in ("CA_ADDR_LIST", "CAS_INTF_ADDR_LIST", "CAS_BEACON_ADDR_LIST", "PVA_ADDR_LIST", "PVAS_INTF_ADDR_LIST"):
        environment[f"EPICS_{name}"] = address
    environment["EPICS_PVAS_BEACON_ADDR_LIST"] = address
    for name in ("CA_AUTO_ADDR_LIST", "CAS_AUTO_BEACON_ADDR_LIST", "PVA_AUTO_ADDR_LIST", "PVAS_AUTO_BEACON_ADDR_LIST"):
        environment[f"EPICS_{name}"] = "NO"
    for name in ("CA_SERVER_PORT", "CA_REPEATER_PORT", "CAS_BEACON_PORT", "PVA_SERVER_PORT", "PVA_BROADCAST_PORT"):
        environment[f"EPICS_{name}"] = str(free_port())
    return environment


def fields_of(pv: PV) -> list[str]:
    severities = ("ZRSV", "ONSV", "TWSV", "THSV", "FRSV", "FVSV", "SXSV", "SVSV", "EISV", "NISV", "TESV")
    return ["RTYP", "DESC", "ASG", "SEVR", *(severities[: len(pv.states)] if pv.kind is Kind.ENUM else ())]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What pyepics reads of every record, and ``output`` of the softIoc."""
    prefix = f"T{uuid4().hex[:8]}:"
    environment = loopback_environment()
    log_path = tmp_path_factory.mktemp("softioc") / "output"
    with ExitStack() as stack:
        log = stack.enter_context(log_path.open("wb"))
        repeater = stack.enter_context(
            subprocess.Popen(
                [Path(sys.executable).with_name("caproto-repeater"), "--quiet"], env=environment, stdout=log, stderr=log
            )
        )
        stack.callback(repeater.terminate)
        softioc = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "epicscorelibs.ioc", "-m", f"P={prefix}", "-d", DATABASE],
                env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )
        )  # fmt: skip
        stack.callback(softioc.kill)
        repeater_port = int(environment["EPICS_CA_REPEATER_PORT"])
        wait_until(lambda: is_taken(repeater_port), timeout_s=20.0, what="the CA repeater listens")
        wait_until(
            lambda: b"IOC Running" in log_path.read_bytes() or softioc.poll() is not None, 20.0, what="IOC Running"
        )
        assert softioc.poll() is None, log_path.read_text()
        wanted = {pv.name: fields_of(pv) for pv in CATALOGUE.scalars()}
        reader = subprocess.run(
            [sys.executable, "-c", READER], env=environment, input=json.dumps([prefix, wanted]) + "\n",
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert reader.returncode == 0, reader.stderr
        _, _ = softioc.communicate(timeout=10)
        assert softioc.returncode == 0
        yield {**json.loads(reader.stdout), "output": log_path.read_text()}


def test_softioc_says_no_word_of_an_error(loaded: dict[str, Any]) -> None:
    assert "IOC Running" in loaded["output"]
    assert re.findall(r"(?im)^.*(?:error|warning|illegal|can't|unable|invalid).*$", loaded["output"]) == []


def test_every_record_is_there_with_its_type_description_and_access(loaded: dict[str, Any]) -> None:
    for pv in CATALOGUE.scalars():
        fields = loaded[pv.name]["fields"]
        assert fields["RTYP"] == record_type(pv)
        assert fields["DESC"] == pv.description
        assert fields["ASG"] == pv.asg


def test_enums_have_their_states_and_severities(loaded: dict[str, Any]) -> None:
    for pv in CATALOGUE.scalars():
        if not pv.kind.has_states:
            continue
        assert loaded[pv.name]["states"] == list(pv.labels), pv.name
        assert loaded[pv.name]["value"] == pv.labels[int(str(pv.default))], pv.name
        severities = [value for field, value in loaded[pv.name]["fields"].items() if field.endswith("SV")]
        if pv.kind is Kind.ENUM:
            assert severities == [state.severity.name for state in pv.states], pv.name


def test_numbers_have_unit_precision_limits_and_default(loaded: dict[str, Any]) -> None:
    for pv in CATALOGUE.scalars():
        if pv.kind not in (Kind.LONG, Kind.DOUBLE):
            continue
        found = loaded[pv.name]
        assert found["units"] == pv.unit, pv.name
        assert found["precision"] == pv.precision, pv.name
        assert float(found["value"]) == pv.default, pv.name
        if pv.low is not None:
            assert found["limits"][0] == pv.low, pv.name
        if pv.high is not None:
            assert found["limits"][1] == pv.high, pv.name


def test_texts_are_char_waveforms_of_their_length_and_empty(loaded: dict[str, Any]) -> None:
    for pv in CATALOGUE.scalars():
        if pv.kind.is_text:
            found = loaded[pv.name]
            assert (found["count"], found["type"], found["value"]) == (pv.length, "char", ""), pv.name
        elif pv.kind is Kind.STRING:
            assert (loaded[pv.name]["type"], loaded[pv.name]["value"]) == ("string", ""), pv.name


def test_no_record_starts_with_an_alarm_of_its_own(loaded: dict[str, Any]) -> None:
    wrong = {pv.name: loaded[pv.name]["fields"]["SEVR"] for pv in CATALOGUE.scalars()}
    assert {name: severity for name, severity in wrong.items() if severity != "NO_ALARM"} == {}


def test_a_failed_job_is_red(loaded: dict[str, Any]) -> None:
    assert loaded["WF1:Status put"] == ["Failed", "MAJOR"]
