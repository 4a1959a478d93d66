"""localdm's records on disk: one SQLite file, safe to use from several threads, whole after a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = tuple[object, ...]
Parameters = Sequence[object]


class Database:
    """One SQLite file in WAL mode; each call is one transaction and blocks for as long as the disk needs.

    ``synchronous=NORMAL``: a kill of the process loses nothing that was committed; a power cut may lose the last
    transactions, never the file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.DatabaseError:  # the file is something else
            self._connection.close()
            raise

    def script(self, sql: str) -> None:
        """Run statements that make tables and indices."""
        with self._lock:
            self._connection.executescript(sql)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and answer all its rows (an empty list for one that has none)."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def run_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement for each row of parameters, all or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(sql, rows)
            except sqlite3.Error:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; no call may follow."""
        with self._lock:
            self._connection.close()
