"""localdm as a process: directory, lock, ports, end, and start again."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from localdm_process import encoded, encoded_json, launch, running_localdm
from waiting import wait_until

from dmioc.errors import ConfigurationError, StateFileError
from dmioc.localdm.database import Database
from dmioc.localdm.directory import environment_lines
from dmioc.localdm.endpoints import ENDPOINTS
from dmioc.localdm.service import LocalDm, run
from dmioc.localdm.settings import LocalDmSettings


def test_first_start_makes_login_note_and_contents(tmp_path: Path) -> None:
    with running_localdm(tmp_path / "dm") as localdm:
        login = tmp_path / "dm" / "login"
        assert stat.S_IMODE(login.stat().st_mode) == 0o600
        assert localdm.username == "dmioc" and len(localdm.password) >= 20
        running = json.loads((tmp_path / "dm" / "localdm.json").read_text())
        assert running["pid"] == localdm.process.pid and running["login_file"] == str(login)
        names = ["DS", "DAQ", "PROC", "CAT"]
        assert list(running["urls"]) == names
        words = " ".join(f"{name} {running['urls'][name]}" for name in names)
        assert localdm.ready_line == f"localdm ready: {words}\n"
        assert [one["name"] for one in localdm.session("DS").call("GET", "experimentsByStation", "DEMO")] == ["demo"]
        workflows = localdm.session("PROC").call("GET", "workflowsByOwner", "dmioc")
        assert [one["name"] for one in workflows] == ["example-01", "progress-01", "stream-consume-01"]
        exports = environment_lines(tmp_path / "dm")
        script = "\n".join([*exports, "env"])
        variables = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout
        assert f"DM_DS_WEB_SERVICE_URL={localdm.urls['DS']}\n" in variables
        assert f"DM_LOGIN_FILE={login}\n" in variables and "DM_STATION_NAME=DEMO\n" in variables
        assert all(line.startswith("export DM_") for line in exports)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_and_quickly(tmp_path: Path, number: int) -> None:
    with running_localdm(tmp_path) as localdm:
        proc = localdm.session("PROC")
        arguments = encoded_json({"filePath": "/dev/null"})
        path = ("processingJobsByWorkflow", "dmioc", encoded("progress-01"), "startProcessingJob")
        job = proc.call("POST", *path, query={"argsDict": arguments})
        here = ("processingJobsByOwner", "dmioc", job["id"])
        wait_until(lambda: proc.call("GET", *here).get("stage") == "020-CALIBRATE", what="a stage that takes long")
        children = psutil.Process(localdm.process.pid).children(recursive=True)
        assert children
        assert localdm.stop(number) == 0
        assert localdm.stopped_in_s < 3.0
        psutil.wait_procs(children, timeout=3.0)
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "localdm.json").exists()
    assert environment_lines(tmp_path)  # of one that ran earlier


def test_records_survive_a_kill_and_the_ports_stay(tmp_path: Path) -> None:
    with running_localdm(tmp_path) as first:
        query = {"experiment": encoded_json({"name": "kept"})}
        record = first.session("DS").call("POST", "experiments", "addExperiment", query=query)
        first.session("DS").call("DELETE", "experimentsByName", encoded("demo"), "DEMO")
        first.stop(signal.SIGKILL)
    with running_localdm(tmp_path) as second:
        assert second.urls == first.urls and second.password == first.password
        listed = second.session("DS").call("GET", "experimentsByStation", "DEMO")
        assert [one["name"] for one in listed] == ["kept"]  # what was deleted does not come back
        assert second.session("DS").call("GET", "experimentsById", str(record["id"])) == record


def test_two_never_share_a_directory(tmp_path: Path) -> None:
    with running_localdm(tmp_path) as first:
        second = launch(tmp_path)
        assert second.wait(20) == 2
        log = (tmp_path / "stderr.log").read_text()
        assert f"another localdm (pid {first.process.pid}) uses {tmp_path}: stop it first" in log
        assert first.session("DS").call("GET", "serviceStatus")["pid"] == first.process.pid
        assert second.stdout is not None
        second.stdout.close()


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = launch(tmp_path, port - 1)  # DAQ has the second port
        assert second.wait(20) == 2
        log = (tmp_path / "stderr.log").read_text()
        assert f"port {port} on 127.0.0.1 for the DAQ service" in log or f"port {port - 1} on 127.0.0.1" in log
        assert "Traceback" not in log
        assert second.stdout is not None
        second.stdout.close()


def test_a_directory_keeps_its_station(tmp_path: Path) -> None:
    database = Database(tmp_path / "localdm.sqlite")
    try:
        LocalDm(LocalDmSettings(directory=tmp_path, station="ONE"), database, "dmioc")
        with pytest.raises(ConfigurationError, match="holds station ONE, not TWO"):
            LocalDm(LocalDmSettings(directory=tmp_path, station="TWO"), database, "dmioc")
    finally:
        database.close()


@pytest.mark.parametrize(
    "bad", [{"station": "a/b"}, {"station": ""}, {"username": "a|b"}, {"port_base": -1}, {"port_base": 65533}]
)
def test_settings_that_cannot_be(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="of localdm"):
        LocalDmSettings(directory=tmp_path, **bad)


def test_records_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "localdm.sqlite").write_bytes(b"no database at all " * 100)

    async def main() -> None:
        await run(LocalDmSettings(directory=tmp_path), lambda running: None, asyncio.Event())

    with pytest.raises(StateFileError, match=f"records of localdm in {tmp_path} cannot be used"):
        asyncio.run(main())


def test_every_endpoint_has_a_handler_and_every_handler_an_endpoint(tmp_path: Path) -> None:
    database = Database(tmp_path / "localdm.sqlite")
    try:
        parts = LocalDm(LocalDmSettings(directory=tmp_path), database, "dmioc")
        for service, handlers in parts.handlers().items():
            named = {endpoint.name for endpoint in ENDPOINTS if service in endpoint.services}
            assert named - {"login", "logout"} == set(handlers)  # these two are the server's own
    finally:
        database.close()


def test_environment_of_a_directory_that_never_ran(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no localdm has run in"):
        environment_lines(tmp_path)
