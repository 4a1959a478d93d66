"""Workflow documents: kept, checked, found by name and by id (``dm-protocol.md §6.1 to §6.4``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from dmioc.localdm.answers import InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database
from dmioc.localdm.identifiers import new_object_id
from dmioc.localdm.query import matcher
from dmioc.localdm.workflows.stage_keys import Document, check_workflow, encoded

_TABLE = """
CREATE TABLE IF NOT EXISTS workflows (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (owner, name)
)
"""
_STORE = """
INSERT INTO workflows (id, owner, name, document) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, name = excluded.name, document = excluded.document
"""


class Workflows:
    """The workflows, in memory and in the database; safe to use from several threads.

    `list`, `get` and `by_id` read memory only and may be called in the event loop; the others write to disk, call them
    from a worker thread. Every answer is a copy of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = threading.Lock()  # readers need none: each step of theirs is one look into a dict
        self._texts: dict[str, bytes] = {}
        self._ids: dict[tuple[str, str], str] = {}
        database.script(_TABLE)
        for workflow_id, owner, name, text in database.rows("SELECT id, owner, name, document FROM workflows"):
            self._texts[str(workflow_id)] = str(text).encode()
            self._ids[str(owner), str(name)] = str(workflow_id)

    def add(self, document: Mapping[str, Any], owner_default: str) -> Document:
        """Keep a new workflow and answer it with its ``id``; the owner is ``owner_default`` if it names none.

        An ``id`` that comes with it is taken when it is free. Raises `InvalidArgument` for a bad document and
        `ObjectAlreadyExists` for a name in use.
        """
        new = _checked(document, owner_default)
        with self._writing:
            if (new["owner"], new["name"]) in self._ids:
                raise ObjectAlreadyExists(f"Workflow {new['name']} of owner {new['owner']} already exists.")
            if new["id"] is None or new["id"] in self._texts:
                new["id"] = new_object_id()
            return self._store(new)

    def update(self, document: Mapping[str, Any]) -> Document:
        """Replace a workflow that is found by its ``id``, or by owner and name, and answer it.

        Raises `InvalidArgument` for a bad document, `ObjectNotFound`, `InvalidRequest` for a document without change or
        with another id (``dm-protocol.md §2.3``), and `ObjectAlreadyExists` for a new name that is in use.
        """
        new = _checked(document, None)
        with self._writing:
            return self._replace(new, unchanged_is_refused=True)

    def upsert(self, document: Mapping[str, Any], owner_default: str) -> Document:
        """Replace the workflow of that id or owner and name, or add it, and answer it; raises as `add` and `update`."""
        new = _checked(document, owner_default)
        with self._writing:
            if new["id"] not in self._texts and (new["owner"], new["name"]) not in self._ids:
                new["id"] = new["id"] or new_object_id()
                return self._store(new)
            return self._replace(new, unchanged_is_refused=False)

    def list(self, owner: str, query: Mapping[str, object]) -> list[Document]:
        """Workflows of an owner that fit the query (`dmioc.localdm.query`), sorted by name."""
        fits = matcher(query)
        found = sorted(
            (name, workflow_id) for (of_owner, name), workflow_id in self._ids.copy().items() if of_owner == owner
        )
        texts = (self._texts.get(workflow_id) for _, workflow_id in found)
        return [document for document in (_decoded(text) for text in texts if text is not None) if fits(document)]

    def get(self, owner: str, name: str) -> Document:
        """The workflow of that name; raises `ObjectNotFound`."""
        text = self._texts.get(self._ids.get((owner, name), ""))
        if text is None:
            raise ObjectNotFound(f"Workflow {name} of owner {owner} does not exist.")
        return _decoded(text)

    def by_id(self, owner: str, id: str) -> Document:
        """The workflow of that id; raises `ObjectNotFound`."""
        text = self._texts.get(id)
        document = _decoded(text) if text is not None else None
        if document is None or document["owner"] != owner:
            raise ObjectNotFound(f"Workflow with id {id} of owner {owner} does not exist.")
        return document

    def delete(self, owner: str, name: str) -> Document:
        """Forget a workflow and answer what it was; jobs keep their own copy. Raises `ObjectNotFound`."""
        with self._writing:
            document = self.get(owner, name)
            self._database.run_many("DELETE FROM workflows WHERE id = ?", [(document["id"],)])
            self._ids.pop((owner, name), None)
            self._texts.pop(document["id"], None)
        return document

    def _replace(self, new: Document, *, unchanged_is_refused: bool) -> Document:
        name = (new["owner"], new["name"])
        found = new["id"] if new["id"] in self._texts else self._ids.get(name)
        if found is None:
            raise ObjectNotFound(f"Workflow {name[1]} of owner {name[0]} does not exist.")
        if new["id"] not in (None, found):
            raise InvalidRequest(f"The id of workflow {name[1]} is {found} and cannot be changed to {new['id']}.")
        if self._ids.get(name, found) != found:
            raise ObjectAlreadyExists(f"Workflow {name[1]} of owner {name[0]} already exists.")
        new["id"] = found
        old = _decoded(self._texts[found])
        if unchanged_is_refused and old == _decoded(encoded(new, "workflow")):
            raise InvalidRequest(f"Workflow {name[1]} of owner {name[0]} would not be changed by this.")
        return self._store(new, (old["owner"], old["name"]))

    def _store(self, new: Document, old_name: tuple[str, str] | None = None) -> Document:
        text = encoded(new, "workflow")
        self._database.run_many(_STORE, [(new["id"], new["owner"], new["name"], text.decode())])
        if old_name is not None:
            self._ids.pop(old_name, None)
        self._texts[new["id"]] = text
        self._ids[new["owner"], new["name"]] = new["id"]
        return _decoded(text)


def _checked(document: Mapping[str, Any], owner_default: str | None) -> Document:
    """A copy that is checked and has the keys ``owner`` and ``id``, the id being None where none was given."""
    new = dict(document)
    new["owner"] = new.get("owner") or owner_default
    new["id"] = new.get("id") or None
    check_workflow(new)
    encoded(new, "workflow")
    return new


def _decoded(text: bytes) -> Document:
    return msgspec.json.decode(text)
