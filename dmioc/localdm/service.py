"""localdm as a whole: its parts, put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import cast

from dmioc.errors import ConfigurationError, StateFileError
from dmioc.localdm.calls import Handler, Handlers, at_once
from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.database import Database
from dmioc.localdm.datasets import Datasets
from dmioc.localdm.directory import (
    DirectoryLock,
    Running,
    ensure_login_file,
    environment_lines,
    last_running,
    remove_running,
    write_running,
)
from dmioc.localdm.experiment_records import Station
from dmioc.localdm.experiments import ExperimentStore
from dmioc.localdm.faults.file import FaultFile
from dmioc.localdm.faults.in_force import Armed, FaultsInForce
from dmioc.localdm.listeners import open_listeners, url_of
from dmioc.localdm.routes_cat import CatalogRoutes
from dmioc.localdm.routes_daq import TransferRoutes
from dmioc.localdm.routes_ds import StorageRoutes
from dmioc.localdm.routes_proc import ProcessingRoutes
from dmioc.localdm.seed import EXPERIMENT, seed_workflows
from dmioc.localdm.server import HttpService
from dmioc.localdm.services import Service
from dmioc.localdm.sessions import Sessions
from dmioc.localdm.settings import LocalDmSettings
from dmioc.localdm.storage import StoredFiles
from dmioc.localdm.transfers import Transfers, TransferSettings
from dmioc.localdm.users import Users
from dmioc.localdm.wire import local_timestamp
from dmioc.localdm.workflows import Jobs, JobSettings, Workflows
from dmioc.model import Status

__all__ = ["LocalDm", "environment_lines", "ready_line", "run", "serve"]

_log = logging.getLogger(__name__)

_STOP_GRACE_S = 0.5
"""Between SIGTERM and SIGKILL of stage processes at the end: all of it has to be over within 3 s."""


class LocalDm:
    """The parts of one localdm; the constructor reads its records and blocks, nothing runs yet.

    A new localdm is filled, once: what was deleted later does not come back. Raises `ConfigurationError` for records of
    another station.
    """

    def __init__(self, settings: LocalDmSettings, database: Database, owner: str) -> None:
        self._settings = settings
        is_new = _is_new(database, settings)
        self._users = Users(database)
        station = Station(settings.station, account=owner, storage_host=platform.node() or "localhost")
        self._experiments = ExperimentStore(database, settings.storage_root, station, self._users)
        self._catalog = FileCatalogStore(database)
        self._datasets = Datasets(database)
        self._workflows = Workflows(database)
        self._files = StoredFiles(self._experiments, self._catalog)
        self.jobs = Jobs(
            database,
            self._workflows,
            self._experiments,
            self._job_settings(),
            find_files=self._files.find,
        )
        self.transfers = Transfers(database, self._experiments, self._catalog, self.jobs, TransferSettings(), owner)
        if is_new:
            self._seed(database, owner)

    def _job_settings(self) -> JobSettings:
        return JobSettings(
            scratch_directory=self._settings.directory.absolute() / "scratch",
            max_running_jobs=self._settings.max_running_jobs,
            stop_grace_s=_STOP_GRACE_S,
            environment=self._settings.stage_environment,
        )

    def _seed(self, database: Database, owner: str) -> None:
        self._users.ensure(owner)
        if not self._experiments.all():
            self._experiments.add(EXPERIMENT, owner)
        for document in seed_workflows(owner):
            self._workflows.upsert(document, owner)
        database.rows("INSERT INTO seeded VALUES (?)", (self._settings.station,))

    def handlers(self) -> Mapping[Service, Handlers]:
        """The handlers of each service by endpoint, all but login and logout."""
        storage = StorageRoutes(self._experiments, self._users, self._files, self._forget, self._experiments_in_use)
        routes: dict[Service, Handlers] = {
            Service.DS: storage.handlers(),
            Service.DAQ: TransferRoutes(self.transfers).handlers(),
            Service.PROC: ProcessingRoutes(self._workflows, self.jobs).handlers(),
            Service.CAT: CatalogRoutes(self._experiments, self._catalog, self._datasets).handlers(),
        }
        return {service: {**found, "getServiceStatus": _status(service)} for service, found in routes.items()}

    def _forget(self, experiment: str) -> None:
        """Remove what the catalog has of an experiment that was deleted."""
        self._catalog.forget(experiment)
        self._datasets.delete_of_experiment(experiment)

    def _experiments_in_use(self) -> set[str]:
        transfers = [*self.transfers.daqs(), *self.transfers.uploads()]
        active = (one for one in transfers if Status.from_word(str(one.get("status"))).is_active)
        return {str(one["experimentName"]) for one in active}


def _status(service: Service) -> Handler:
    started_s = time.time()
    content = {
        "service": service.value,
        "status": "running",
        "host": platform.node(),
        "pid": os.getpid(),
        "startTime": started_s,
        "startTimestamp": local_timestamp(started_s),
    }
    return at_once(lambda call: {**content, "runTime": time.time() - started_s})


async def run(settings: LocalDmSettings, ready: Callable[[dict[str, object]], None], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; ``ready`` gets the content of ``localdm.json`` once all four services answer.

    Transfers are stopped so that the next start resumes them, stage processes are ended. Raises `ConfigurationError`
    when the directory is in use, a port is taken or the file of faults is wrong, `StateFileError` when the records cannot be
    read.
    """
    async with AsyncExitStack() as closing:
        lock = await asyncio.to_thread(DirectoryLock, settings.directory)
        closing.callback(lock.release)
        faults = FaultsInForce()
        file = (
            await asyncio.to_thread(FaultFile, settings.faults, settings.directory, faults) if settings.faults else None
        )
        credentials = await asyncio.to_thread(ensure_login_file, settings)
        last = last_running(settings.directory)
        listeners = open_listeners(settings.host, settings.port_base, last.urls if last else {})
        for listener in listeners.values():
            closing.callback(listener.close)
        database = await asyncio.to_thread(_open_database, settings)
        closing.callback(database.close)
        parts = await asyncio.to_thread(LocalDm, settings, database, credentials.username)
        running = Running(
            pid=os.getpid(),
            station=settings.station,
            urls={service.value: url_of(listener) for service, listener in listeners.items()},
            login_file=str(settings.login_file.absolute()),
            username=credentials.username,
        )
        services = await _serve(settings, parts, listeners, faults, closing)
        if file is not None:
            await _follow(file, services, closing)
        write_running(settings.directory, running)
        closing.callback(remove_running, settings.directory)
        ready(running.as_dict())
        await stop.wait()
        _log.info("localdm stops")


def _open_database(settings: LocalDmSettings) -> Database:
    try:
        return Database(settings.directory / "localdm.sqlite")
    except sqlite3.DatabaseError as error:
        raise StateFileError(f"records of localdm in {settings.directory} cannot be used: {error}") from None


def _is_new(database: Database, settings: LocalDmSettings) -> bool:
    database.script("CREATE TABLE IF NOT EXISTS seeded (station TEXT NOT NULL)")
    stations = [str(row[0]) for row in database.rows("SELECT station FROM seeded")]
    if stations and settings.station not in stations:
        raise ConfigurationError(f"{settings.directory} holds station {stations[0]}, not {settings.station}")
    return not stations


async def _serve(
    settings: LocalDmSettings,
    parts: LocalDm,
    listeners: Mapping[Service, socket.socket],
    faults: FaultsInForce,
    closing: AsyncExitStack,
) -> list[HttpService]:
    """Start jobs, transfers and services; ``closing`` ends them in the other order."""
    closing.push_async_callback(parts.jobs.stop)
    await parts.jobs.start()
    closing.push_async_callback(parts.transfers.stop)
    await parts.transfers.start()
    services = [
        HttpService(
            service, Sessions(service.value, settings.login_file, settings.session_lifetime_s), handlers, faults
        )
        for service, handlers in parts.handlers().items()
    ]

    async def stop_services() -> None:
        await asyncio.gather(*(service.stop() for service in services))

    closing.push_async_callback(stop_services)
    for service in services:
        await service.start(listeners[service.service])
    return services


async def _follow(file: FaultFile, services: Sequence[HttpService], closing: AsyncExitStack) -> None:
    """Make the faults of a file from now on, all of them in force before the first request."""

    async def enforce(new: list[Armed]) -> None:
        for service in services:
            await service.enforce(new)

    await file.begin(enforce)
    following = asyncio.create_task(file.follow(enforce), name="file of faults")

    async def stop() -> None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        file.end()

    closing.push_async_callback(stop)


def ready_line(running: Mapping[str, object]) -> str:
    """The one line that says localdm is ready, and where: ``localdm ready: DS http://… DAQ … PROC … CAT …``."""
    urls = cast(Mapping[str, str], running["urls"])
    return "localdm ready: " + " ".join(f"{name} {url}" for name, url in urls.items())


def serve(settings: LocalDmSettings, announce: Callable[[str], None]) -> int:
    """Run until SIGTERM or SIGINT and answer 0; ``announce`` gets the ready line.

    Raises as `run` does.
    """

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(settings, lambda running: announce(ready_line(running)), stop)

    asyncio.run(main())
    return 0
