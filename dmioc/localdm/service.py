"""localdm as a whole: its parts, put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import cast

from dmioc.localdm.calls import Handler, Handlers, at_once
from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.database import Database
from dmioc.localdm.datasets import Datasets
from dmioc.localdm.directory import (
    DirectoryLock,
    Running,
    ensure_login_file,
    last_running,
    remove_running,
    write_running,
)
from dmioc.localdm.experiment_records import Station
from dmioc.localdm.experiments import ExperimentStore
from dmioc.localdm.listeners import open_listeners, url_of
from dmioc.localdm.routes_cat import CatalogRoutes
from dmioc.localdm.routes_daq import TransferRoutes
from dmioc.localdm.routes_ds import StorageRoutes
from dmioc.localdm.routes_proc import ProcessingRoutes
from dmioc.localdm.seed import EXPERIMENT, seed_workflows
from dmioc.localdm.server import HttpService
from dmioc.localdm.services import ALL_SERVICES, Service
from dmioc.localdm.sessions import Sessions
from dmioc.localdm.settings import LocalDmSettings
from dmioc.localdm.storage import StoredFiles
from dmioc.localdm.transfers import Transfers, TransferSettings
from dmioc.localdm.users import Users
from dmioc.localdm.wire import local_timestamp
from dmioc.localdm.workflows import Jobs, JobSettings, Workflows

_log = logging.getLogger(__name__)

_ACTIVE_TRANSFER = ("pending", "running", "aborting", "finalizing")


class LocalDm:
    """The parts of one localdm; the constructor opens its records and blocks, nothing runs before `start`."""

    def __init__(self, settings: LocalDmSettings, owner: str) -> None:
        self._settings = settings
        self.database = Database(settings.directory / "localdm.sqlite")
        self._users = Users(self.database)
        station = Station(settings.station, account=owner, storage_host=platform.node() or "localhost")
        self._experiments = ExperimentStore(self.database, settings.storage_root, station, self._users)
        self._catalog = FileCatalogStore(self.database)
        self._datasets = Datasets(self.database)
        self._workflows = Workflows(self.database)
        self._files = StoredFiles(self._experiments, self._catalog)
        self.jobs = Jobs(
            self.database,
            self._workflows,
            self._experiments,
            self._job_settings(),
            find_files=self._files.find,
        )
        self.transfers = Transfers(
            self.database, self._experiments, self._catalog, self.jobs, TransferSettings(), owner
        )
        self._seed(owner)

    def _job_settings(self) -> JobSettings:
        return JobSettings(
            scratch_directory=self._settings.directory / "scratch",
            max_running_jobs=self._settings.max_running_jobs,
            environment=self._settings.stage_environment,
        )

    def _seed(self, owner: str) -> None:
        """Fill a new localdm; what was deleted later does not come back."""
        self.database.script("CREATE TABLE IF NOT EXISTS seeded (at_s REAL NOT NULL)")
        if self.database.rows("SELECT 1 FROM seeded"):
            return
        self._users.ensure(owner)
        if not self._experiments.all():
            self._experiments.add(EXPERIMENT, owner)
        for document in seed_workflows(owner):
            self._workflows.upsert(document, owner)
        self.database.rows("INSERT INTO seeded VALUES (?)", (time.time(),))

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
        return {str(one["experimentName"]) for one in transfers if one.get("status") in _ACTIVE_TRANSFER}


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
    when the directory is in use or a port is taken.
    """
    async with AsyncExitStack() as closing:
        lock = await asyncio.to_thread(DirectoryLock, settings.directory)
        closing.callback(lock.release)
        credentials = await asyncio.to_thread(ensure_login_file, settings)
        last = last_running(settings.directory)
        listeners = open_listeners(settings.host, settings.port_base, last.urls if last else {})
        for listener in listeners.values():
            closing.callback(listener.close)
        parts = await asyncio.to_thread(LocalDm, settings, credentials.username)
        closing.callback(parts.database.close)
        running = Running(
            pid=os.getpid(),
            station=settings.station,
            urls={service.value: url_of(listener) for service, listener in listeners.items()},
            login_file=str(settings.login_file.absolute()),
            username=credentials.username,
        )
        await _serve(settings, parts, listeners, closing)
        write_running(settings.directory, running)
        closing.callback(remove_running, settings.directory)
        ready(running.as_dict())
        await stop.wait()
        _log.info("localdm stops")


async def _serve(
    settings: LocalDmSettings, parts: LocalDm, listeners: Mapping[Service, socket.socket], closing: AsyncExitStack
) -> None:
    """Start jobs, transfers and services; ``closing`` ends them in the other order."""
    closing.push_async_callback(parts.jobs.stop)
    await parts.jobs.start()
    closing.push_async_callback(parts.transfers.stop)
    await parts.transfers.start()
    handlers = parts.handlers()
    for service in ALL_SERVICES:
        sessions = Sessions(service.value, settings.login_file, settings.session_lifetime_s)
        http = HttpService(service, sessions, handlers[service])
        closing.push_async_callback(http.stop)
        await http.start(listeners[service])


def ready_line(running: Mapping[str, object]) -> str:
    """The one line that says localdm is ready, and where: ``localdm ready: DS http://… DAQ … PROC … CAT …``."""
    urls = cast(Mapping[str, str], running["urls"])
    return "localdm ready: " + " ".join(f"{name} {url}" for name, url in urls.items())


def serve(settings: LocalDmSettings, announce: Callable[[str], None]) -> int:
    """Run until SIGTERM or SIGINT and answer 0; ``announce`` gets the ready line.

    Raises `ConfigurationError` as `run` does.
    """

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(settings, lambda running: announce(ready_line(running)), stop)

    asyncio.run(main())
    return 0
