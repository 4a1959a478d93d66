"""Every accepted command, before DM is asked, and its outcome after: an append-only SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmioc.engine.puts import CommandState
from dmioc.errors import StateFileError

if TYPE_CHECKING:
    from pathlib import Path

    from dmioc.engine.puts import Origin, Outcome

_TABLES = """
CREATE TABLE IF NOT EXISTS accepted (
    entry INTEGER PRIMARY KEY, time_s REAL NOT NULL, command TEXT NOT NULL,
    protocol TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ended (
    entry INTEGER PRIMARY KEY REFERENCES accepted, time_s REAL NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    request_id TEXT NOT NULL, owner TEXT NOT NULL, workflow TEXT NOT NULL, time_s REAL NOT NULL, job_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS requests_by_id ON requests (request_id);
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command that was accepted and has no outcome: the gateway ended in the middle of it."""

    entry: int
    time_s: float
    command: str


@dataclass(frozen=True, slots=True)
class Request:
    """A RequestID that was used: for which workflow, and the job it gave (empty while DM has not answered)."""

    owner: str
    workflow: str
    job_id: str


class Journal:
    """The file; each call is one durable transaction, blocks for the disk, and may come from any thread.

    Raises `StateFileError` naming the file when it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # FULL: an accepted command is on disk before DM is asked.
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_TABLES)
        except sqlite3.Error as error:
            raise StateFileError(f"journal {path} cannot be used: {error}") from error

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

    def accept(self, time_s: float, command: str, origin: Origin) -> int:
        """Write down an accepted command; answers its entry number."""
        sql = "INSERT INTO accepted (time_s, command, protocol, user, host) VALUES (?, ?, ?, ?, ?)"
        return self._run(sql, (time_s, command, origin.protocol, origin.user, origin.host))

    def end(self, entry: int, time_s: float, outcome: Outcome) -> None:
        """Write down how an accepted command ended."""
        sql = "INSERT INTO ended (entry, time_s, state, message) VALUES (?, ?, ?, ?)"
        self._run(sql, (entry, time_s, outcome.state.value, outcome.message))

    def unfinished(self, time_s: float) -> list[Unfinished]:
        """Commands without an outcome, oldest first; they are written down as interrupted."""
        sql = "SELECT entry, time_s, command FROM accepted WHERE entry NOT IN (SELECT entry FROM ended) ORDER BY entry"
        rows = [Unfinished(*row) for row in self._rows(sql)]
        for row in rows:
            sql = "INSERT INTO ended (entry, time_s, state, message) VALUES (?, ?, ?, ?)"
            self._run(sql, (row.entry, time_s, CommandState.INTERRUPTED.value, "the gateway ended"))
        return rows

    def request(self, request_id: str) -> Request | None:
        """What a RequestID was used for, the newest word; None for one never used."""
        sql = "SELECT owner, workflow, job_id FROM requests WHERE request_id = ? ORDER BY rowid DESC LIMIT 1"
        rows = self._rows(sql, (request_id,))
        return Request(*rows[0]) if rows else None

    def note_request(self, request_id: str, time_s: float, request: Request) -> None:
        """Write down a use of a RequestID: before DM is asked with an empty job id, and again with DM's."""
        sql = "INSERT INTO requests (request_id, owner, workflow, time_s, job_id) VALUES (?, ?, ?, ?, ?)"
        self._run(sql, (request_id, request.owner, request.workflow, time_s, request.job_id))

    def close(self) -> None:
        """Close the file; no call may follow."""
        with self._lock:
            self._connection.close()
