"""localdm with faults, asked by a client of DM: what is met, what is not, and that it can be switched at any moment."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fault_file import FaultFile, Table, toml
from localdm_process import DmSaidNoError, LocalDmProcess, VendorSession, encoded, encoded_json, running_localdm
from waiting import wait_until

STATION = "DEMO"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faulty")


@pytest.fixture(scope="module")
def localdm(home: Path) -> Iterator[LocalDmProcess]:
    path = home / "faults.toml"
    path.write_text(toml({"kind": "html", "service": "CAT"}), "utf-8")
    with running_localdm(home / "dm", 0, "--faults", str(path)) as process:
        # In force before the first request.
        assert process.session("CAT").raw("GET", "/dm/serviceStatus").body.startswith(b"<!DOCTYPE html>")
        process.session("DS").call(
            "POST", "experiments", "addExperiment", query={"experiment": encoded_json({"name": "other"})}
        )
        yield process


@pytest.fixture
def faults(localdm: LocalDmProcess, home: Path) -> Iterator[FaultFile]:
    made = FaultFile(home / "faults.toml", localdm.directory)
    made.put()
    yield made
    made.put()


@pytest.fixture
def ds(localdm: LocalDmProcess, faults: FaultFile) -> VendorSession:
    return localdm.session("DS")


def experiment(session: VendorSession, name: str) -> Any:
    return session.call("GET", "experimentsByName", encoded(name), STATION)


def statuses(session: VendorSession, count: int) -> str:
    """A letter for each question: x for one that met the fault."""
    return "".join("x" if session.raw("GET", "/dm/serviceStatus").status == 500 else "." for _ in range(count))


@pytest.mark.parametrize(
    ("when", "met"),
    [
        ({}, "xxxxxx"),
        ({"after": 2}, "..xxxx"),
        ({"count": 2}, "xx...."),
        ({"after": 1, "count": 3}, ".xxx.."),
        ({"method": "POST"}, "......"),
        ({"service": "DAQ"}, "......"),
        ({"endpoint": "getService*"}, "xxxxxx"),
        ({"endpoint": ["getUsers", "getServiceStatus"]}, "xxxxxx"),
        ({"endpoint": "getUsers"}, "......"),
        ({"experiment": "demo"}, "......"),
    ],
)
def test_which_requests_are_met(ds: VendorSession, faults: FaultFile, when: Table, met: str) -> None:
    faults.put({"kind": "status", **when})
    assert statuses(ds, 6) == met
    wait_until(lambda: faults.hits() == met.count("x"), what="hits are noted")


def test_probability_is_drawn_the_same_way_each_time(ds: VendorSession, faults: FaultFile) -> None:
    drawn: list[str] = []
    for seed in (1, 1, 2):
        faults.put({"kind": "status", "probability": 0.5, "seed": seed})
        drawn.append(statuses(ds, 40))
        faults.put()
    assert drawn[0] == drawn[1] != drawn[2]
    assert 10 <= drawn[0].count("x") <= 30


def test_a_fault_that_stays_in_the_file_goes_on_with_its_counts(ds: VendorSession, faults: FaultFile) -> None:
    once: Table = {"kind": "status", "count": 1}
    faults.put(once)
    assert statuses(ds, 2) == "x."
    faults.put({"kind": "slow", "seconds": 0.01}, once)
    assert statuses(ds, 2) == ".."
    faults.put()
    faults.put(once)
    assert statuses(ds, 2) == "x."


def test_a_change_that_is_wrong_changes_nothing_and_is_told(
    localdm: LocalDmProcess, ds: VendorSession, faults: FaultFile
) -> None:
    faults.put({"kind": "status"})
    faults.write(toml({"kind": "statsu"}))
    assert "fault 1: kind = 'statsu': did you mean status or restart?" in faults.note()["error"]
    assert statuses(ds, 1) == "x"
    assert "faults stay as they were" in (localdm.directory / "stderr.log").read_text("utf-8")
    faults.put()
    assert statuses(ds, 1) == "."


def test_several_are_made_in_turn(ds: VendorSession, faults: FaultFile) -> None:
    faults.put(
        {"kind": "slow", "seconds": 0.2},
        {"kind": "set", "values": {"description": "changed"}},
        {"kind": "missing-key", "keys": ["id"]},
        {"kind": "error", "code": 11, "after": 1},
        {"kind": "html"},
    )
    began = time.monotonic()
    assert ds.raw("GET", "/dm/serviceStatus").body.startswith(b"<!DOCTYPE html>")
    assert time.monotonic() - began >= 0.2
    assert ds.raw("GET", "/dm/serviceStatus").content["errorCode"] == 11
    faults.put({"kind": "set", "values": {"description": "changed"}}, {"kind": "missing-key", "keys": ["id"]})
    found = experiment(ds, "demo")
    assert found["description"] == "changed" and "id" not in found


def test_one_experiment_of_several(ds: VendorSession, faults: FaultFile) -> None:
    faults.put({"kind": "set", "experiment": "oth*", "values": {"description": "changed", "new.key": 1}})
    assert experiment(ds, "demo")["description"] != "changed"
    assert experiment(ds, "other")["description"] == "changed"
    rows = ds.call("GET", "experimentsByStation", STATION)
    assert {row["name"]: row["description"] == "changed" for row in rows} == {"demo": False, "other": True}
    faults.put({"kind": "lost", "experiment": "other"})
    with pytest.raises(DmSaidNoError, match="other does not exist"):
        experiment(ds, "other")
    assert [row["name"] for row in ds.call("GET", "experimentsByStation", STATION)] == ["demo"]
    assert experiment(ds, "demo")["name"] == "demo"


def test_sessions_end_and_are_taken_anew(localdm: LocalDmProcess, ds: VendorSession, faults: FaultFile) -> None:
    faults.put({"kind": "unauthorized", "count": 1})
    reply = ds.raw("GET", "/dm/serviceStatus")
    assert (reply.status, reply.headers["Dm-Exception-Type"]) == (401, "InvalidSession")
    assert ds.raw("GET", "/dm/serviceStatus").status == 200
    faults.put({"kind": "restart"})
    assert ds.raw("GET", "/dm/serviceStatus").status == 401
    assert localdm.session("DS").raw("GET", "/dm/serviceStatus").status == 200


def test_a_login_is_met_only_when_it_is_named(localdm: LocalDmProcess, faults: FaultFile) -> None:
    faults.put({"kind": "status"})
    session = VendorSession(localdm.urls["DS"])
    assert session.login(localdm.username, localdm.password).status == 200
    faults.put({"kind": "status", "endpoint": "login"})
    assert VendorSession(localdm.urls["DS"]).login(localdm.username, localdm.password).status == 500
    assert session.raw("GET", "/dm/serviceStatus").status == 200


def connection_to(localdm: LocalDmProcess) -> socket.socket:
    host, port = urlsplit(localdm.urls["DS"]).netloc.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_a_port_that_is_closed_and_opened(localdm: LocalDmProcess, ds: VendorSession, faults: FaultFile) -> None:
    with connection_to(localdm) as idle:
        for _ in range(2):
            faults.put({"kind": "refuse", "service": "DS"})
            with pytest.raises(ConnectionRefusedError):
                connection_to(localdm)
            assert localdm.session("DAQ").raw("GET", "/dm/serviceStatus").status == 200
            faults.put()
            assert ds.raw("GET", "/dm/serviceStatus").status == 200
        assert idle.recv(1) == b""  # closed, though nothing was asked


def test_a_port_that_is_half_open(localdm: LocalDmProcess, ds: VendorSession, faults: FaultFile) -> None:
    host = urlsplit(localdm.urls["DS"]).netloc
    kept = http.client.HTTPConnection(host, timeout=30)
    kept.request("GET", "/dm/serviceStatus", headers={"Cookie": ds.cookie})
    assert kept.getresponse().read()
    kept.sock.settimeout(0.3)
    faults.put({"kind": "half-open", "service": "DS"})
    late = http.client.HTTPConnection(host, timeout=0.3)
    for connection in (kept, late):
        connection.request("GET", "/dm/serviceStatus", headers={"Cookie": ds.cookie})
        with pytest.raises(TimeoutError):
            connection.getresponse()
    # No FIN: both ends still have their connections, and what was sent is answered when it goes on.
    faults.put()
    for connection in (kept, late):
        sock = connection.sock
        sock.settimeout(30)
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        connection.close()


def test_from_one_state_of_a_port_to_another(localdm: LocalDmProcess, ds: VendorSession, faults: FaultFile) -> None:
    faults.put({"kind": "half-open"})
    faults.put({"kind": "refuse"})
    with pytest.raises(ConnectionRefusedError):
        connection_to(localdm)
    faults.put({"kind": "half-open"})
    with connection_to(localdm) as silent:
        silent.settimeout(0.2)
        silent.sendall(b"GET /dm/serviceStatus HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            silent.recv(1)
    faults.put()
    assert ds.raw("GET", "/dm/serviceStatus").status == 200


@pytest.mark.parametrize("kind", ["hang", "hang-body"])
def test_what_hangs_ends_with_the_fault_or_after_its_time(ds: VendorSession, faults: FaultFile, kind: str) -> None:
    faults.put({"kind": kind, "seconds": 0.2})
    began = time.monotonic()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ds.raw("GET", "/dm/serviceStatus")
    assert 0.2 <= time.monotonic() - began < 2.0


def test_localdm_stops_while_requests_hang(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("", "utf-8")
    with running_localdm(tmp_path / "dm", 0, "--faults", str(path)) as process:
        session = process.session("DS")
        file = FaultFile(path, process.directory)
        file.put({"kind": "hang"})
        with connection_to(process) as hanging:
            head = f"GET /dm/serviceStatus HTTP/1.1\r\nHost: x\r\nCookie: {session.cookie}\r\n\r\n"
            hanging.sendall(head.encode())
            wait_until(lambda: file.hits() == 1, what="the request hangs")
            assert process.stop() == 0
            assert process.stopped_in_s < 3.0


def test_carried_out_though_the_answer_is_lost(ds: VendorSession, faults: FaultFile) -> None:
    def add(name: str) -> None:
        ds.call("POST", "experiments", "addExperiment", query={"experiment": encoded_json({"name": name})})

    faults.put({"kind": "drop", "endpoint": "addExperiment", "carry_out": True, "count": 1})
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        add("once")
    with pytest.raises(DmSaidNoError, match="exists"):
        add("once")
    faults.put({"kind": "drop", "endpoint": "addExperiment", "count": 1})
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        add("later")
    add("later")


def test_the_note_is_readable_by_people(faults: FaultFile) -> None:
    faults.put({"kind": "hang", "service": "CAT", "after": 2})
    note = faults.note()
    assert note["file"] == str(faults.path)
    assert note["in_force"] == [
        {"fault": "hang (service ('CAT',), after 2)", "kind": "hang", "seen": 0, "hits": 0},
    ]
    assert json.dumps(note)
