"""Every method of `DmBackend` over the stand-in for ``aps-dm-api``, against localdm: what REST does, this does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import test_rest_localdm as rest
from aps_backend import settings_of, stand_in
from localdm_process import LocalDmProcess, running_localdm

from dmioc.dm.aps import ApsDm, method_table
from dmioc.dm.rest import endpoint_table
from dmioc.engine.ports import DmBackend
from dmioc.errors import DmLoginError, DmRefusedError, DmUnreachableError
from dmioc.model import NewExperiment
from dmioc.model.record import RecordKind

T = TypeVar("T")
STOP = {"stopProcessingJob": "WorkflowProcApi.abandonProcessingJob"}


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with stand_in():
        yield


@pytest.fixture(autouse=True)
def over_aps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of REST use this backend instead."""
    monkeypatch.setattr(rest, "using", using)


def using(localdm: LocalDmProcess, use: Callable[[DmBackend], Awaitable[T]], **changes: object) -> T:
    async def main() -> T:
        settings = settings_of(localdm.urls, **{"login_file": localdm.directory / "login", "methods": STOP, **changes})
        dm = ApsDm(settings)
        try:
            return await use(dm)
        finally:
            await dm.close()

    return asyncio.run(main())


def test_the_tables_of_both_backends_name_the_same_methods() -> None:
    assert {method.name for method in method_table()} == {endpoint.name for endpoint in endpoint_table()}
    for method, endpoint in zip(
        sorted(method_table(), key=lambda one: one.name),
        sorted(endpoint_table(), key=lambda one: one.name),
        strict=True,
    ):
        assert (method.name, method.service) == (endpoint.name, endpoint.service)


def test_experiments(localdm: LocalDmProcess) -> None:
    rest.test_experiments(localdm)


def test_upload_and_catalog(localdm: LocalDmProcess, tmp_path: Path) -> None:
    rest.test_upload_and_catalog(localdm, tmp_path)


def test_daq(localdm: LocalDmProcess, tmp_path: Path) -> None:
    rest.test_daq(localdm, tmp_path)


def test_upload_that_is_stopped(localdm: LocalDmProcess, tmp_path: Path) -> None:
    rest.test_upload_that_is_stopped(localdm, tmp_path)


def test_workflows_and_jobs(localdm: LocalDmProcess, tmp_path: Path) -> None:
    """The list of jobs comes in one piece: the package knows no pages, so that they are cut here."""
    rest.test_workflows_and_jobs(localdm, tmp_path)


def test_a_job_that_is_stopped(localdm: LocalDmProcess) -> None:
    rest.test_a_job_that_is_stopped(localdm)


def test_a_job_with_long_arguments(localdm: LocalDmProcess) -> None:
    rest.test_a_job_with_long_arguments(localdm)


def test_datasets(localdm: LocalDmProcess) -> None:
    rest.test_datasets(localdm)


def test_a_wrong_password(localdm: LocalDmProcess, tmp_path: Path) -> None:
    rest.test_a_wrong_password(localdm, tmp_path)


def test_a_refused_login_is_not_tried_at_every_poll_and_the_file_is_read_again(
    localdm: LocalDmProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login_file = tmp_path / "login"
    login_file.write_text(f"{localdm.username}|wrong")
    login_file.chmod(0o600)

    async def use(dm: DmBackend) -> None:
        with pytest.raises(DmLoginError, match="Incorrect username or password"):
            await dm.experiments()
        login_file.write_text((localdm.directory / "login").read_text())
        with pytest.raises(DmLoginError, match="the login is not tried again for 5 s"):
            await dm.experiments()
        monkeypatch.setattr(time, "monotonic", lambda now_s=time.monotonic: now_s() + 6.0)
        assert await dm.experiments()

    using(localdm, use, login_file=login_file)


@pytest.mark.parametrize("habit", ["", "once"])
def test_a_dm_that_goes_away_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habit: str) -> None:
    """Its sessions are forgotten; the package logs in again by itself or does not."""
    monkeypatch.setenv("APS_STAND_IN_LOGIN", habit)

    async def use(first: LocalDmProcess, dm: DmBackend) -> None:
        assert await dm.experiments()
        await asyncio.to_thread(first.stop)
        with pytest.raises(DmUnreachableError, match="refused") as caught:
            await dm.experiments()
        assert not caught.value.request_sent
        with running_localdm(tmp_path / "dm") as second:
            assert second.urls == first.urls
            assert await dm.experiments()

    with running_localdm(tmp_path / "dm") as first:
        using(first, lambda dm: use(first, dm))


def test_a_method_that_nobody_documented_is_refused_in_words(localdm: LocalDmProcess) -> None:
    async def use(dm: DmBackend) -> None:
        with pytest.raises(DmRefusedError) as caught:
            await dm.stop_job(dm.owner, "some-job")
        assert str(caught.value) == (
            "PROC stopProcessingJob: aps-dm-api 10.1.0 has no WorkflowProcApi.stopProcessingJob; "
            "methods.stopProcessingJob of [dm] names another"
        )
        assert (dm.requests, dm.request_errors) == (1, 1)

    using(localdm, use, methods={})


def test_records_as_dm_keeps_them(localdm: LocalDmProcess, tmp_path: Path) -> None:
    name = rest.new_name("records")

    async def use(dm: DmBackend) -> None:
        await dm.create_experiment(NewExperiment(name))
        found = await dm.record(RecordKind.EXPERIMENT, name)
        assert found["name"] == name and found["experimentType"]
        assert name in {one["name"] for one in await dm.records(RecordKind.EXPERIMENT)}
        workflow = await dm.record(RecordKind.WORKFLOW, "example-01", owner=dm.owner)
        assert workflow["stages"]
        assert await dm.file_ready(name, "none.h5") is False
        started = await dm.start_upload(name, str(rest.source_in(tmp_path, 1)), {})
        await rest.until(lambda: dm.file_exists(name, "sub/f0.h5"), bool)
        assert await dm.file_ready(name, "sub/f0.h5") is True
        assert (await dm.record(RecordKind.UPLOAD, started.id))["id"] == started.id
        assert (await dm.record(RecordKind.FILE, "sub/f0.h5", experiment=name))["fileSize"] == 1000

    using(localdm, use)
