"""Texts cut to bytes in whole characters, times as ISO 8601, attributes as values of PVs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmioc.catalogue import Slots, station_catalogue
from dmioc.engine.projection import as_value, fit, iso8601, last_bytes
from dmioc.model import Status

CATALOGUE = station_catalogue(Slots(daq=1, upload=1, workflow=1))


@given(st.text(), st.integers(1, 40))
def test_fit_is_the_longest_beginning_of_whole_characters(text: str, length: int) -> None:
    cut = fit(text, length)
    assert text.startswith(cut) and len(cut.encode()) <= length
    assert cut == text or len(text[: len(cut) + 1].encode()) > length


@given(st.text(), st.integers(1, 40))
def test_last_bytes_is_the_longest_end_of_whole_characters(text: str, length: int) -> None:
    cut = last_bytes(text, length)
    assert text.endswith(cut) and len(cut.encode()) <= length
    assert cut == text or len(text[len(text) - len(cut) - 1 :].encode()) > length


def test_a_character_on_the_border_is_left_out() -> None:
    assert fit("aé", 2) == "a"
    assert last_bytes("éa", 2) == "a"
    assert fit("😀", 3) == "" and last_bytes("😀", 3) == ""
    assert fit("", 5) == "" and last_bytes("", 5) == ""


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0, ""),
        (1.0, "1970-01-01T00:00:01.000Z"),
        (1795242600.1234, "2026-11-21T06:30:00.123Z"),
        (1795242599.9999, "2026-11-21T06:29:59.999Z"),
    ],
)
def test_iso8601(time_s: float, text: str) -> None:
    assert iso8601(time_s) == text


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("WF1:Status", Status.LOST, 9),
        ("EXP:State", "NotFound", 2),
        ("EXP:Users", ("a", "b"), ("a", "b")),
        ("EXP:Users", (), ()),
        ("WF1:Percent", 5, 5.0),
        ("WF1:Files", 2**40, 2**31 - 1),
        ("WF1:JobID", "x" * 50, "x" * 39),
        ("WF1:StdOut", "é" * 8192, "é" * 4096),
    ],
)
def test_values_of_every_kind(name: str, raw: object, value: object) -> None:
    found = as_value(CATALOGUE[name], raw)
    assert found == value and type(found) is type(value)


def test_what_has_no_value_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="WF1:Files"):
        as_value(CATALOGUE["WF1:Files"], None)
