"""What lies in localdm's directory beside its records: lock, login file, and the note of who serves where."""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from dmioc.errors import ConfigurationError
from dmioc.localdm.services import Service
from dmioc.localdm.sessions import Credentials
from dmioc.localdm.settings import LocalDmSettings

_RUNNING_FILE = "localdm.json"
_LAST_FILE = "localdm.last.json"
_LOCK_FILE = "lock"


class Running(msgspec.Struct, frozen=True):
    """Who serves a directory and where; ``urls`` by the name of the service, without ``/dm``."""

    pid: int
    station: str
    urls: dict[str, str]
    login_file: str
    username: str

    def as_dict(self) -> dict[str, object]:
        """The content of ``localdm.json``."""
        return msgspec.to_builtins(self)


class DirectoryLock:
    """Held as long as a localdm uses its directory; a kill gives it back.

    Raises `ConfigurationError` naming the process that holds it, and for a directory that cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / _LOCK_FILE
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"directory {directory} of localdm cannot be used: {error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise ConfigurationError(f"another localdm (pid {holder}) uses {directory}: stop it first") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another localdm have the directory."""
        self._file.close()


def ensure_login_file(settings: LocalDmSettings) -> Credentials:
    """The credentials of the login file, which is made, with a random password and mode 600, when there is none."""
    path = settings.login_file
    if not path.exists():
        _write_whole(path, f"{settings.username}|{secrets.token_urlsafe(18)}\n".encode())
    credentials = Credentials.read(path)
    if not credentials.username or not credentials.password:
        raise ConfigurationError(f"login file {path} must hold one line username|password")
    return credentials


def write_running(directory: Path, running: Running) -> None:
    """Note who serves, for as long as it does and for later."""
    content = msgspec.json.format(msgspec.json.encode(running), indent=2)
    for name in (_LAST_FILE, _RUNNING_FILE):
        _write_whole(directory / name, content)


def remove_running(directory: Path) -> None:
    """Take the note away at a clean end; the one for later stays."""
    (directory / _RUNNING_FILE).unlink(missing_ok=True)


def last_running(directory: Path) -> Running | None:
    """Who serves or served last, or None if nobody ever did or the note cannot be read."""
    try:
        return msgspec.json.decode((directory / _LAST_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


def environment_lines(directory: Path) -> list[str]:
    """The ``export DM_…`` lines of a localdm that runs or ran in a directory (``dm-protocol.md §1.3``).

    Raises `ConfigurationError` when none ever ran there.
    """
    running = last_running(directory)
    if running is None:
        raise ConfigurationError(f"no localdm has run in {directory} so far: start one with dmioc localdm --dir")
    return [f"export {name}={shlex.quote(value)}" for name, value in _environment(running).items()]


def _environment(running: Running) -> Mapping[str, str]:
    urls = {f"DM_{service.value}_WEB_SERVICE_URL": running.urls.get(service.value, "") for service in Service}
    return {
        "DM_STATION_NAME": running.station,
        "DM_BEAMLINE_NAME": running.station,
        "DM_ALLOWED_EXPERIMENT_TYPES": running.station,
        "DM_MANAGED_DIRECTORY_STRUCTURE": "1",
        "DM_BEAMLINE_USER_ACCOUNT": running.username,
        "DM_LOGIN_FILE": running.login_file,
        **urls,
    }


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file, readable by its owner only, so that nobody ever sees a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
