"""Every accepted command, before DM is asked, and its outcome after: an append-only SQLite file.

A command that can be carried out again is kept with its order: what it was asked to do, fixed when it was accepted.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dmioc.engine.puts import Origin
from dmioc.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dmioc.engine.puts import Outcome

_CACHE_KB = 256
"""Of pages of the file, which is written more than read; SQLite's own 2 MB fill up: 1.6 MB after 6,000 commands (measured)."""
_TABLES = """
CREATE TABLE IF NOT EXISTS accepted (
    entry INTEGER PRIMARY KEY, time_s REAL NOT NULL, command TEXT NOT NULL,
    protocol TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL, order_json TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS ended (
    entry INTEGER PRIMARY KEY REFERENCES accepted, time_s REAL NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    request_id TEXT NOT NULL, owner TEXT NOT NULL, workflow TEXT NOT NULL, time_s REAL NOT NULL, job_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS requests_by_id ON requests (request_id);
"""
_ADD_ORDERS = "ALTER TABLE accepted ADD COLUMN order_json TEXT NOT NULL DEFAULT ''"
_DROP_ORDER = "UPDATE accepted SET order_json = '' WHERE entry = ? AND order_json <> ''"
_UNFINISHED = """
SELECT entry, time_s, command, protocol, user, host, order_json FROM accepted
WHERE entry NOT IN (SELECT entry FROM ended) ORDER BY entry
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command that was accepted and has no outcome: the gateway ended in the middle of it.

    ``order`` is what it was asked to do; None for one that is not carried out again.
    """

    entry: int
    time_s: float
    command: str
    origin: Origin
    order: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A RequestID that was used: for which workflow, and the job it gave (empty while DM has not answered)."""

    owner: str
    workflow: str
    job_id: str


class Journal:
    """The file; calls may come from any thread.

    Each call is one transaction that outlives the end of this process and takes far less than a millisecond; `sync` brings
    what was written to the disk, which takes longer, so that it outlives a loss of power as well.

    Raises `StateFileError` naming the file when it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
            self._connection.executescript(_TABLES)
            self._add_orders()
        except sqlite3.Error as error:
            raise StateFileError(f"journal {path} cannot be used: {error}") from error

    def _add_orders(self) -> None:
        """Journals of version 0.1 have no orders."""
        columns = self._connection.execute("SELECT name FROM pragma_table_info('accepted')").fetchall()
        if ("order_json",) not in columns:
            self._connection.execute(_ADD_ORDERS)

    def _run(self, sql: str, parameters: tuple[object, ...]) -> int:
        try:
            with self._lock, self._connection:
                return self._connection.execute(sql, parameters).lastrowid or 0
        except sqlite3.Error as error:
            raise StateFileError(f"journal {self._path} cannot be written: {error}") from error

    def _rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StateFileError(f"journal {self._path} cannot be read: {error}") from error

    def accept(self, time_s: float, command: str, origin: Origin, order: Mapping[str, object] | None = None) -> int:
        """Write down an accepted command, with its order if it can be carried out again; answers its entry number."""
        sql = "INSERT INTO accepted (time_s, command, protocol, user, host, order_json) VALUES (?, ?, ?, ?, ?, ?)"
        order_json = "" if order is None else json.dumps(order)
        return self._run(sql, (time_s, command, origin.protocol, origin.user, origin.host, order_json))

    def end(self, entry: int, time_s: float, outcome: Outcome) -> None:
        """Write down how an accepted command ended; its order, which can be large, is of no more use."""
        sql = "INSERT INTO ended (entry, time_s, state, message) VALUES (?, ?, ?, ?)"
        try:
            with self._lock, self._connection:
                self._connection.execute(sql, (entry, time_s, outcome.state.value, outcome.message))
                self._connection.execute(_DROP_ORDER, (entry,))
        except sqlite3.Error as error:
            raise StateFileError(f"journal {self._path} cannot be written: {error}") from error

    def sync(self) -> None:
        """Bring what was written to the disk; blocks for it."""
        try:
            file = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise StateFileError(f"journal {self._path} cannot be written: {error.strerror}") from error

    def drop_order(self, entry: int) -> None:
        """Have a command without an outcome not carried out again."""
        self._run(_DROP_ORDER, (entry,))

    def unfinished(self) -> list[Unfinished]:
        """Commands without an outcome, oldest first; each stays so until `end` is called for it."""
        return [
            Unfinished(entry, time_s, command, Origin(*origin), _order(order_json))
            for entry, time_s, command, *origin, order_json in self._rows(_UNFINISHED)
        ]

    def request(self, request_id: str) -> Request | None:
        """What a RequestID was used for, the newest word; None for one never used."""
        sql = "SELECT owner, workflow, job_id FROM requests WHERE request_id = ? ORDER BY rowid DESC LIMIT 1"
        rows = self._rows(sql, (request_id,))
        return Request(*rows[0]) if rows else None

    def note_request(self, request_id: str, time_s: float, request: Request) -> None:
        """Write down a use of a RequestID: before DM is asked with an empty job id, and again with DM's; blocks for the disk."""
        sql = "INSERT INTO requests (request_id, owner, workflow, time_s, job_id) VALUES (?, ?, ?, ?, ?)"
        self._run(sql, (request_id, request.owner, request.workflow, time_s, request.job_id))
        self.sync()

    def close(self) -> None:
        """Close the file; no call may follow."""
        with self._lock:
            self._connection.close()


def _order(order_json: str) -> Mapping[str, object] | None:
    return cast("dict[str, object]", json.loads(order_json)) if order_json else None
