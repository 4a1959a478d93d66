"""DM's own records over REST, against localdm: as they are, with every key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from localdm_process import LocalDmProcess, running_localdm
from test_rest_localdm import until, using

from dmioc.engine.ports import DmBackend
from dmioc.errors import DmNotFoundError, DmUnreachableError
from dmioc.model import NewExperiment, TransferKind
from dmioc.model.record import RecordKind


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


def test_each_kind_of_record(localdm: LocalDmProcess, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "hällo & co.h5").write_bytes(b"x" * 10)

    async def use(dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment("records"))
        experiment = await dm.record(RecordKind.EXPERIMENT, "records")
        assert (experiment["name"], experiment["stationName"]) == ("records", localdm.station)
        assert "records" in [one["name"] for one in await dm.records(RecordKind.EXPERIMENT)]
        assert await dm.file_ready("records", "hällo & co.h5") is False
        upload = await dm.start_upload("records", str(source), {"note": "kept"})
        await until(lambda: dm.transfer(TransferKind.UPLOAD, upload.id), lambda found: found.status.is_finished)
        record = await dm.record(RecordKind.UPLOAD, upload.id)
        assert (record["countFiles"], record["status"], record["note"]) == (1, "done", "kept")
        assert record in await dm.records(RecordKind.UPLOAD)
        assert await dm.records(RecordKind.DAQ) == []
        file = await dm.record(RecordKind.FILE, "hällo & co.h5", experiment="records")
        assert (file["fileSize"], file["experimentName"]) == (10, "records")
        assert await dm.file_ready("records", "hällo & co.h5") is True

    using(localdm, use)


def test_workflows_and_jobs(localdm: LocalDmProcess) -> None:
    async def use(dm: DmBackend) -> None:
        workflow = await dm.record(RecordKind.WORKFLOW, "example-01", owner=dm.owner)
        assert workflow["stages"]["06-DONE"]["command"].startswith("/bin/echo")  # pyright: ignore[reportIndexIssue]
        assert workflow in await dm.records(RecordKind.WORKFLOW, owner=dm.owner)
        job = await dm.start_job(dm.owner, "example-01", {"filePath": "/dev/null", "word": "é"})
        record = await dm.record(RecordKind.JOB, job.summary.id, owner=dm.owner)
        assert (record["id"], record["word"]) == (job.summary.id, "é")

    using(localdm, use)


@pytest.mark.parametrize("kind", RecordKind)
def test_what_dm_does_not_know(localdm: LocalDmProcess, kind: RecordKind) -> None:
    async def use(dm: DmBackend) -> None:
        errors = dm.request_errors
        with pytest.raises(DmNotFoundError):
            await dm.record(kind, "none", owner=dm.owner, experiment="demo")
        assert dm.request_errors - errors == (kind is not RecordKind.FILE), "a file that is not there yet is an answer"

    using(localdm, use)


def test_an_experiment_without_files_has_none_ready(localdm: LocalDmProcess) -> None:
    async def use(dm: DmBackend) -> None:
        assert await dm.file_ready("no-such-experiment", "one.h5") is False

    using(localdm, use)


def test_a_dm_that_is_away_is_no_empty_list(tmp_path: Path) -> None:
    with running_localdm(tmp_path / "dm") as localdm:

        async def use(dm: DmBackend) -> None:
            await asyncio.to_thread(localdm.stop)
            with pytest.raises(DmUnreachableError):
                await dm.records(RecordKind.DAQ)
            with pytest.raises(DmUnreachableError):
                await dm.file_ready("demo", "one.h5")

        using(localdm, use)
