"""Parts of ``dmioc check`` that need no DM: ports, address lists, clocks, directories."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dmioc.check.addresses import clients
from dmioc.check.findings import Report, Result, fail, ok, warning
from dmioc.check.host import Place, holder, ports, state_directory
from dmioc.check.services import clock
from dmioc.dm.probe import Probe
from dmioc.model import Service


def place(port: int = 5064, is_fixed: bool = False, *interfaces: str) -> Place:
    return Place("Channel Access", "ca", interfaces or ("127.0.0.1",), port, port, is_fixed)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = ports(place(port), is_running=False)
        assert found.result is Result.WARNING and "another server has the TCP port" in found.text
        found = ports(place(port, True), is_running=False)
        assert found.result is Result.FAIL and "already in use" in found.text and "[ca]" in found.remedy
        assert ports(place(port), is_running=True).result is Result.OK
    assert ports(place(port), is_running=False).result is Result.OK


def test_an_interface_of_another_host() -> None:
    found = ports(place(5064, False, "192.0.2.1"), is_running=False)
    assert found.result is Result.FAIL and "192.0.2.1" in found.text and "interfaces of [ca]" in found.remedy


ADDRESSES = [
    ({}, ("127.0.0.1",), "warning", "EPICS_CA_ADDR_LIST=127.0.0.1"),
    ({"EPICS_CA_ADDR_LIST": "127.0.0.1", "EPICS_CA_AUTO_ADDR_LIST": "NO"}, ("127.0.0.1",), "OK", ""),
    ({"EPICS_CA_ADDR_LIST": "localhost"}, ("127.0.0.1",), "OK", ""),
    ({"EPICS_CA_ADDR_LIST": "10.0.0.255"}, ("127.0.0.1",), "warning", "EPICS_CA_ADDR_LIST=127.0.0.1"),
    ({}, ("0.0.0.0",), "OK", ""),
    ({"EPICS_CA_AUTO_ADDR_LIST": "no"}, ("0.0.0.0",), "warning", "EPICS_CA_ADDR_LIST=127.0.0.1"),
    ({"EPICS_CA_AUTO_ADDR_LIST": "NO"}, ("10.0.0.5",), "warning", "EPICS_CA_ADDR_LIST=10.0.0.5"),
    ({"EPICS_CA_ADDR_LIST": "10.0.0.5", "EPICS_CA_AUTO_ADDR_LIST": "NO"}, ("10.0.0.5",), "OK", ""),
    ({"EPICS_CA_SERVER_PORT": "5070"}, ("0.0.0.0",), "warning", "EPICS_CA_SERVER_PORT=5064"),
]


@pytest.mark.parametrize(("variables", "interfaces", "result", "remedy"), ADDRESSES)
def test_address_lists_of_clients(
    variables: dict[str, str], interfaces: tuple[str, ...], result: str, remedy: str
) -> None:
    (found,) = clients(place(5064, False, *interfaces), variables, is_station=False)
    assert found.result.value == result
    assert remedy in found.remedy


def test_a_station_that_is_served_to_its_own_host_only() -> None:
    variables = {"EPICS_CA_ADDR_LIST": "127.0.0.1"}
    _, found = clients(place(), variables, is_station=True)
    assert found.result is Result.WARNING and '[ca] interfaces = ["0.0.0.0"]' in found.remedy
    assert len(clients(place(5064, False, "0.0.0.0"), variables, is_station=True)) == 1


@pytest.mark.parametrize(
    ("ahead_s", "result", "words"),
    [
        (0.4, "OK", "within 1 s"),
        (-4.2, "OK", "within 4 s"),
        (61.0, "warning", "61 s ahead of"),
        (-9.0, "warning", "9 s behind"),
    ],
)
def test_clocks(ahead_s: float, result: str, words: str) -> None:
    found = clock(Service.DS, Probe(0.1, 0.1, 200, ahead_s=ahead_s))
    assert found.result.value == result and words in found.text
    assert clock(Service.DS, Probe(0.1, 0.1, 200)).text == "not told"


def test_state_directories(tmp_path: Path) -> None:
    assert "can be made" in state_directory(tmp_path / "a" / "b").text
    assert "can be written" in state_directory(tmp_path).text
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        assert state_directory(path).result is Result.FAIL and "is no directory" in state_directory(path).text
    (tmp_path / "lock").write_text(str(os.getpid()))
    assert holder(tmp_path) == os.getpid() and f"pid {os.getpid()}" in state_directory(tmp_path).text
    for content in ("", "x", str(2**22 + 1)):  # the last one is above every pid of Linux
        (tmp_path / "lock").write_text(content)
        assert holder(tmp_path) == 0


def test_the_report() -> None:
    report = Report(
        (ok("one", "well"), warning("a second one", "so\nso", "do this", seconds=1.5), fail("third", "bad"))
    )
    assert report.table() == (
        "result   what          finding\n"
        "OK       one           well\n"
        "warning  a second one  so so -> do this\n"
        "FAIL     third         bad\n"
        "1 OK, 1 warning, 1 FAIL\n"
    )
    assert report.has_failed and not Report(report.findings[:2]).has_failed
    assert '"seconds": 1.5' in report.as_json()
