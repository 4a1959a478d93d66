"""Datasets and runs of the catalog: documents of any content (``dm-protocol.md §7.2, §7.3``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from dmioc.localdm.answers import InvalidArgument, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database, Row
from dmioc.localdm.identifiers import new_object_id
from dmioc.localdm.wire import shortened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS datasets (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, experiment TEXT NOT NULL, name TEXT NOT NULL,
    document TEXT NOT NULL, UNIQUE (experiment, name));
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, experiment TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_of_experiment ON runs (experiment, number);
"""


class Datasets:
    """The datasets and runs of every experiment; every call blocks and is safe in any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_SCHEMA)

    def add(self, document: Mapping[str, object]) -> dict[str, object]:
        """Store a dataset and answer it with its ``id``.

        Needs ``experimentName`` and ``datasetName``, which is unique in the experiment: raises `InvalidArgument`,
        `ObjectAlreadyExists`.
        """
        experiment, name = needed_text(document, "experimentName"), needed_text(document, "datasetName")
        stored = {**document, "id": new_object_id()}
        try:
            self._database.rows(
                "INSERT INTO datasets (id, experiment, name, document) VALUES (?, ?, ?, ?)",
                (stored["id"], experiment, name, _text(stored)),
            )
        except sqlite3.IntegrityError:
            raise ObjectAlreadyExists(f"Dataset {name} already exists in experiment {experiment}.") from None
        return stored

    def update(self, document: Mapping[str, object]) -> dict[str, object]:
        """Change keys of the dataset with ``id``, or of that name in ``experimentName``; raises `ObjectNotFound`."""
        if "id" in document:
            old = self.by_id(needed_text(document, "id"))
        else:
            old = self.by_name(needed_text(document, "experimentName"), needed_text(document, "datasetName"))
        stored = {**old, **document, "id": old["id"]}
        for key in ("experimentName", "datasetName"):
            if stored[key] != old[key]:
                raise InvalidArgument(f"{key} of a dataset cannot be changed from {old[key]} to {stored[key]}")
        self._database.rows("UPDATE datasets SET document = ? WHERE id = ?", (_text(stored), old["id"]))
        return stored

    def of_experiment(self, experiment: str) -> list[dict[str, object]]:
        """Every dataset of an experiment, oldest first."""
        sql = "SELECT document FROM datasets WHERE experiment = ? ORDER BY number"
        return [_document(row) for row in self._database.rows(sql, (experiment,))]

    def by_name(self, experiment: str, name: str) -> dict[str, object]:
        """One dataset; raises `ObjectNotFound`."""
        sql = "SELECT document FROM datasets WHERE experiment = ? AND name = ?"
        for row in self._database.rows(sql, (experiment, name)):
            return _document(row)
        raise ObjectNotFound(f"Dataset {name} does not exist in experiment {experiment}.")

    def by_id(self, dataset_id: str) -> dict[str, object]:
        """One dataset; raises `ObjectNotFound`."""
        for row in self._database.rows("SELECT document FROM datasets WHERE id = ?", (dataset_id,)):
            return _document(row)
        raise ObjectNotFound(f"Dataset with id {dataset_id} does not exist.")

    def add_run(self, document: Mapping[str, object]) -> dict[str, object]:
        """Store a run of ``experimentName`` and answer it with its ``id``; raises `InvalidArgument`."""
        experiment = needed_text(document, "experimentName")
        stored = {**document, "id": new_object_id()}
        self._database.rows(
            "INSERT INTO runs (id, experiment, document) VALUES (?, ?, ?)", (stored["id"], experiment, _text(stored))
        )
        return stored

    def runs(self, experiment: str) -> list[dict[str, object]]:
        """Every run of an experiment, oldest first."""
        sql = "SELECT document FROM runs WHERE experiment = ? ORDER BY number"
        return [_document(row) for row in self._database.rows(sql, (experiment,))]

    def delete_of_experiment(self, experiment: str) -> None:
        """Remove every dataset and run of an experiment."""
        self._database.rows("DELETE FROM datasets WHERE experiment = ?", (experiment,))
        self._database.rows("DELETE FROM runs WHERE experiment = ?", (experiment,))


def needed_text(document: Mapping[str, object], key: str) -> str:
    """The text under a key; raises `InvalidArgument` when it is missing, empty or no text."""
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{key} must be text that is not empty, not {shortened(str(value))}")
    return value


def _text(document: Mapping[str, object]) -> str:
    return msgspec.json.encode(document).decode()


def _document(row: Row) -> dict[str, object]:
    return msgspec.json.decode(str(row[0]), type=dict[str, object])
