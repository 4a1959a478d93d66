"""The file catalog: one entry for each stored file of an experiment (``dm-protocol.md §7.1``)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from dmioc.localdm.answers import InvalidArgument, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database, Row
from dmioc.localdm.datasets import needed_text
from dmioc.localdm.identifiers import new_object_id
from dmioc.localdm.ports import CatalogFile
from dmioc.localdm.query import matcher
from dmioc.localdm.wire import local_timestamp

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, experiment TEXT NOT NULL, path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, md5 TEXT NOT NULL, modified_s REAL NOT NULL, stored_s REAL NOT NULL,
    extra TEXT NOT NULL DEFAULT '{}', UNIQUE (experiment, path));
CREATE INDEX IF NOT EXISTS files_of_experiment ON files (experiment, number);
"""
_COLUMNS = "number, id, experiment, path, size_bytes, md5, modified_s, stored_s, extra"
_STORE = """
INSERT INTO files (id, experiment, path, size_bytes, md5, modified_s, stored_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (experiment, path) DO UPDATE SET size_bytes = excluded.size_bytes, md5 = excluded.md5,
    modified_s = excluded.modified_s, stored_s = excluded.stored_s
"""
_OWN_KEYS = frozenset(
    "id experimentName experimentFilePath fileName fileSize md5Sum fileModificationTime fileModificationTimestamp "
    "fileStoredTime fileStoredTimestamp".split()
)
_CHUNK_ROWS = 2000


class FileCatalogStore:
    """Implements `dmioc.localdm.ports.FileCatalog`; every call blocks and is safe in any thread.

    Paths are relative to the experiment's data directory; those under analysis/ begin with ``analysis/``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_SCHEMA)

    def add_files(self, experiment: str, files: Sequence[CatalogFile]) -> None:
        """Store or replace the entries, in one transaction; an entry that is replaced keeps its id."""
        self._database.run_many(
            _STORE,
            [
                (new_object_id(), experiment, file.path, file.size_bytes, file.md5, file.modified_s, file.stored_s)
                for file in files
            ],
        )

    def files_by_path(self, experiment: str, paths: Sequence[str]) -> Mapping[str, CatalogFile]:
        """The entries that exist among the paths."""
        found: dict[str, CatalogFile] = {}
        remaining = iter(paths)
        while chunk := list(islice(remaining, _CHUNK_ROWS)):
            marks = ", ".join("?" * len(chunk))
            sql = f"SELECT {_COLUMNS} FROM files WHERE experiment = ? AND path IN ({marks})"
            for row in self._database.rows(sql, (experiment, *chunk)):
                file = _file(row)
                found[file.path] = file
        return found

    def files(self, experiment: str, query: Mapping[str, object], skip: int, limit: int) -> list[dict[str, object]]:
        """A page of the entries that fit a query (`dmioc.localdm.query`), in the order in which they were added."""
        if not query:
            sql = f"SELECT {_COLUMNS} FROM files WHERE experiment = ? ORDER BY number LIMIT ? OFFSET ?"
            return [_record(row) for row in self._database.rows(sql, (experiment, limit, skip))]
        fits = matcher(query)
        found = (record for record in self._all(experiment) if fits(record))
        return list(islice(found, skip, skip + limit))

    def _all(self, experiment: str) -> Iterator[dict[str, object]]:
        """Every entry, read in chunks so that other calls get the database in between."""
        last: object = -1
        sql = f"SELECT {_COLUMNS} FROM files WHERE experiment = ? AND number > ? ORDER BY number LIMIT {_CHUNK_ROWS}"
        while rows := self._database.rows(sql, (experiment, last)):
            yield from map(_record, rows)
            last = rows[-1][0]

    def file(self, experiment: str, path: str) -> dict[str, object]:
        """The entry of a path; raises `ObjectNotFound`."""
        return self._one("path", experiment, path)

    def file_by_id(self, experiment: str, file_id: str) -> dict[str, object]:
        """The entry with an id; raises `ObjectNotFound`."""
        return self._one("id", experiment, file_id)

    def _one(self, column: str, experiment: str, value: str) -> dict[str, object]:
        sql = f"SELECT {_COLUMNS} FROM files WHERE experiment = ? AND {column} = ?"
        rows = self._database.rows(sql, (experiment, value))
        if not rows:
            raise ObjectNotFound(f"File with {column} {value} does not exist in experiment {experiment}.")
        return _record(rows[0])

    def put(self, metadata: Mapping[str, object]) -> dict[str, object]:
        """Add an entry, or replace that of the same experiment and path, and answer it.

        ``metadata`` has ``experimentName`` and ``experimentFilePath``, and any other keys. Raises `InvalidArgument`.
        """
        experiment, path = needed_text(metadata, "experimentName"), needed_text(metadata, "experimentFilePath")
        known = self.files_by_path(experiment, [path]).get(path, CatalogFile(path, 0, "", time.time(), time.time()))
        self.add_files(experiment, [_changed(known, metadata)])
        return self._add_extra(self.file(experiment, path), metadata)

    def update(self, metadata: Mapping[str, object]) -> dict[str, object]:
        """Change keys of the entry with ``id``, or with ``experimentFilePath``; raises `ObjectNotFound`."""
        experiment = needed_text(metadata, "experimentName")
        if "id" in metadata:
            old = self.file_by_id(experiment, needed_text(metadata, "id"))
        else:
            old = self.file(experiment, needed_text(metadata, "experimentFilePath"))
        if metadata.get("experimentFilePath", old["experimentFilePath"]) != old["experimentFilePath"]:
            raise InvalidArgument(f"the path of file {old['experimentFilePath']} cannot be changed in the catalog")
        return self.put({**metadata, "experimentFilePath": old["experimentFilePath"]})

    def _add_extra(self, record: dict[str, object], metadata: Mapping[str, object]) -> dict[str, object]:
        extra = {key: value for key, value in {**record, **metadata}.items() if key not in _OWN_KEYS}
        text = msgspec.json.encode(extra).decode()
        self._database.rows("UPDATE files SET extra = ? WHERE id = ?", (text, record["id"]))
        return {**record, **extra}

    def delete(self, experiment: str, path: str) -> dict[str, object]:
        """Remove the entry of a path and answer it; raises `ObjectNotFound`."""
        record = self.file(experiment, path)
        self._database.rows("DELETE FROM files WHERE id = ?", (record["id"],))
        return record

    def stats(self, experiment: str) -> dict[str, object]:
        """Count and sizes in bytes of an experiment's files; raises `ObjectNotFound` when it has none."""
        sql = "SELECT count(*), total(size_bytes), min(size_bytes), max(size_bytes) FROM files WHERE experiment = ?"
        count, total, smallest, largest = self._database.rows(sql, (experiment,))[0]
        if not isinstance(count, int) or not isinstance(total, float) or count == 0:
            raise ObjectNotFound(f"File collection of experiment {experiment} does not exist.")
        return {
            "experimentName": experiment,
            "countFiles": count,
            "collectionSize": int(total),
            "averageFileSize": total / count,
            "minFileSize": smallest,
            "maxFileSize": largest,
        }

    def delete_collection(self, experiment: str) -> dict[str, object]:
        """Remove every entry of an experiment and answer what they were; raises `ObjectNotFound` when it has none."""
        stats = self.stats(experiment)
        self.forget(experiment)
        return stats

    def forget(self, experiment: str) -> None:
        """Remove every entry of an experiment, if it has any."""
        self._database.rows("DELETE FROM files WHERE experiment = ?", (experiment,))

    def rename_collection(self, experiment: str, new_name: str) -> dict[str, object]:
        """Move every entry to another experiment's name; raises `ObjectNotFound`, and `ObjectAlreadyExists`."""
        self.stats(experiment)
        if not new_name:
            raise InvalidArgument("newName must be the name of an experiment, not empty")
        try:
            self._database.rows("UPDATE files SET experiment = ? WHERE experiment = ?", (new_name, experiment))
        except sqlite3.IntegrityError:
            raise ObjectAlreadyExists(f"File collection of experiment {new_name} has files of the same path.") from None
        return self.stats(new_name)


def _file(row: Row) -> CatalogFile:
    _, _, _, path, size_bytes, md5, modified_s, stored_s, _ = row
    return msgspec.convert(
        {"path": path, "size_bytes": size_bytes, "md5": md5, "modified_s": modified_s, "stored_s": stored_s},
        CatalogFile,
    )


def _record(row: Row) -> dict[str, object]:
    _, file_id, experiment, path, _, _, _, _, extra = row
    file = _file(row)
    return {
        **(msgspec.json.decode(str(extra), type=dict[str, object]) if extra != "{}" else {}),
        "id": file_id,
        "experimentName": experiment,
        "experimentFilePath": path,
        "fileName": file.path.rpartition("/")[2],
        "fileSize": file.size_bytes,
        "md5Sum": file.md5,
        "fileModificationTime": file.modified_s,
        "fileModificationTimestamp": local_timestamp(file.modified_s),
        "fileStoredTime": file.stored_s,
        "fileStoredTimestamp": local_timestamp(file.stored_s),
    }


def _changed(file: CatalogFile, metadata: Mapping[str, object]) -> CatalogFile:
    given = {
        "path": file.path,
        "size_bytes": metadata.get("fileSize", file.size_bytes),
        "md5": metadata.get("md5Sum", file.md5),
        "modified_s": metadata.get("fileModificationTime", file.modified_s),
        "stored_s": file.stored_s,
    }
    try:
        changed = msgspec.convert(given, CatalogFile)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"metadata of file {file.path} has a wrong type: {error}") from None
    if not 0 <= changed.size_bytes < 2**63:
        raise InvalidArgument(f"fileSize must be bytes from 0, not {changed.size_bytes}")
    return changed
