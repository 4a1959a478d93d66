"""Queries by name over the real engine and a real localdm (``pv-contract.md §9``)."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from localdm_process import LocalDmProcess, encoded, running_localdm

from dmioc.catalogue import Slots, station_catalogue
from dmioc.catalogue.structures import structure_fields
from dmioc.dm.rest import RestDm, RestSettings
from dmioc.engine import Gateway, SystemClock
from dmioc.engine.puts import Origin, RpcAnswer
from dmioc.engine.readings import TableReading
from dmioc.engine.rpc_table import METHODS
from dmioc.errors import DmiocError, DmUnreachableError

ORIGIN = Origin("rpc", "me", "here")
SLOTS = Slots(daq=1, upload=1, workflow=1, stream=1)


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


class Client:
    """Calls one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def ask(self, method: str, /, **arguments: object) -> RpcAnswer:
        return await asyncio.wait_for(self.gateway.call(method, arguments, ORIGIN), 20.0)

    async def fields(self, method: str, /, **arguments: object) -> dict[str, Any]:
        return dict((await self.ask(method, **arguments)).fields)

    async def rows(self, method: str, /, **arguments: object) -> list[dict[str, Any]]:
        (table,) = (await self.ask(method, **arguments)).fields.values()
        assert isinstance(table, TableReading)
        columns = table.columns
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    async def refused(self, method: str, /, **arguments: object) -> str:
        try:
            await self.ask(method, **arguments)
        except DmiocError as error:
            return str(error)
        raise AssertionError(f"{method} was not refused")

    async def until(self, status: str, method: str, /, **arguments: object) -> dict[str, Any]:
        """Ask again and again until the object has the status."""
        deadline_s = time.monotonic() + 20.0
        while (found := await self.fields(method, **arguments))["status"] != status:
            assert time.monotonic() < deadline_s, found
            await asyncio.sleep(0.05)
        return found


def run(localdm: LocalDmProcess, directory: Path, use: Callable[[Client], Awaitable[None]]) -> None:
    """A gateway on the localdm, and its end."""

    async def main() -> None:
        async with client(localdm, directory) as one:
            await use(one)

    asyncio.run(main())


@asynccontextmanager
async def client(localdm: LocalDmProcess, directory: Path) -> AsyncIterator[Client]:
    urls = localdm.urls
    login_file = localdm.directory / "login"
    dm = RestDm(RestSettings(urls["DS"], urls["DAQ"], urls["PROC"], urls["CAT"], localdm.station, login_file))
    directory.mkdir(exist_ok=True)
    gateway = Gateway(station_catalogue(SLOTS), dm, SystemClock(), directory, jobs_listed=100, prefix="T:")
    gateway.restore()
    gateway.start()
    try:
        yield Client(gateway)
    finally:
        await gateway.stop()
        await dm.close()


def expected_fields(structure: str) -> set[str]:
    catalogue = station_catalogue(SLOTS)
    return set(structure_fields(catalogue, catalogue[structure]))


def name() -> str:
    return f"rpc-{secrets.token_hex(4)}"


def test_experiments(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        new = name()
        made = await one.ask("createExperiment", name=new, description="Ünit", startDate="2026-11-21")
        assert made.type_id == "dmioc:Experiment:1.0"
        assert (made.fields["name"], made.fields["state"]) == (new, "Loaded")
        assert set(made.fields) == expected_fields("EXP:Info")
        found = await one.fields("experiment", name=new)
        assert found["description"] == "Ünit" and str(found["startDate"]).startswith("2026-11-21")
        assert found == dict(made.fields)
        rows = await one.rows("experiments")
        assert new in [row["name"] for row in rows]
        assert [column.name for column in one.gateway.catalogue["EXP:List"].columns] == list(rows[0])
        assert new in await one.refused("createExperiment", name=new)
        snapshot = one.gateway.snapshot()
        assert snapshot.readings["EXP:Name"].value == "", "creating by a query selects nothing"

    run(localdm, tmp_path / "state", use)


def test_a_daq_is_started_once_and_stopped(localdm: LocalDmProcess, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "one.txt").write_text("one")

    async def use(one: Client) -> None:
        arguments = {
            "experiment": "demo",
            "dataDirectory": str(data),
            "destDirectory": name(),
            "processExistingFiles": True,
        }
        started = await one.ask("startDaq", **arguments)
        assert (started.type_id, started.fields["attached"]) == ("dmioc:DAQ:1.0", 0)
        assert set(started.fields) == expected_fields("DAQ1:Info")
        again = await one.fields("startDaq", **{**arguments, "dataDirectory": f"{data}/"})
        assert (again["id"], again["attached"]) == (started.fields["id"], 1)
        await one.until("Running", "daq", id=started.fields["id"])
        await one.ask("stopDaq", id=started.fields["id"])
        ended = await one.until("Done", "daq", id=started.fields["id"])
        assert (ended["filesDone"], ended["dataDirectory"]) == (1, str(data))
        assert "is Done: nothing to stop" in await one.refused("stopDaq", id=started.fields["id"])
        assert "does not know DAQ none" in await one.refused("daq", id="none")

    run(localdm, tmp_path / "state", use)


def test_an_upload_of_one_file(localdm: LocalDmProcess, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("content")
    (tmp_path / "other.txt").write_text("not asked for")

    async def use(one: Client) -> None:
        started = await one.ask("upload", experiment="demo", path=str(file), destDirectory=name(), mode="files")
        assert (started.type_id, started.fields["sourcePath"]) == ("dmioc:Upload:1.0", str(file))
        assert set(started.fields) == expected_fields("UPL1:Info")
        ended = await one.until("Done", "uploadInfo", id=started.fields["id"])
        assert (ended["filesTotal"], ended["filesDone"], ended["filesFailed"]) == (1, 1, 0)

    run(localdm, tmp_path / "state", use)


def test_an_upload_of_nothing_is_failed(localdm: LocalDmProcess, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    async def use(one: Client) -> None:
        started = await one.fields("upload", experiment="demo", path=f"{tmp_path}/empty/", reprocess=True)
        ended = await one.until("Failed", "uploadInfo", id=started["id"])
        assert ended["error"] and ended["filesDone"] == 0

    run(localdm, tmp_path / "state", use)


def test_a_job_to_its_end(localdm: LocalDmProcess, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("content")

    async def use(one: Client) -> None:
        started = await one.ask("startWorkflow", workflow="example-01", args=json.dumps({"filePath": str(file)}))
        assert started.type_id == "dmioc:Job:1.0"
        assert set(started.fields) == expected_fields("WF1:Job") | {"stages"}
        job_id = started.fields["id"]
        ended = await one.until("Done", "job", id=job_id)
        assert json.loads(ended["args"])["filePath"] == str(file)
        assert isinstance(ended["stages"], TableReading)
        assert ended["stages"].columns["stage"][0] == "01-START"
        assert set(ended["stages"].columns["exitStatus"]) == {0}
        rows = await one.rows("jobs", status="Done", limit=1)
        assert [row["id"] for row in rows] == [job_id]
        assert job_id not in [row["id"] for row in await one.rows("jobs", status="Active")]
        assert "is Done: nothing to stop" in await one.refused("stopJob", id=job_id)

    run(localdm, tmp_path / "state", use)


def test_the_same_request_starts_one_job_also_over_a_restart(localdm: LocalDmProcess, tmp_path: Path) -> None:
    request = name()
    asked = {"workflow": "progress-01", "args": {"filePath": "/dev/null"}, "requestId": request}
    ids: set[object] = set()

    async def first(one: Client) -> None:
        answers = await asyncio.gather(*(one.fields("startWorkflow", **asked) for _ in range(5)))
        ids.update(answer["id"] for answer in answers)
        assert sorted(answer["attached"] for answer in answers) == [0, 1, 1, 1, 1]
        text = await one.refused("startWorkflow", **{**asked, "workflow": "example-01"})
        assert f"RequestID {request} was used for workflow progress-01" in text

    async def second(one: Client) -> None:
        answer = await one.fields("startWorkflow", **asked)
        ids.add(answer["id"])
        await one.ask("stopJob", id=answer["id"])
        await one.until("Aborted", "job", id=answer["id"])

    run(localdm, tmp_path / "state", first)
    run(localdm, tmp_path / "state", second)
    assert len(ids) == 1


def test_metadata_is_added(localdm: LocalDmProcess, tmp_path: Path) -> None:
    uid = f"{secrets.token_hex(4)}-1234"

    async def use(one: Client) -> None:
        added = await one.ask("addMetadata", experiment="demo", runUid=uid, JSON='{"energy": 8.5}')
        assert added.type_id == "dmioc:Dataset:1.0"
        assert (added.fields["dataset"], added.fields["bytes"]) == (f"run_uid8_{uid[:8]}", 15)
        assert "needs one of the arguments runUid and dataset" in await one.refused(
            "addMetadata", experiment="demo", JSON={"energy": 8.5}
        )

    run(localdm, tmp_path / "state", use)
    kept = localdm.session("CAT").call("GET", "datasetsByExperiment", encoded("demo"), encoded(f"run_uid8_{uid[:8]}"))
    assert kept["bluesky_metadata"] == {"energy": 8.5}


def test_what_is_wrong_is_said(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        every = ", ".join(METHODS)
        cases: list[tuple[str, dict[str, object], str]] = [
            ("startDAQ", {}, f"there is no method 'startDAQ'; there are {every}"),
            ("experiment", {}, "experiment needs the argument name: its name (a text)"),
            ("experiment", {"name": ""}, "experiment needs the argument name"),
            ("experiment", {"name": 1.5}, "name takes a text, not 1.5"),
            ("experiments", {"all": 1}, "experiments takes no argument 'all'; it takes none"),
            ("daq", {"id": "1", "full": 1}, "daq takes no argument 'full'; it takes id"),
            ("jobs", {"limit": 0}, "limit takes a whole number from 1 to 5000, not 0"),
            ("jobs", {"limit": "many"}, "not 'many'"),
            ("jobs", {"status": "fine"}, "status takes one of Active, Idle, Pending, Running"),
            ("startWorkflow", {"workflow": "w", "args": "[1]"}, "args must be a JSON object"),
            ("startWorkflow", {"workflow": "w", "args": "{"}, "args is not JSON"),
            ("startWorkflow", {"workflow": "none"}, "DM does not know workflow none"),
            ("startWorkflow", {"workflow": "w", "args": {"dmiocRequestId": "x"}}, "is the gateway's own argument"),
            ("startDaq", {"experiment": "demo", "dataDirectory": "data"}, "dataDirectory takes an absolute path"),
            (
                "startDaq",
                {"experiment": "demo", "dataDirectory": "/tmp", "workflowArgs": {"a": 1}},
                "workflowArgs is set and workflow is empty",
            ),
            (
                "startDaq",
                {"experiment": "demo", "dataDirectory": "/tmp", "workflow": "w", "workflowName": "w"},
                "workflowName stands in the other arguments and in a DM key of its own",
            ),
            (
                "upload",
                {"experiment": "demo", "path": "/tmp", "mode": "all"},
                "mode takes one of Files, Directory, not",
            ),
            ("upload", {"experiment": "demo", "path": "/tmp", "reprocess": 7}, "reprocess takes Yes or No, not 7"),
            ("upload", {"experiment": "none", "path": "/tmp"}, "none"),
            ("experiment", {"name": "none"}, "DM does not know the experiment none"),
            ("uploadInfo", {"id": "none"}, "DM does not know upload none"),
            ("job", {"id": "none"}, "DM does not know job none of "),
            ("createExperiment", {"name": "x", "startDate": "soon"}, "startDate takes a date such as 2026-11-21"),
            ("help", {"name": "none"}, "there is no method 'none'"),
            ("pvs", {"filter": "nothing-like-this"}, "no PV of T: matches"),
        ]
        for method, arguments, words in cases:
            assert words in await one.refused(method, **arguments), (method, arguments)

    run(localdm, tmp_path / "state", use)


def test_help_and_pvs_come_from_the_tables(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        rows = {row["method"]: row["arguments"] for row in await one.rows("help")}
        assert list(rows) == list(METHODS)
        assert rows["daq"] == "id"
        assert rows["startDaq"].startswith("experiment, dataDirectory, [destDirectory]")
        assert rows["startDaq"].endswith("[any DM key]")
        arguments = await one.rows("help", name="upload")
        assert [row["argument"] for row in arguments][:3] == ["experiment", "path", "mode"]
        assert arguments[2]["takes"] == "one of Files, Directory"
        pvs = await one.rows("pvs")
        assert len(pvs) == len(one.gateway.catalogue)
        found = [row["pv"] for row in await one.rows("pvs", filter="UPL1:Files*")]
        assert found == ["T:UPL1:FilesTotal", "T:UPL1:FilesDone", "T:UPL1:FilesWaiting", "T:UPL1:FilesFailed"]

    run(localdm, tmp_path / "state", use)


def test_commands_are_kept_on_record_and_refused_while_control_is_disabled(
    localdm: LocalDmProcess, tmp_path: Path
) -> None:
    async def use(one: Client) -> None:
        await one.ask("createExperiment", name=name())
        texts = [message.text for message in one.gateway.messages.kept if message.source == "RPC createExperiment"]
        assert len(texts) == 1 and texts[0].startswith("OK for me@here over rpc: ")
        await one.gateway.put("Control", "Disabled", ORIGIN)
        for method in METHODS.values():
            if method.is_command:
                given = {
                    argument.name: _something(argument.name) for argument in method.arguments if argument.is_needed
                }
                assert await one.refused(method.name, **given) == "Control is Disabled: enable it first", method.name
        assert (await one.fields("experiment", name="demo"))["name"] == "demo"
        await one.gateway.put("Control", "Enabled", ORIGIN)

    run(localdm, tmp_path / "state", use)
    rows = sqlite3.connect(tmp_path / "state" / "journal.sqlite").execute(
        "SELECT command, user, host, protocol, state FROM accepted LEFT JOIN ended USING (entry)"
    )
    assert list(rows) == [("RPC createExperiment", "me", "here", "rpc", "OK")]


def _something(argument: str) -> str:
    return {"dataDirectory": "/tmp", "path": "/tmp", "JSON": "{}"}.get(argument, "something")


def test_a_dm_that_is_away_is_said(tmp_path: Path) -> None:
    with running_localdm(tmp_path / "dm") as localdm:

        async def use(one: Client) -> None:
            await one.ask("experiment", name="demo")
            localdm.stop()
            with pytest.raises(DmUnreachableError):
                await one.ask("experiment", name="demo")
            text = await one.refused("createExperiment", name="demo")
            assert "localdm" in text or "127.0.0.1" in text or "DM" in text

        run(localdm, tmp_path / "state", use)
