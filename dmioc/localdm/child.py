"""localdm as a child process of a gateway: started, watched, started again after a crash, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dmioc.errors import ConfigurationError
from dmioc.localdm.directory import Running, ensure_login_file, last_running
from dmioc.localdm.services import ALL_SERVICES
from dmioc.localdm.settings import LocalDmSettings

_LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
USERNAME = "dmioc"
_RANDOM_BASES = range(20000, 32000, 4)
_TRIES = 50
_STOP_S = 4.0
_RESTART_S = 1.0
_LOOK_S = 0.2


class LocalDmChild:
    """One localdm for one directory.

    A localdm that an earlier gateway left behind (it was killed) is taken over, with the DAQs and jobs that run in it.

    Args:
        directory: its records and storage.
        port_base: first of its four ports; 0: those of the last time if they are free, else free ones.
        station: its station name.
        environment: variables of its process, and so of the stages of workflows.
        faults: a file of faults that it makes.

    Raises `ConfigurationError` when no ports are free, and for one that was left behind with other faults than asked for.
    """

    def __init__(
        self,
        directory: Path,
        port_base: int,
        station: str,
        environment: Mapping[str, str],
        faults: Path | None = None,
    ) -> None:
        self.directory = directory
        self.station = station
        self._environment = dict(environment)
        self._settings = LocalDmSettings(directory, station=station, username=USERNAME)
        self._faults = () if faults is None else ("--faults", str(faults.absolute()))
        self._memory_limits = resource.getrlimit(resource.RLIMIT_DATA)
        last = last_running(directory)
        self._adopted_pid = last.pid if last and _serves(last) else 0
        if self._adopted_pid and _faults_of(self._adopted_pid) != self._faults:
            raise ConfigurationError(
                f"the local DM in {directory} was left running (pid {self._adopted_pid}) with other --faults: end it first"
            )
        if last and self._adopted_pid:
            self.urls = dict(last.urls)
            self._base = 0
        else:
            self._base = port_base or _free_base(last)
            self.urls = {
                service.value: f"http://{HOST}:{self._base + offset}" for offset, service in enumerate(ALL_SERVICES)
            }
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def login_file(self) -> Path:
        """Where its user and password are kept; made here if it is not there yet."""
        self.directory.mkdir(parents=True, exist_ok=True)
        ensure_login_file(self._settings)
        return self._settings.login_file

    async def start(self, on_crash: Callable[[str], None]) -> None:
        """Start it, or take over the one that runs, and return when it serves.

        ``on_crash`` is told in one line each time it ended by itself; it is then started again on the same ports.
        Raises `ConfigurationError` when it does not start.
        """
        if self._adopted_pid:
            _LOG.info("local DM with pid %s was left running: taken over", self._adopted_pid)
        else:
            await self._spawn()
        self._watch = asyncio.create_task(self._keep(on_crash), name="local DM")

    async def _spawn(self) -> None:
        command = (sys.executable, "-m", "dmioc", "localdm", "--dir", str(self.directory), "--station", self.station)
        process = await asyncio.create_subprocess_exec(
            *command,
            "--port-base",
            str(self._base),
            *self._faults,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            # Its own session: Ctrl-C in the gateway's terminal is for the gateway, which then stops it in order.
            start_new_session=True,
        )
        self._process = process
        if sys.platform == "linux":  # the gateway's limit (`dmioc.serve.memory`) is not for the stages of workflows
            with suppress(ProcessLookupError):  # one that has ended already says why, below
                resource.prlimit(process.pid, resource.RLIMIT_DATA, self._memory_limits)
        if process.stdout is None:
            raise ConfigurationError("the local DM has no output")
        line = await process.stdout.readline()
        if not line.startswith(b"localdm ready"):
            await process.wait()
            raise ConfigurationError(f"the local DM in {self.directory} did not start: see its message above")

    async def _keep(self, on_crash: Callable[[str], None]) -> None:
        while True:
            ended = await self._ended()
            on_crash(f"the local DM ended by itself ({ended}): it is started again")
            await asyncio.sleep(_RESTART_S)
            self._adopted_pid = 0
            self._base = self._base or (urlsplit(next(iter(self.urls.values()))).port or 0)
            try:
                await self._spawn()
            except ConfigurationError as error:
                on_crash(str(error))

    async def _ended(self) -> str:
        if self._process is not None:
            return f"exit status {await self._process.wait()}"
        while _alive(self._adopted_pid):
            await asyncio.sleep(_LOOK_S)
        return f"pid {self._adopted_pid} is gone"

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL when that takes too long."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        elif self._adopted_pid:
            await self._stop_adopted()

    async def _stop_adopted(self) -> None:
        _send(self._adopted_pid, signal.SIGTERM)
        for _ in range(round(_STOP_S / _LOOK_S)):
            if not _alive(self._adopted_pid):
                return
            await asyncio.sleep(_LOOK_S)
        _send(self._adopted_pid, signal.SIGKILL)


def _serves(running: Running) -> bool:
    """Whether the localdm of a note is alive and listens where the note says."""
    return _alive(running.pid) and all(_listens(url) for url in running.urls.values())


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or HOST, parts.port or 0), timeout=0.5):
            return True
    except OSError:
        return False


def _alive(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline")
    try:
        return b"localdm" in command.read_bytes()
    except OSError:
        return False


def _faults_of(pid: int) -> tuple[str, ...]:
    """The option that names a file of faults, as the process was given it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return ()
    return tuple(words[words.index("--faults") :][:2]) if "--faults" in words else ()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _free_base(last: Running | None) -> int:
    """First of four free ports in a row: those of the last time if they are, so that other clients find it again."""
    bases = [] if last is None else [urlsplit(last.urls.get(ALL_SERVICES[0].value, "")).port or 0]
    bases += random.sample(_RANDOM_BASES, _TRIES)
    for base in bases:
        if base and all(_is_free(base + offset) for offset in range(len(ALL_SERVICES))):
            return base
    raise ConfigurationError("no four free ports in a row were found for the local DM: set port_base of [local]")


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
