"""Run metadata on disk until DM has it: one file for each run, written whole, safe to share between processes.

A directory for one station holds::

    <time>-<run uid>.json     a run that has ended and is to be sent; the names sort in the order of the ends
    open-<process>/           runs in progress of one process, and a lock that the system lets go when that process ends
    sending.lock              held by the process that sends now
    whole/                    runs whose metadata were too long for the gateway, as they were

A run in progress is rewritten with each of its documents and moved when it has ended: whenever its process is killed, the next
one finds all that came until then.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from dmioc.devices.run_documents import RunRecord, record_of
from dmioc.errors import StateFileError

_LOG = logging.getLogger(__name__)
_SUFFIX = ".json"
_OPEN = "open-"
_OWNER_LOCK = "owner.lock"
_SENDING_LOCK = "sending.lock"
_WHOLE = "whole"
_LONGEST_UID = 100


def default_spool_directory() -> Path:
    """``$XDG_STATE_HOME/dmioc/metadata``, by default below ``~/.local/state``.

    Raises `StateFileError` when the user has no home directory.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        state = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise StateFileError(
            f"no directory for run metadata: set XDG_STATE_HOME or give spool_directory ({error})"
        ) from error
    return state / "dmioc" / "metadata"


class MetadataSpool:
    """The runs of one station that are to be sent; methods may be called from several threads.

    Writing never raises: what the disk does not take is kept in memory, which the log says once, and is written later.

    Args:
        directory: for all stations; that of this one is made in it at the first write.
        prefix: of the station's PVs.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        self.directory = directory / quote(prefix, safe="")
        self._lock = threading.Lock()
        self._in_memory: dict[str, RunRecord] = {}
        self._removed: set[str] = set()
        self._session: tuple[Path, int] | None = None
        self._last_ns = 0
        self._problem = ""

    def keep(self, record: RunRecord) -> None:
        """Keep a run in progress as it is now, or one that has ended as one to be sent."""
        if record.stop is not None:
            self._keep_ended(self._next_name(record.run_uid, time.time_ns()), record)
            return
        try:
            _write_whole(self._open_path(record.run_uid), record.to_text())
        except OSError as error:
            self._say(f"cannot be written ({error.strerror}): runs are kept in memory")

    def _keep_ended(self, name: str, record: RunRecord) -> None:
        try:
            path = self._open_path(record.run_uid)
            _write_whole(path, record.to_text())
            path.replace(self.directory / name)
            _sync_directory(self.directory)
        except OSError as error:
            with self._lock:
                self._in_memory[name] = record
            self._say(f"cannot be written ({error.strerror}): runs are kept in memory")
            return
        with self._lock:
            self._in_memory.pop(name, None)
        self._say("")

    def write_again(self) -> None:
        """Try to write what the disk did not take."""
        with self._lock:
            records = dict(self._in_memory)
        for name, record in sorted(records.items()):
            self._keep_ended(name, record)

    def names(self) -> list[str]:
        """Names of the runs that are to be sent, in the order in which they ended."""
        with suppress(FileNotFoundError, NotADirectoryError):
            on_disk = {name for name in os.listdir(self.directory) if name.endswith(_SUFFIX)}
            return sorted((on_disk | set(self._in_memory)) - self._removed)
        return sorted(self._in_memory)

    def read(self, name: str) -> RunRecord:
        """One of them; raises `StateFileError` for a file that is gone, cannot be read or is none of ours."""
        with self._lock:
            if name in self._in_memory:
                return self._in_memory[name]
        path = self.directory / name
        try:
            return record_of(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise StateFileError(f"{path} is not used: {error}") from error

    def change(self, name: str, record: RunRecord) -> None:
        """Put a record in the place of one of them."""
        with self._lock:
            self._in_memory[name] = record
        try:
            _write_whole(self.directory / name, record.to_text())
        except OSError as error:
            self._say(f"cannot be written ({error.strerror}): runs are kept in memory")
            return
        with self._lock:
            del self._in_memory[name]

    def remove(self, name: str) -> None:
        """Forget one that DM has."""
        self._take_out(name)
        try:
            with suppress(FileNotFoundError, NotADirectoryError):  # one that has never been on disk
                (self.directory / name).unlink()
        except OSError as error:
            self._say(f"cannot be changed ({error.strerror}): runs that DM has are sent again by the next process")

    def set_aside(self, name: str) -> None:
        """Forget one that DM has in part, and keep all of it under `whole_path`."""
        record = self._take_out(name)
        try:
            self.whole_path(name).parent.mkdir(parents=True, exist_ok=True)
            if record is not None:
                _write_whole(self.directory / name, record.to_text())
            (self.directory / name).replace(self.whole_path(name))
        except OSError as error:
            self._say(f"cannot be written ({error.strerror}): what was left out of {name} is lost with this process")

    def whole_path(self, name: str) -> Path:
        """Where `set_aside` keeps it."""
        return self.directory / _WHOLE / name

    def _take_out(self, name: str) -> RunRecord | None:
        with self._lock:
            self._removed.add(name)
            return self._in_memory.pop(name, None)

    def adopt(self) -> None:
        """Take over the runs of processes that ended before their runs had, as ended without a stop document."""
        for directory in sorted(self.directory.glob(f"{_OPEN}*")):
            try:
                self._adopt(directory)
            except FileNotFoundError:
                continue  # another process was quicker
            except OSError as error:
                _LOG.warning("run metadata: %s is not taken over: %s", directory, error)

    def _adopt(self, directory: Path) -> None:
        lock = _locked(directory / _OWNER_LOCK)
        if lock is None:
            return
        try:
            for path in sorted(directory.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns):
                name = self._next_name(path.name.removesuffix(_SUFFIX), path.stat().st_mtime_ns)
                _LOG.warning("run metadata: %s was left by a process that has ended; it is sent as it is", path.name)
                path.replace(self.directory / name)
            _remove_session(directory)
        finally:
            os.close(lock)

    @contextmanager
    def sending(self) -> Generator[bool]:
        """Whether this process may send now; while it does, no other one may."""
        lock: int | None = None
        try:
            lock = _locked(self.directory / _SENDING_LOCK)
            may_send = lock is not None
        except OSError as error:
            # What is in memory nobody else can send; and DM takes a run that is sent twice only once.
            _LOG.debug("run metadata: %s cannot be locked: %s", self.directory, error)
            may_send = True
        try:
            yield may_send
        finally:
            if lock is not None:
                os.close(lock)

    def close(self) -> None:
        """Leave what is in progress to the next process; of no effect on runs that are to be sent."""
        session, self._session = self._session, None
        if session is None:
            return
        directory, lock = session
        if not any(directory.glob(f"*{_SUFFIX}")):
            with suppress(OSError):
                _remove_session(directory)
        os.close(lock)

    def _open_path(self, run_uid: str) -> Path:
        """Where a run in progress is kept, in this process's own directory, which is made when it is first needed."""
        if self._session is not None and not self._session[0].is_dir():
            self.close()  # somebody has deleted it
        if self._session is None:
            self._session = _new_session(self.directory)
        return self._session[0] / f"{_in_name(run_uid)}{_SUFFIX}"

    def _next_name(self, run_uid: str, time_ns: int) -> str:
        """A name behind all others of this process, whatever the clock does."""
        with self._lock:
            self._last_ns = max(self._last_ns + 1, time_ns)
            return f"{self._last_ns:020}-{_in_name(run_uid)}{_SUFFIX}"

    def _say(self, problem: str) -> None:
        """Log a problem once, and once its end."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            _LOG.error("run metadata: %s %s", self.directory, problem)
        else:
            _LOG.warning("run metadata: %s can be written again", self.directory)


def _in_name(run_uid: str) -> str:
    return quote(run_uid, safe="")[:_LONGEST_UID]


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that its name never stands for a part of it; raises `OSError`."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of a file until it is closed or its process ends, None if another process has it.

    Raises `OSError` when it cannot be locked at all.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _new_session(directory: Path) -> tuple[Path, int]:
    """A directory for the runs in progress of this process, and the lock that tells that it lives."""
    while True:
        session = directory / f"{_OPEN}{os.getpid()}-{secrets.token_hex(4)}"
        session.mkdir(parents=True)
        with suppress(FileNotFoundError):
            lock = _locked(session / _OWNER_LOCK)
            if lock is not None and session.exists():
                return session, lock
        # A process that adopts was quicker than the lock, has found nothing in it and has removed it.


def _remove_session(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink(missing_ok=True)
    directory.rmdir()
