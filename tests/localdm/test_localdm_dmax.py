"""dmax, a client of DM nobody here wrote, unchanged against a real localdm process."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from localdm_process import LocalDmProcess, running_localdm
from waiting import wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # dmax imports pydantic's MISSING from where it was before
    dmax: Any = importlib.import_module("dmax")  # not all of its own types hold
    processing: Any = importlib.import_module("dmax.processing")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture
def client(localdm: LocalDmProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client that knows the DM_* environment and nothing else, as at a beamline."""
    for name, value in localdm.environment.items():
        monkeypatch.setenv(name, value)
    client = dmax.Client()
    yield client
    for context in contexts(client):
        context.client.close()


def contexts(client: Any) -> list[Any]:
    """The parts of a client that hold connections: dmax has no close of its own."""
    return [client._ds_context, client._proc_context, client._daq_context]


def workflow(name: str, command: str) -> Any:
    return processing.Workflow(
        name=name,
        owner="dmioc",
        userAccount="dmioc",
        description="made by a test",
        id="",
        stages={"1-ONLY": {"command": command, "outputVariableRegexList": ["(?P<said>.*)"]}},
    )


def test_experiments_in_the_list_by_name_and_by_id(client: Any, localdm: LocalDmProcess) -> None:
    (listed,) = [one for one in client.experiments() if one.name == "demo"]
    named = client.experiment(name="demo")
    assert named == client.experiment(id=str(listed.id))
    assert (named.id, named.station.name, named.users) == (listed.id, "DEMO", ["dmioc"])
    assert named.data_path == str(localdm.directory / "storage" / "DEMO" / "demo" / "data")
    assert named.start < named.end and named.created.tzinfo is not None


def test_unknown_experiment_is_an_error_that_says_so(client: Any) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"Experiment none does not exist\. \(14\)"):
        client.experiment(name="none")


def test_workflows_are_listed_added_and_updated(client: Any) -> None:
    assert {"example-01", "progress-01"} <= {one.name for one in client.workflows()}
    assert list(client.workflow("example-01").stages) == sorted(client.workflow("example-01").stages)
    added = client.add_workflow(workflow("added", "/bin/echo one"))
    assert added.id and client.workflow("added") == added
    with pytest.raises(httpx.HTTPStatusError, match="already exists"):
        client.add_workflow(workflow("added", "/bin/echo two"))
    updated = client.update_workflow("added", {"description": "changed"})
    assert (updated.id, updated.description) == (added.id, "changed")
    assert client.workflow("added") == updated


def finished(localdm: LocalDmProcess, client: Any, job_id: str) -> Any:
    """The job once it has ended; not asked of dmax before, which needs the exit status of every process."""
    proc = localdm.session("PROC")
    words = ("done", "failed", "aborted")
    wait_until(lambda: proc.call("GET", "processingJobsByOwner", "dmioc", job_id)["status"] in words, 20.0)
    return client.processing_job(job_id)


def test_job_runs_and_is_reported(client: Any, tmp_path: Path, localdm: LocalDmProcess) -> None:
    data = tmp_path / "data file.h5"
    data.write_bytes(b"data")
    submitted = client.submit_processing_job("example-01", filePath=str(data), run_uid="12345")
    assert (submitted.status, submitted.file_count, submitted.owner) == ("pending", 1, "dmioc")
    job = finished(localdm, client, submitted.id)
    assert job.status == "done" and job.workflow.name == "example-01"
    (process,) = job.workflow.stages["04-MD5SUM"].child_processes.values()
    assert process.standard_output.split()[0] == hashlib.md5(b"data").hexdigest()
    assert job.submitted <= job.start <= job.end
    assert [one.id for one in client.processing_jobs()][-1] == submitted.id
    assert client.processing_jobs(limit=1, offset=len(client.processing_jobs())) == []


def test_job_without_a_file_fails_in_the_words_of_dm(client: Any, localdm: LocalDmProcess) -> None:
    submitted = client.submit_processing_job("example-01", run_uid="12345")
    assert submitted.file_count == 0
    job = finished(localdm, client, submitted.id)
    assert job.status == "failed"
    assert job.error_message.startswith("Invalid input file specification.")


def test_failing_stage_fails_the_job(client: Any, localdm: LocalDmProcess) -> None:
    client.add_workflow(workflow("failing", "/bin/false"))
    submitted = client.submit_processing_job("failing", filePath="/dev/null")
    job = finished(localdm, client, submitted.id)
    assert job.status == "failed"
    (process,) = job.workflow.stages["1-ONLY"].child_processes.values()
    assert process.exit_status == 1


def test_data_archive_queue_starts_and_stores(client: Any, tmp_path: Path, localdm: LocalDmProcess) -> None:
    source = tmp_path / "detector"
    source.mkdir()
    daq = client.start_data_archive_queue(source, "demo", skip="*.tmp")
    storage = localdm.directory / "storage" / "DEMO" / "demo" / "data"
    assert (daq.status, daq.experiment_name, daq.station_name) == ("running", "demo", "DEMO")
    assert daq.storage_directory == str(storage) and daq.data_directory == str(source)
    assert daq.skip_file_path_pattern == "*.tmp"
    (source / "scan.h5").write_bytes(b"frames")
    (source / "scan.tmp").write_bytes(b"none")
    stored = storage / "scan.h5"
    wait_until(stored.exists, 20.0)
    assert stored.read_bytes() == b"frames" and not (storage / "scan.tmp").exists()


def test_async_client(localdm: LocalDmProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in localdm.environment.items():
        monkeypatch.setenv(name, value)

    async def main() -> None:
        client = dmax.AsyncClient()
        experiments, workflows = await asyncio.gather(client.experiments(), client.workflows())
        assert "demo" in [one.name for one in experiments]
        assert "example-01" in [one.name for one in workflows]
        for context in contexts(client):
            await context.client.aclose()

    asyncio.run(main())
