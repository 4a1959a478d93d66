"""Every method of `DmBackend` against localdm, a real process that shares no code with the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from localdm_process import LocalDmProcess, encoded, encoded_json, running_localdm

from dmioc.dm.rest import RestDm, RestSettings
from dmioc.engine.ports import DmBackend
from dmioc.errors import DmExistsError, DmLoginError, DmNotFoundError, DmUnreachableError
from dmioc.model import NewExperiment, Status, TransferKind

T = TypeVar("T")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


def settings_of(localdm: LocalDmProcess, **changes: object) -> RestSettings:
    content: dict[str, object] = {
        "ds_url": localdm.urls["DS"],
        "daq_url": localdm.urls["DAQ"],
        "proc_url": localdm.urls["PROC"],
        "cat_url": localdm.urls["CAT"],
        "station": localdm.station,
        "login_file": localdm.directory / "login",
        "backend_name": "local",
        **changes,
    }
    return RestSettings(**content)  # pyright: ignore[reportArgumentType] - a test may change any key


def using(localdm: LocalDmProcess, use: Callable[[DmBackend], Awaitable[T]], **changes: object) -> T:
    async def main() -> T:
        dm = RestDm(settings_of(localdm, **changes))
        try:
            return await use(dm)
        finally:
            await dm.close()

    return asyncio.run(main())


async def until(ask: Callable[[], Awaitable[T]], is_met: Callable[[T], bool], timeout_s: float = 20.0) -> T:
    """The first answer that meets the condition."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = await ask()
        if is_met(answer):
            return answer
        assert time.monotonic() < deadline_s, answer
        await asyncio.sleep(0.05)


def new_name(kind: str) -> str:
    return f"{kind}-{uuid4().hex[:8]}"


def source_in(folder: Path, files: int) -> Path:
    source = folder / "source"
    (source / "sub").mkdir(parents=True)
    for number in range(files):
        (source / "sub" / f"f{number}.h5").write_bytes(b"x" * 1000)
    return source


def test_experiments(localdm: LocalDmProcess) -> None:
    name = new_name("exp ü")

    async def use(dm: DmBackend) -> None:
        with pytest.raises(DmNotFoundError) as missing:
            await dm.experiment(name)
        assert missing.value.code == 14 and "does not exist" in str(missing.value)
        new = NewExperiment(name, "", "An experiment\nof two lines", "2026-07-20", "2026-08-03")
        created = await dm.create_experiment(new)
        assert created.name == name and created.id > 0
        assert created.description == new.description
        assert created.start_date.startswith("2026-07-20T") and created.end_date.startswith("2026-08-03T")
        assert created.data_directory == f"{created.storage_directory}/data"
        assert await dm.experiment(name) == created
        (row,) = [found for found in await dm.experiments() if found.name == name]
        assert (row.id, row.data_directory, row.users) == (created.id, "", ())
        with pytest.raises(DmExistsError):
            await dm.create_experiment(new)

    using(localdm, use)


def test_upload_and_catalog(localdm: LocalDmProcess, tmp_path: Path) -> None:
    name, source = new_name("upload"), source_in(tmp_path, 3)

    async def use(dm: DmBackend) -> None:
        experiment = await dm.create_experiment(NewExperiment(name))
        assert await dm.file_count(name) == 0
        assert await dm.file_exists(name, "sub/f0.h5") is False
        started = await dm.start_upload(name, str(source), {"destDirectory": "dest"})
        assert started.kind is TransferKind.UPLOAD
        assert (started.experiment, started.directory, started.destination) == (name, str(source), "dest")
        done = await until(lambda: dm.transfer(TransferKind.UPLOAD, started.id), lambda found: found.status.is_finished)
        assert (done.status, done.error) == (Status.DONE, "")
        assert (done.files_total, done.files_done, done.files_waiting, done.files_failed) == (3, 3, 0, 0)
        assert done.percent == 100.0 and done.bytes_done == 3000.0 and done.last_file.startswith("dest/sub/f")
        assert 0.0 < done.start_time_s <= done.end_time_s and done.run_time_s > 0.0
        assert done in await dm.transfers(TransferKind.UPLOAD)
        assert started.id not in {found.id for found in await dm.transfers(TransferKind.DAQ)}
        assert await dm.file_exists(name, "dest/sub/f0.h5") is True
        assert await dm.file_count(name) == 3
        assert (Path(experiment.data_directory) / "dest/sub/f2.h5").read_bytes() == b"x" * 1000
        with pytest.raises(DmNotFoundError):
            await dm.transfer(TransferKind.UPLOAD, "no-such-id")
        with pytest.raises(DmNotFoundError):
            await dm.start_upload(new_name("none"), str(source), {})

    using(localdm, use)


def test_daq(localdm: LocalDmProcess, tmp_path: Path) -> None:
    name, source = new_name("daq"), source_in(tmp_path, 1)

    async def use(dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment(name))
        started = await dm.start_daq(name, str(source), {"processExistingFiles": True})
        assert started.kind is TransferKind.DAQ and started.status.is_active
        (source / "later é.h5").write_bytes(b"y")
        grown = await until(lambda: dm.transfer(TransferKind.DAQ, started.id), lambda found: found.files_done == 2)
        assert grown.status is Status.RUNNING and grown.run_time_s >= 0.0
        await dm.stop_transfer(grown)
        ended = await until(lambda: dm.transfer(TransferKind.DAQ, started.id), lambda found: found.end_time_s > 0.0)
        assert ended.status.is_finished and ended.files_total == 2 and ended.error == ""
        assert ended in await dm.transfers(TransferKind.DAQ)
        assert await dm.file_exists(name, "later é.h5") is True

    using(localdm, use)


def test_upload_that_is_stopped(localdm: LocalDmProcess, tmp_path: Path) -> None:
    name, source = new_name("stop"), source_in(tmp_path, 400)

    async def use(dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment(name))
        started = await dm.start_upload(name, str(source), {})
        await dm.stop_transfer(started)
        ended = await until(
            lambda: dm.transfer(TransferKind.UPLOAD, started.id), lambda found: found.status.is_finished
        )
        assert ended.status in {Status.ABORTED, Status.DONE}

    using(localdm, use)


def add_workflow(localdm: LocalDmProcess, owner: str, stages: dict[str, object]) -> str:
    """A workflow, sent by the other client: the gateway has no call for it."""
    name = new_name("workflow")
    document = {"name": name, "owner": owner, "description": "for a test", "stages": stages}
    localdm.session("PROC").call(
        "POST",
        "workflows",
        "addWorkflow",
        query={"allowCurrentUsername": 0, "workflow": encoded_json(document)},
    )
    return name


def test_workflows_and_jobs(localdm: LocalDmProcess, tmp_path: Path) -> None:
    stages: dict[str, object] = {
        "02-SAY": {"command": 'echo "$word and $stamp"'},
        "01-DATE": {"command": "echo stamp=77", "outputVariableRegexList": ["stamp=(?P<stamp>.*)"]},
        "03-SKIP": {"command": "false", "runIf": '"a" == "b"'},
    }

    async def use(dm: DmBackend) -> None:
        owner = dm.owner
        assert owner == localdm.username
        name = add_workflow(localdm, owner, stages)
        (workflow,) = [found for found in await dm.workflows(owner) if found.name == name]
        assert (workflow.owner, workflow.description) == (owner, "for a test")
        assert workflow.stages == ("01-DATE", "02-SAY", "03-SKIP")
        request_id = str(uuid4())
        arguments = {"word": "hällo & co", "dmiocRequestId": request_id, "filePath": "/dev/null"}
        submitted = await dm.start_job(owner, name, arguments)
        job_id = submitted.summary.id
        assert submitted.summary.status.is_active and submitted.arguments == arguments
        job = await until(lambda: dm.job(owner, job_id), lambda found: found.summary.status.is_finished)
        assert (job.summary.status, job.summary.error) == (Status.DONE, "")
        assert (job.summary.workflow, job.summary.owner, job.summary.request_id) == (name, owner, request_id)
        assert job.arguments == {**arguments, "stamp": "77"}
        assert job.files == 1
        runs = {run.stage: run for run in job.stage_runs}
        assert runs["02-SAY"].std_out == "hällo & co and 77\n"
        assert (runs["02-SAY"].process, runs["02-SAY"].exit_status) == (1, 0)
        assert runs["03-SKIP"].status is Status.SKIPPED
        (row,) = [found for found in await dm.jobs(owner, 0, 1000, with_workflow=True) if found.id == job_id]
        assert row == job.summary
        (row,) = [found for found in await dm.jobs(owner, 0, 1000, with_workflow=False) if found.id == job_id]
        assert (row.workflow, row.request_id, row.status) == ("", request_id, Status.DONE)
        assert row.end_time_s == job.summary.end_time_s
        assert len(await dm.jobs(owner, 0, 1, with_workflow=False)) == 1
        assert list(await dm.jobs(owner, 100_000, 10, with_workflow=False)) == []
        with pytest.raises(DmNotFoundError):
            await dm.start_job(owner, "no such workflow", {})
        with pytest.raises(DmNotFoundError):
            await dm.job(owner, str(uuid4()))

    using(localdm, use)


def test_a_job_that_is_stopped(localdm: LocalDmProcess) -> None:
    async def use(dm: DmBackend) -> None:
        name = add_workflow(localdm, dm.owner, {"01": {"command": "sleep 60"}})
        submitted = await dm.start_job(dm.owner, name, {"filePath": "/dev/null"})
        job_id = submitted.summary.id
        running = await until(
            lambda: dm.job(dm.owner, job_id), lambda found: any(run.process >= 0 for run in found.stage_runs)
        )
        assert running.stage_runs[0].exit_status == -1
        await dm.stop_job(dm.owner, job_id)
        ended = await until(lambda: dm.job(dm.owner, job_id), lambda found: found.summary.status.is_finished)
        assert ended.summary.status is Status.ABORTED

    using(localdm, use)


def test_a_job_with_long_arguments(localdm: LocalDmProcess) -> None:
    """What the contract lets a slot hold (16384 bytes of arguments, 8 values and a path of 1024) reaches DM whole."""
    arguments = {"filePath": "/dev/null", "text": "x" * 16000, **{f"key{number}": "y" * 1024 for number in range(8)}}

    async def use(dm: DmBackend) -> None:
        name = add_workflow(localdm, dm.owner, {"01": {"command": "true"}})
        submitted = await dm.start_job(dm.owner, name, arguments)
        assert submitted.arguments == arguments

    using(localdm, use)


def test_datasets(localdm: LocalDmProcess) -> None:
    name = new_name("dataset")

    async def use(dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment(name))
        found = await dm.add_dataset(name, "run_uid8_1234", {"a": {"b": [1, "é"]}, "datasetName": "not this"})
        assert found
        with pytest.raises(DmExistsError):
            await dm.add_dataset(name, "run_uid8_1234", {})

    using(localdm, use)
    (record,) = localdm.session("CAT").call("GET", "datasetsByExperiment", encoded(name))
    assert record["a"] == {"b": [1, "é"]} and record["datasetName"] == "run_uid8_1234"


def test_a_wrong_password(localdm: LocalDmProcess, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(f"{localdm.username}|wrong")

    async def use(dm: DmBackend) -> None:
        with pytest.raises(DmLoginError, match="Incorrect username or password"):
            await dm.experiments()

    using(localdm, use, login_file=tmp_path / "login")


def test_a_dm_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """The sessions of the first process mean nothing to the second one: the client logs in again by itself."""

    async def use(first: LocalDmProcess, dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment("kept"))
        await asyncio.to_thread(first.stop)
        with pytest.raises(DmUnreachableError, match="connection refused"):
            await dm.experiments()
        with running_localdm(tmp_path / "dm") as second:
            assert second.urls == first.urls
            assert "kept" in {found.name for found in await dm.experiments()}

    async def main(first: LocalDmProcess) -> None:
        dm = RestDm(settings_of(first))
        try:
            await use(first, dm)
        finally:
            await dm.close()

    with running_localdm(tmp_path / "dm") as first:
        asyncio.run(main(first))
