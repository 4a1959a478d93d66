"""Transfers on disk: their records, and of active ones the state of each file. Every call blocks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from dmioc.localdm.database import Database
from dmioc.localdm.transfers.file_table import FileEntry, Phase

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transfers (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, experiment TEXT NOT NULL,
    directory TEXT NOT NULL, info TEXT NOT NULL, started_ns INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1,
    listed INTEGER NOT NULL DEFAULT 1, stopping INTEGER NOT NULL DEFAULT 0, baseline_known INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'running', record TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS transfer_files (
    transfer INTEGER NOT NULL, path TEXT NOT NULL, size_bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, phase INTEGER NOT NULL, error TEXT NOT NULL, job TEXT,
    PRIMARY KEY (transfer, path)) WITHOUT ROWID;
"""
_STORE_FILE = "INSERT OR REPLACE INTO transfer_files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class SavedTransfer:
    """A transfer as it was saved; ``record`` is DM's record of a finished one."""

    number: int
    id: str
    kind: str
    experiment: str
    directory: str
    info: dict[str, object]
    started_ns: int
    active: bool
    listed: bool
    stopping: bool
    baseline_known: bool
    status: str
    record: dict[str, object]


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of an active transfer. ``job``: None when none is wanted, empty when one has yet to be started."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    phase: Phase
    error: str = ""
    job: str | None = None

    def entry(self) -> FileEntry:
        """The file as the table of a transfer has it."""
        stored = self.size_bytes if self.phase is Phase.STORED else -1
        return FileEntry(self.size_bytes, self.modified_ns, self.changed_ns, self.phase, stored_bytes=stored)


class TransferStore:
    """Saves and loads transfers; safe in any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_SCHEMA)

    def add(self, *, transfer_id: str, kind: str, experiment: str, directory: str, info: str, started_ns: int) -> int:
        """Save a new active transfer; answers its number, which grows."""
        sql = """INSERT INTO transfers (id, kind, experiment, directory, info, started_ns) VALUES (?, ?, ?, ?, ?, ?)
                 RETURNING number"""
        [(number,)] = self._database.rows(sql, (transfer_id, kind, experiment, directory, info, started_ns))
        return cast(int, number)

    def mark(self, number: int, status: str, stopping: bool, baseline_known: bool) -> None:
        """Save how far an active transfer is."""
        sql = "UPDATE transfers SET status = ?, stopping = ?, baseline_known = ? WHERE number = ?"
        self._database.rows(sql, (status, int(stopping), int(baseline_known), number))

    def finish(self, number: int, status: str, record: Mapping[str, object]) -> None:
        """Save a finished transfer's record; the states of its files are not needed any longer."""
        sql = "UPDATE transfers SET active = 0, status = ?, record = ? WHERE number = ?"
        self._database.rows(sql, (status, json.dumps(record), number))
        self._database.rows("DELETE FROM transfer_files WHERE transfer = ?", (number,))

    def unlist(self, number: int) -> None:
        """The transfer was cleared: it is history only."""
        self._database.rows("UPDATE transfers SET listed = 0 WHERE number = ?", (number,))

    def prune(self, kept: int) -> None:
        """Remove finished transfers except the newest ``kept``."""
        sql = """DELETE FROM transfers WHERE active = 0 AND number NOT IN
                 (SELECT number FROM transfers WHERE active = 0 ORDER BY number DESC LIMIT ?)"""
        self._database.rows(sql, (kept,))

    def transfers(self) -> list[SavedTransfer]:
        """All transfers in the order in which they were started."""
        sql = """SELECT number, id, kind, experiment, directory, info, started_ns, active, listed, stopping,
                 baseline_known, status, record FROM transfers ORDER BY number"""
        return [_saved(cast(tuple[Any, ...], row)) for row in self._database.rows(sql)]

    def save_files(self, number: int, files: Iterable[SavedFile]) -> None:
        """Save or replace the states of files, in one transaction."""
        self._database.run_many(
            _STORE_FILE,
            [(number, f.path, f.size_bytes, f.modified_ns, f.changed_ns, int(f.phase), f.error, f.job) for f in files],
        )

    def save_jobs(self, number: int, jobs: Mapping[str, str]) -> None:
        """Save the ids of the jobs that were started, by path."""
        sql = "UPDATE transfer_files SET job = ? WHERE transfer = ? AND path = ?"
        self._database.run_many(sql, [(job, number, path) for path, job in jobs.items()])

    def forget_files(self, number: int, paths: Iterable[str]) -> None:
        """Remove the states of files."""
        sql = "DELETE FROM transfer_files WHERE transfer = ? AND path = ?"
        self._database.run_many(sql, [(number, path) for path in paths])

    def files(self, number: int) -> list[SavedFile]:
        """The saved states of a transfer's files."""
        sql = """SELECT path, size_bytes, modified_ns, changed_ns, phase, error, job FROM transfer_files
                 WHERE transfer = ?"""
        rows = cast(list[tuple[str, int, int, int, int, str, str | None]], self._database.rows(sql, (number,)))
        return [SavedFile(path, size, modified, changed, Phase(phase), error, job)
                for path, size, modified, changed, phase, error, job in rows]  # fmt: skip


def _saved(row: tuple[Any, ...]) -> SavedTransfer:
    number, transfer_id, kind, experiment, directory, info, started_ns, *flags, status, record = row
    active, listed, stopping, baseline_known = (bool(flag) for flag in flags)
    return SavedTransfer(
        number=number,
        id=transfer_id,
        kind=kind,
        experiment=experiment,
        directory=directory,
        info=json.loads(info),
        started_ns=started_ns,
        active=active,
        listed=listed,
        stopping=stopping,
        baseline_known=baseline_known,
        status=status,
        record=json.loads(record),
    )
