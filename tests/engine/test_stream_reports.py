"""What a workflow may write into the Report structure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.catalogue import station_catalogue
from dmioc.engine.stream_reports import report_of
from dmioc.errors import RefusedError
from dmioc.model.stream_events import Report
from dmioc.model.stream_session import Instant, StreamState

PV = station_catalogue()["STR1:Report"]
NOW = Instant(1.0, 2.0)
NAMED: dict[str, object] = {"session": "s", "epoch": 1, "seq": 1}


def test_every_field_is_taken() -> None:
    fields = {
        **NAMED,
        "state": "Streaming",
        "message": "é",
        "received": 2**63 - 1,
        "processed": 1,
        "missed": 0,
        "errors": 3,
        "heartbeat": 4,
        "result": '{"a": [1, 2.5, null]}',
    }
    taken = report_of(PV, fields, NOW)
    assert taken == Report(NOW, "s", 1, 1, StreamState.STREAMING, "é", 2**63 - 1, 1, 0, 3, 4, '{"a": [1, 2.5, null]}')


def test_what_is_left_out_is_none() -> None:
    assert report_of(PV, NAMED, NOW) == Report(NOW, "s", 1, 1)
    assert report_of(PV, {**NAMED, "state": ""}, NOW).state is None
    assert report_of(PV, {**NAMED, "timeStamp": object(), "alarm": {}}, NOW) == Report(NOW, "s", 1, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"session": "s", "epoch": 1}, "seq is missing"),
        ({}, "session, epoch, seq is missing"),
        ({**NAMED, "colour": 1}, "has no field 'colour'; its fields are session, epoch"),
        ({**NAMED, "seq": -1}, "seq takes a whole number from 0"),
        ({**NAMED, "seq": 1.5}, "seq takes a whole number"),
        ({**NAMED, "seq": True}, "seq takes a whole number"),
        ({**NAMED, "epoch": 2**31}, "epoch takes a whole number from 0 to 2147483647"),
        ({**NAMED, "received": -5}, "received takes a whole number"),
        ({**NAMED, "errors": "3"}, "errors takes a whole number"),
        ({**NAMED, "session": 7}, "session takes text, not 7"),
        ({**NAMED, "state": "ready"}, "a workflow reports one of Accepted, Ready"),
        ({**NAMED, "state": "Lost"}, "not 'Lost'"),
        ({**NAMED, "state": "Idle"}, "not 'Idle'"),
        ({**NAMED, "result": "{"}, "result is not JSON"),
        ({**NAMED, "result": "frames"}, "result is not JSON"),
        ({**NAMED, "result": '{"mean": NaN}'}, "NaN is no JSON number"),
        ({**NAMED, "result": "[" * 10000}, "result is n"),
        ({**NAMED, "result": json.dumps("é" * 8192, ensure_ascii=False)}, "at most 16384 bytes, not 16386"),
    ],
)
def test_refusals_name_the_field_and_what_is_right(fields: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        report_of(PV, fields, NOW)
    message = str(caught.value)
    assert words in message
    assert message.startswith("STR1:Report")
    assert len(message.splitlines()) == 1


def test_longest_result_is_taken() -> None:
    text = json.dumps("x" * 16382)
    assert report_of(PV, {**NAMED, "result": text}, NOW).result == text


def test_long_message_is_cut_in_whole_characters() -> None:
    assert report_of(PV, {**NAMED, "message": "é" * 1000}, NOW).message == "é" * 512


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([column.name for column in PV.columns]), VALUES))
def test_any_fields_are_taken_or_refused(fields: dict[str, object]) -> None:
    try:
        taken = report_of(PV, {**NAMED, **fields}, NOW)
    except RefusedError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert isinstance(taken.seq, int) and isinstance(taken.session, str)
