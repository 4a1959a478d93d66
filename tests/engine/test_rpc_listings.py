"""Queries that list, that give DM's own records, and that tell how a job stands, over the real engine and localdm."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localdm_process import LocalDmProcess, encoded, encoded_json, running_localdm
from test_rpc import Client, name, run

from dmioc.engine.rpc_table import METHODS
from dmioc.errors import CommandFailedError, DmiocError, RefusedError
from dmioc.model.refusal import error_text


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        workflow = {"name": "slow", "owner": process.username, "stages": {"01-SLEEP": {"command": "/bin/sleep 300"}}}
        query = {"allowCurrentUsername": 0, "workflow": encoded_json(workflow)}
        process.session("PROC").call("POST", "workflows", "addWorkflow", query=query)
        yield process


async def json_of(one: Client, method: str, **arguments: object) -> Any:
    answer = await one.ask(method, **arguments)
    assert answer.type_id == "dmioc:Record:1.0"
    return json.loads(str(answer.fields["JSON"]))


def test_lists_and_records_of_transfers(localdm: LocalDmProcess, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.txt").write_text("one")

    async def use(one: Client) -> None:
        below = name()
        daq = await one.fields(
            "startDaq",
            experiment="demo",
            dataDirectory=str(tmp_path / "data"),
            options=json.dumps({"destDirectory": below, "processExistingFiles": True}),
        )
        record = await json_of(one, "record", kind="daq", name=daq["id"])
        assert (record["id"], record["destDirectory"]) == (daq["id"], below)
        assert daq["id"] in [row["id"] for row in await one.rows("daqs", experiment="demo")]
        assert daq["id"] in [row["id"] for row in await one.rows("daqs")]
        assert await one.rows("daqs", experiment="other") == []
        assert record["id"] in [row["id"] for row in await json_of(one, "records", kind="DAQ", experiment="demo")]
        assert await json_of(one, "records", kind="DAQ", experiment="other") == []
        await one.until("Running", "daq", id=daq["id"])
        deadline_s = time.monotonic() + 20.0
        while not (await one.fields("fileReady", experiment="demo", path=f"{below}/one.txt"))["ready"]:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
        file = await json_of(one, "record", kind="File", name=f"{below}/one.txt", experiment="demo")
        assert file["fileSize"] == 3
        await one.ask("stopDaq", id=daq["id"])

    run(localdm, tmp_path / "state", use)


def test_an_upload_is_stopped(localdm: LocalDmProcess, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(2000):  # more than can be copied before the stop
        (tmp_path / "data" / f"{number}.txt").write_text("content")

    async def use(one: Client) -> None:
        # The file is named by itself: what the path is need not be looked at.
        options = {"experimentFilePath": "7.txt", "destDirectory": name()}
        single = await one.fields("upload", experiment="demo", path=str(tmp_path / "data"), options=options)
        ended = await one.until("Done", "uploadInfo", id=single["id"])
        assert (ended["filesTotal"], ended["dataDirectory"]) == (1, str(tmp_path / "data"))
        assert "is Done: nothing to stop" in await one.refused("stopUpload", id=single["id"])
        whole = await one.fields("upload", experiment="demo", path=str(tmp_path / "data"), destDirectory=name())
        stopped = await one.fields("stopUpload", id=whole["id"])
        assert stopped["id"] == whole["id"]
        await one.until("Aborted", "uploadInfo", id=whole["id"])
        assert [row["id"] for row in await one.rows("uploads", experiment="demo")][:2] == [whole["id"], single["id"]]

    run(localdm, tmp_path / "state", use)


def test_workflows(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        rows = {row["name"]: row for row in await one.rows("workflows")}
        assert (rows["example-01"]["stages"], rows["slow"]["owner"]) == (6, localdm.username)
        assert await one.rows("workflows", owner="nobody") == []
        document = await json_of(one, "record", kind="Workflow", name="slow")
        assert document["stages"] == {"01-SLEEP": {"command": "/bin/sleep 300"}}
        assert "slow" in [row["name"] for row in await json_of(one, "records", kind="workflow")]

    run(localdm, tmp_path / "state", use)


def test_how_a_job_stands_costs_dm_nothing(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        started = await one.fields("startWorkflow", workflow="slow", args={"filePath": "/dev/null"})
        running = await one.until("Running", "jobStatus", id=started["id"])
        assert (running["stage"], running["workflow"], running["awayFor"]) == ("01-SLEEP", "slow", 0.0)
        assert (running["lostAfter"], running["error"]) == (60.0, "")
        core = one.gateway._core
        before, asked = core.dm.requests, 200
        for _ in range(asked):
            await one.ask("jobStatus", id=started["id"])
        assert core.dm.requests - before < asked / 4, "only the gateway's own polls"
        await one.ask("stopJob", id=started["id"])
        ended = await one.until("Aborted", "jobStatus", id=started["id"])
        assert ended["runTime"] > 0.0
        lost = await one.fields("jobStatus", id="none")
        assert (lost["status"], lost["error"]) == ("Lost", "DM no longer knows job none")

    run(localdm, tmp_path / "state", use)


def test_a_failed_job_tells_its_reason(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        started = await one.fields("startWorkflow", workflow="example-01", args={"filePath": "/no/such/file"})
        ended = await one.until("Failed", "jobStatus", id=started["id"])
        assert ended["error"]

    run(localdm, tmp_path / "state", use)


def test_a_slot_shows_the_job_unless_it_shows_another(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        asked: dict[str, object] = {
            "workflow": "slow",
            "args": {"filePath": "/dev/null"},
            "requestId": name(),
            "slot": 1,
        }
        started = await one.fields("startWorkflow", **asked)
        assert one.gateway.snapshot().readings["WF1:JobID"].value == started["id"]
        again = await one.fields("startWorkflow", **asked)
        assert (again["id"], again["attached"]) == (started["id"], 1), "the same request may come again"
        words = await one.refused("startWorkflow", **{**asked, "requestId": name()})
        assert f"slot 1 shows job {started['id']}, which is " in words and words.endswith("give another slot, or 0")
        assert "slot takes 1 to 1, or 0 for none, not 2" in await one.refused("startWorkflow", **{**asked, "slot": 2})
        await one.ask("stopJob", id=started["id"])
        await one.until("Aborted", "job", id=started["id"])

    run(localdm, tmp_path / "state", use)


def test_the_time_of_a_run_is_kept(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        uid = name()
        await one.ask("addMetadata", experiment="demo", runUid=uid, JSON={"a": 1}, time="2026-11-21T10:00:00-06:00")
        (kept,) = (
            record
            for record in localdm.session("CAT").call("GET", "datasetsByExperiment", encoded("demo"))
            if record["bluesky_run_uid"] == uid
        )
        assert kept["time_iso8601"] == "2026-11-21T10:00:00-06:00"

    run(localdm, tmp_path / "state", use)


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("record", {"kind": "Job", "name": "none"}, "DM does not know Job none"),
        ("record", {"kind": "File", "name": "a"}, "record needs the argument experiment for a File"),
        (
            "record",
            {"kind": "Thing", "name": "a"},
            "kind takes one of Experiment, DAQ, Upload, Workflow, Job, File, not",
        ),
        ("records", {"kind": "Job"}, "kind takes one of Experiment, DAQ, Upload, Workflow, not"),
        ("stopUpload", {"id": "none"}, "DM does not know upload none"),
        ("fileReady", {"experiment": "demo"}, "fileReady needs the argument path"),
        (
            "startDaq",
            {"experiment": "demo", "dataDirectory": "/tmp", "destDirectory": "a", "options": {"destDirectory": "b"}},
            "destDirectory stands in the other arguments and in options",
        ),
    ],
)
def test_what_is_refused(
    localdm: LocalDmProcess, tmp_path: Path, method: str, arguments: dict[str, object], words: str
) -> None:
    async def use(one: Client) -> None:
        assert words in await one.refused(method, **arguments)

    run(localdm, tmp_path / "state", use)


def test_the_kind_of_an_error_is_told(localdm: LocalDmProcess, tmp_path: Path) -> None:
    async def use(one: Client) -> None:
        kinds: list[tuple[type[DmiocError], str]] = []
        localdm.stop()
        for method, arguments in (("daqs", {}), ("startWorkflow", {"workflow": "slow"})):
            try:
                await one.ask(method, **arguments)
            except DmiocError as error:
                kinds.append((type(error), error_text(error)))
        assert kinds[0][1].startswith("failed: DAQ listDaqs")
        assert kinds[1][0] is RefusedError, "DM was never reached: nothing was done"
        assert not issubclass(kinds[0][0], CommandFailedError)

    run(localdm, tmp_path / "state", use)
    assert METHODS["jobStatus"].is_command is False
