"""Workflow documents: checked, kept over a restart, changed, found."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_bench import EXAMPLE_01, OWNER

from dmioc.localdm.answers import DmAnswerNo, InvalidArgument, InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database
from dmioc.localdm.workflows import Workflows


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "localdm.sqlite")
    yield database
    database.close()


def minimal(**keys: object) -> dict[str, Any]:
    return {"name": "w", "stages": {"1": {"command": "true"}}, **keys}


def test_a_workflow_is_kept_whole_and_gets_an_id(database: Database) -> None:
    given_document = copy.deepcopy(EXAMPLE_01) | {"version": 1, "futureKey": {"a": [1, None]}, "arguments": {"fit": {}}}
    added = Workflows(database).add(given_document, "other")
    assert re.fullmatch("[0-9a-f]{24}", added["id"])
    assert added == given_document | {"id": added["id"]}
    for workflows in (Workflows(database), Workflows(database)):
        assert workflows.get(OWNER, "example-01") == added
        assert workflows.by_id(OWNER, added["id"]) == added
        assert workflows.list(OWNER, {}) == [added]
        assert workflows.list("other", {}) == []
    assert "id" not in given_document


def test_answers_are_copies(database: Database) -> None:
    workflows = Workflows(database)
    workflows.add(minimal(), OWNER)["stages"].clear()
    workflows.get(OWNER, "w")["stages"].clear()
    assert workflows.get(OWNER, "w")["stages"] == {"1": {"command": "true"}}


def test_a_free_id_is_taken_and_one_in_use_is_not(database: Database) -> None:
    workflows = Workflows(database)
    assert workflows.add(minimal(id="69f0c0b14409b1a741854be6"), OWNER)["id"] == "69f0c0b14409b1a741854be6"
    assert workflows.add(minimal(id="69f0c0b14409b1a741854be6", name="v"), OWNER)["id"] != "69f0c0b14409b1a741854be6"


def test_names_are_unique_for_each_owner(database: Database) -> None:
    workflows = Workflows(database)
    workflows.add(minimal(), OWNER)
    workflows.add(minimal(), "other")
    with pytest.raises(ObjectAlreadyExists, match="w of owner s25idcuser already exists"):
        workflows.add(minimal(description="x"), OWNER)


def test_updates_replace_and_refuse_what_changes_nothing(database: Database) -> None:
    workflows = Workflows(database)
    added = workflows.add(minimal(description="old", extra=1), OWNER)
    with pytest.raises(InvalidRequest, match="would not be changed"):
        workflows.update(added)
    changed = workflows.update(minimal(owner=OWNER, description="new"))
    assert changed == minimal(owner=OWNER, description="new", id=added["id"])
    renamed = workflows.update(changed | {"name": "v"})
    assert workflows.by_id(OWNER, added["id"]) == renamed
    with pytest.raises(ObjectNotFound):
        workflows.get(OWNER, "w")
    workflows.add(minimal(), OWNER)
    with pytest.raises(ObjectAlreadyExists):
        workflows.update(renamed | {"name": "w"})
    with pytest.raises(ObjectNotFound, match="nothing of owner"):
        workflows.update(minimal(name="nothing", owner=OWNER))
    with pytest.raises(InvalidRequest, match="cannot be changed"):
        workflows.update(minimal(owner=OWNER, id="f" * 24))
    with pytest.raises(InvalidArgument, match="owner is missing"):
        workflows.update(minimal())
    assert Workflows(database).list(OWNER, {}) == workflows.list(OWNER, {})


def test_upsert_adds_replaces_and_takes_what_changes_nothing(database: Database) -> None:
    workflows = Workflows(database)
    added = workflows.upsert(minimal(), OWNER)
    assert workflows.upsert(minimal(), OWNER) == added
    changed = workflows.upsert(minimal(description="x"), OWNER)
    assert changed == added | {"description": "x"}
    assert workflows.list(OWNER, {}) == [changed]


def test_lists_are_sorted_and_filtered(database: Database) -> None:
    workflows = Workflows(database)
    for name in ("b", "a", "c"):
        workflows.add(minimal(name=name, version=len(workflows.list(OWNER, {}))), OWNER)
    assert [document["name"] for document in workflows.list(OWNER, {})] == ["a", "b", "c"]
    assert [document["name"] for document in workflows.list(OWNER, {"version": {"$gt": 0}})] == ["a", "c"]


def test_a_deleted_workflow_is_gone(database: Database) -> None:
    workflows = Workflows(database)
    added = workflows.add(minimal(), OWNER)
    assert workflows.delete(OWNER, "w") == added
    for forgotten in (workflows, Workflows(database)):
        with pytest.raises(ObjectNotFound, match="does not exist"):
            forgotten.get(OWNER, "w")
        with pytest.raises(ObjectNotFound, match="does not exist"):
            forgotten.by_id(OWNER, added["id"])
        with pytest.raises(ObjectNotFound):
            forgotten.delete(OWNER, "w")


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"stages": {"1": {"command": "true"}}}, "name is missing"),
        (minimal(name=""), "name must be printable text of 1 to 256 characters, not ''"),
        (minimal(name=5), "name must be .* not 5"),
        (minimal(name="a\nb"), "name must be"),
        (minimal(owner=["x"]), "owner must be"),
        (minimal(stages=None), "stages must be an object with at least one stage, not None"),
        (minimal(stages={}), "stages must be"),
        (minimal(stages=["true"]), "stages must be"),
        (minimal(stages={"1": "true"}), r"stages\.1 must be an object with a command, not 'true'"),
        (minimal(stages={"1": {}}), r"stages\.1\.command is missing"),
        (minimal(stages={"1": {"command": "  "}}), r"stages\.1\.command must be text that is not empty"),
        (minimal(description=5), "description must be text, not 5"),
        (minimal(version=True), "version must be a number or text, not True"),
        (minimal(arguments=[]), r"arguments must be an object, not \[\]"),
        (minimal(id="12"), "id must be 24 hex digits, not '12'"),
        (minimal(stages={"1": {"command": "a", "outputVariableRegexList": "x"}}), "outputVariableRegexList must be a list"),
        (minimal(stages={"1": {"command": "a", "repeatPeriod": -1}}), r"1\.repeatPeriod must be seconds, 0 or more, not -1"),
        (minimal(stages={"1": {"command": "a", "repeatPeriod": "soon"}}), "repeatPeriod must be"),
        (minimal(stages={"1": {"command": "a", "maxRepeats": 0}}), "maxRepeats must be"),
        (minimal(stages={"1": {"command": "a", "maxRepeats": 1.5}}), "maxRepeats must be"),
        (minimal(stages={"1": {"command": "a", "parallelExec": "maybe"}}), "parallelExec must be true or false"),
        (minimal(stages={"1": {"command": "a", "filePathList": ["a", 1]}}), "filePathList must be"),
        (minimal(stages={"1": {"command": "a", "fileQueryDict": "x"}}), "fileQueryDict must be"),
        (minimal(description="\ud800"), "cannot be written as JSON"),
    ],
)  # fmt: skip
def test_bad_documents_are_refused_by_key_and_value(database: Database, document: dict[str, Any], named: str) -> None:
    workflows = Workflows(database)
    for refused in (workflows.add, workflows.upsert):
        with pytest.raises(InvalidArgument, match=named):
            refused(document, OWNER)
    assert workflows.list(OWNER, {}) == []


def test_optional_keys_may_be_null_and_numbers_text(database: Database) -> None:
    stage = {"command": "a", "runIf": None, "repeatPeriod": "5", "maxRepeats": "3", "parallelExec": "False", "own": 1}
    document = minimal(stages={"1": stage}, description=None)
    assert Workflows(database).add(document, OWNER)["stages"] == {"1": stage}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["name", "owner", "stages", "id", "version", "command", "repeatPeriod", "maxRepeats", "1"])


@given(document=st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_kept_or_refused_in_dm_s_words(database: Database, document: dict[str, Any]) -> None:
    workflows = Workflows(database)
    try:
        stored = workflows.upsert(document, OWNER)
    except DmAnswerNo:
        return
    assert workflows.get(stored["owner"], stored["name"]) == stored
