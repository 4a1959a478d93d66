"""Documents of any content become JSON, and JSON that is too long becomes shorter in words."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.devices.json_values import LEFT_OUT, MOST_NESTED, json_text, json_value, shortened, size_bytes
from dmioc.devices.run_documents import json_document

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANY = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


class Colour(Enum):
    RED = ("red",)


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("not for you")


@settings(deadline=None, max_examples=50)
@given(ANY)
def test_any_value_is_json_that_says_the_same_when_read_again(value: Any) -> None:
    found = json_value(value)
    assert json.loads(json_text(found)) == found
    assert json_value(found) == found


def test_what_holds_itself_ends() -> None:
    value: list[Any] = []
    value.append({"again": value})
    assert f"nested more than {MOST_NESTED} deep" in json_text(json_value(value))


def test_odd_keys_and_values_keep_their_place() -> None:
    assert json_value({1: "a", "1": "b", None: Colour.RED, "half": "\ud800"}) == {
        "1": "a", "1 (str)": "b", "None": ["red"], "half": "\\ud800",
    }  # fmt: skip


def test_a_value_that_cannot_be_shown_costs_only_itself() -> None:
    found = json_document({"uid": "1", "device": Hostile()})
    assert found == {"uid": "1", "device": "(left out: Hostile cannot be shown: RuntimeError)"}


@settings(deadline=None, max_examples=50)
@given(
    start=st.dictionaries(st.text(max_size=300), ANY, max_size=20),
    descriptors=st.lists(st.dictionaries(st.text(), ANY), max_size=5),
    limit_bytes=st.integers(1500, 4000),
)
def test_shortened_fits_and_leaves_what_fits_alone(
    start: dict[str, Any], descriptors: list[Any], limit_bytes: int
) -> None:
    content: Any = json_value({"start": start, "descriptors": descriptors, "stop": {"exit_status": "success"}})
    before = json_text(content)
    found = shortened(content, limit_bytes, "/spool/whole/run.json")
    assert size_bytes(found) <= limit_bytes
    assert json_text(content) == before
    note: Any = found.pop(LEFT_OUT)
    if note["count"] == 0:
        assert found == content
    else:
        assert size_bytes(content) > limit_bytes - 500
        assert note["kept"] == "/spool/whole/run.json"
        assert len(note["values"]) == min(note["count"], 50)


def test_the_largest_goes_first_and_names_itself() -> None:
    content = {
        "start": {"uid": "1", "positions": list(range(1000)), "notes": "n" * 400},
        "descriptors": [{"name": "primary", "configuration": {"det": {"data": {"mask": [[0] * 300] * 10}}}}],
        "stop": None,
    }
    found: Any = shortened(content, 4000, "whole.json")
    assert found[LEFT_OUT]["values"] == ["descriptors.0.configuration.det.data.mask", "start.positions"]
    assert found["start"]["notes"] == "n" * 400
    found = shortened(content, 3000, "whole.json")
    assert found["start"] == {
        "uid": "1",
        "positions": f"(left out: {size_bytes(list(range(1000)))} bytes)",
        "notes": "n" * 400,
    }
