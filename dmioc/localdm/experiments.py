"""The experiments of the station: their records and their storage directories (``dm-protocol.md §3``)."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dmioc.localdm.answers import InvalidArgument, InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database, Row
from dmioc.localdm.experiment_records import (
    ExperimentRecord,
    Station,
    changes_of,
    full,
    new_record,
    now_date,
    short,
    text_of,
    usernames_of,
)
from dmioc.localdm.ports import Places
from dmioc.localdm.users import USER_ROLE, Users

_TRASH = ".deleted-"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS experiment_types (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
"""
_SELECT = "SELECT id, record FROM experiments"
_DECODER = msgspec.json.Decoder(ExperimentRecord)


class ExperimentStore:
    """Implements `dmioc.localdm.ports.Experiments`; every call blocks and is safe in any thread.

    Storage is ``<storage root>/<station>/[<rootPath>/]<name>/{data,analysis,system}``, made by `add`.
    """

    def __init__(self, database: Database, storage_root: Path, station: Station, users: Users) -> None:
        self._database = database
        self._root = storage_root / station.name
        self._station = station
        self._users = users
        self._writing = threading.Lock()
        database.script(_SCHEMA)
        self._root.mkdir(parents=True, exist_ok=True)
        for left_over in self._root.glob(f"{_TRASH}*"):
            shutil.rmtree(left_over, ignore_errors=True)

    def check_station(self, station: str) -> None:
        """Raise `ObjectNotFound` unless it is this station; an empty name is this station."""
        if station and station != self._station.name:
            raise ObjectNotFound(f"Station {station} does not exist; this localdm is station {self._station.name}.")

    def all(self) -> list[dict[str, object]]:
        """Short records of every experiment, oldest first."""
        types = self._types()
        rows = (_stored(row) for row in self._database.rows(f"{_SELECT} ORDER BY id"))
        return [short(number, record, types[record.type_name], self._station) for number, record in rows]

    def by_name(self, name: str) -> dict[str, object]:
        """Full record of an experiment; raises `ObjectNotFound`."""
        number, record = self._named(name)
        summary = short(number, record, self._types()[record.type_name], self._station)
        return full(summary, record, self._places(record), self._users.members(name), self._station.account)

    def name_of(self, experiment_id: str) -> str:
        """Name of the experiment with an id; raises `ObjectNotFound`."""
        rows = self._database.rows("SELECT name FROM experiments WHERE CAST(id AS TEXT) = ?", (experiment_id,))
        if not rows:
            raise ObjectNotFound(f"Experiment with id {experiment_id} does not exist.")
        return str(rows[0][0])

    def places(self, experiment: str) -> Places:
        """Directories of an experiment; raises `ObjectNotFound`."""
        return self._places(self._named(experiment)[1])

    def add(self, document: Mapping[str, object], username: str) -> dict[str, object]:
        """Create an experiment and its directories, and answer the full record.

        ``document`` has ``name`` and may have ``typeName``, ``description``, ``rootPath``, ``storageName``,
        ``startDate``, ``endDate``, ``users`` (default: ``username``), ``stationName``. Raises `InvalidArgument` and
        `ObjectAlreadyExists`.
        """
        self.check_station(text_of(document, "stationName"))
        record = new_record(document, self._station)
        users = usernames_of(document) or [username]
        for user in users:
            self._users.ensure(user)
        with self._writing:
            self._insert(record)
            for user in users:
                self._users.add_role(record.name, user, USER_ROLE)
        return self.by_name(record.name)

    def _insert(self, record: ExperimentRecord) -> None:
        places = self._places(record)
        self._check_apart(record.name, places.storage_directory)
        self._ensure_type(record.type_name)
        try:
            for directory in (places.data_directory, places.analysis_directory, places.storage_directory / "system"):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(f"storage of experiment {record.name} cannot be made: {error}") from None
        try:
            self._database.rows("INSERT INTO experiments (name, record) VALUES (?, ?)", (record.name, _json(record)))
        except sqlite3.IntegrityError:
            raise ObjectAlreadyExists(f"Experiment {record.name} already exists.") from None

    def _check_apart(self, name: str, storage: Path) -> None:
        for row in self._database.rows(_SELECT):
            other = _stored(row)[1]
            old = self._places(other).storage_directory
            if other.name == name:
                raise ObjectAlreadyExists(f"Experiment {name} already exists.")
            if storage == old or storage in old.parents or old in storage.parents:
                raise InvalidArgument(f"storage {storage} lies within or around that of experiment {other.name}, {old}")

    def update(self, document: Mapping[str, object]) -> dict[str, object]:
        """Change ``description``, ``typeName``, ``startDate`` or ``endDate`` of the experiment with ``id`` or ``name``.

        Raises `ObjectNotFound`, `InvalidArgument`, and `InvalidRequest` when nothing changes or the name would.
        """
        name = self.name_of(str(document["id"])) if "id" in document else text_of(document, "name")
        if text_of(document, "name") not in ("", name):
            raise InvalidRequest(f"localdm cannot rename experiment {name}: its files are stored under that name")
        changes = changes_of(document)
        old = self._named(name)[1]
        if msgspec.structs.replace(old, **changes) == old:
            known = "description, typeName, startDate, endDate"
            raise InvalidRequest(f"Nothing is modified in experiment {name}; what can be: {known}")
        self._ensure_type(changes.get("type_name", old.type_name))
        return self._change(name, **changes)

    def mark(self, name: str, field: str) -> dict[str, object]:
        """Set ``start_date`` or ``end_date`` to now (what DM's start and stop do is not known: assumed)."""
        return self._change(name, **{field: now_date()})

    def set_metadata(self, name: str, key: str, value: str) -> dict[str, object]:
        """Store a top-level key of the record; raises `ObjectNotFound`, `InvalidArgument` for a key of its own."""
        record = self._named(name)[1]
        if not key or (key in self.by_name(name) and key not in record.metadata):
            raise InvalidArgument(f"metadata key {key!r} is one of the experiment's own keys, or empty")
        with self._writing:
            record = self._named(name)[1]
            self._store(msgspec.structs.replace(record, metadata={**record.metadata, key: value}))
        return self.by_name(name)

    def _change(self, name: str, **changes: str) -> dict[str, object]:
        with self._writing:
            self._store(msgspec.structs.replace(self._named(name)[1], **changes))
        return self.by_name(name)

    def _store(self, record: ExperimentRecord) -> None:
        dated = msgspec.structs.replace(record, update_date=now_date())
        self._database.rows("UPDATE experiments SET record = ? WHERE name = ?", (_json(dated), record.name))

    def delete(self, name: str) -> dict[str, object]:
        """Delete an experiment, its roles and its storage; answers the finished operation. Raises `ObjectNotFound`."""
        with self._writing:
            storage = self.places(name).storage_directory
            trash = self._root / f"{_TRASH}{uuid.uuid4()}"
            if storage.exists():
                storage.rename(trash)
            self._database.rows("DELETE FROM experiments WHERE name = ?", (name,))
            self._users.delete_roles(name)
        shutil.rmtree(trash, ignore_errors=True)
        return {"id": str(uuid.uuid4()), "name": "deleteExperiment", "experimentName": name, "status": "done"}

    def _ensure_type(self, name: str) -> None:
        self._database.rows("INSERT OR IGNORE INTO experiment_types (name) VALUES (?)", (name,))

    def _types(self) -> dict[str, int]:
        return {str(row[1]): int(str(row[0])) for row in self._database.rows("SELECT id, name FROM experiment_types")}

    def _named(self, name: str) -> tuple[int, ExperimentRecord]:
        rows = self._database.rows(f"{_SELECT} WHERE name = ?", (name,))
        if not rows:
            raise ObjectNotFound(f"Experiment {name} does not exist.")
        return _stored(rows[0])

    def _places(self, record: ExperimentRecord) -> Places:
        storage = self._root / record.root_path / record.name
        host = self._station.storage_host
        return Places(
            experiment=record.name,
            station=self._station.name,
            storage_directory=storage,
            data_directory=storage / "data",
            analysis_directory=storage / "analysis",
            storage_host=host,
            storage_url=f"file://{host}{storage}",
        )


def _stored(row: Row) -> tuple[int, ExperimentRecord]:
    return int(str(row[0])), _DECODER.decode(str(row[1]))


def _json(record: ExperimentRecord) -> str:
    return msgspec.json.encode(record).decode()
