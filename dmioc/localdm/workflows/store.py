"""Job records on disk: one row each, with a summary beside the whole document, so that lists need not read all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from dmioc.localdm.database import Database
from dmioc.localdm.workflows.records import Snapshot

# The document comes last: SQLite then does not read its pages for the columns before it.
_TABLE = """
CREATE TABLE IF NOT EXISTS processing_jobs (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    handles TEXT NOT NULL,
    summary TEXT NOT NULL,
    others TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS processing_jobs_of_owner ON processing_jobs (owner, sequence);
CREATE INDEX IF NOT EXISTS processing_jobs_not_finished ON processing_jobs (sequence)
    WHERE status NOT IN ('done', 'failed', 'aborted');
"""
_STORE = """
INSERT INTO processing_jobs (sequence, id, owner, status, handles, summary, others, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, handles = excluded.handles, summary = excluded.summary,
    others = excluded.others, document = excluded.document
"""
_SEPARATOR = "\n"


class StoredJob(NamedTuple):
    """What a list needs of one job; ``document`` is empty unless it was asked for."""

    sequence: int
    summary: bytes
    others: tuple[str, ...]
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """A job that an earlier life of localdm left pending or at work."""

    sequence: int
    status: str
    handles: tuple[str, ...]
    document: bytes


class JobStore:
    """The table of jobs; every call blocks and is safe in any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._deleted: set[str] = set()
        database.script(_TABLE)

    def next_sequence(self) -> int:
        """A number above that of every stored job."""
        (row,) = self._database.rows("SELECT COALESCE(MAX(sequence), 0) + 1 FROM processing_jobs")
        return int(str(row[0]))

    def write(self, snapshots: Iterable[Snapshot]) -> None:
        """Store new and changed jobs in one transaction; deleted ones stay deleted."""
        with self._lock:
            self._database.run_many(
                _STORE,
                [
                    (
                        job.sequence,
                        job.id,
                        job.owner,
                        job.status,
                        _SEPARATOR.join(job.handles),
                        job.summary.decode(),
                        msgspec.json.encode(job.others).decode(),
                        job.document.decode(),
                    )
                    for job in snapshots
                    if job.id not in self._deleted
                ],
            )

    def delete(self, job_id: str) -> None:
        """Forget a job for good, also if a write of it is still to come."""
        with self._lock:
            self._deleted.add(job_id)
            self._database.run_many("DELETE FROM processing_jobs WHERE id = ?", [(job_id,)])

    def unfinished(self) -> list[UnfinishedJob]:
        """Jobs that have not ended, oldest first."""
        rows = self._database.rows(
            "SELECT sequence, status, handles, CAST(document AS BLOB) FROM processing_jobs"
            " WHERE status NOT IN ('done', 'failed', 'aborted') ORDER BY sequence"
        )
        return [
            UnfinishedJob(int(str(sequence)), str(status), tuple(str(handles).split()), _bytes(document))
            for sequence, status, handles, document in rows
        ]

    def document(self, owner: str, job_id: str) -> bytes | None:
        """JSON of one job, or None if it is not stored."""
        rows = self._database.rows(
            "SELECT CAST(document AS BLOB) FROM processing_jobs WHERE id = ? AND owner = ?", (job_id, owner)
        )
        return _bytes(rows[0][0]) if rows else None

    def sequences(self, owner: str) -> list[int]:
        """Numbers of an owner's jobs, oldest first."""
        rows = self._database.rows("SELECT sequence FROM processing_jobs WHERE owner = ? ORDER BY sequence", (owner,))
        return [int(str(row[0])) for row in rows]

    def jobs(self, sequences: Sequence[int], with_document: bool) -> list[StoredJob]:
        """The jobs of these numbers, at most some thousands, in any order."""
        document = ", CAST(document AS BLOB)" if with_document else ""
        rows = self._database.rows(
            f"SELECT sequence, CAST(summary AS BLOB), others{document} FROM processing_jobs"
            f" WHERE sequence IN ({','.join('?' * len(sequences))})",
            sequences,
        )
        return [
            StoredJob(int(str(row[0])), _bytes(row[1]), _names(str(row[2])), _bytes(row[3]) if with_document else b"")
            for row in rows
        ]


@lru_cache(maxsize=256)
def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
