"""Scalar PVs over PVAccess: types, metadata, and updates that hold what changed and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from p4p import Value
from pva_client import PvaContext, leaves, watched
from pva_process import PvaProcess

from dmioc.catalogue import PV, Kind, station_catalogue

CATALOGUE = station_catalogue()
CODES = {Kind.TEXT: "s", Kind.STRING: "s", Kind.LINES: "as", Kind.LONG: "i", Kind.DOUBLE: "d"}
TIME = {"timeStamp.secondsPastEpoch", "timeStamp.nanoseconds"}
ALARM = {"alarm.severity", "alarm.status", "alarm.message"}


def default_of(pv: PV, value: Value) -> Any:
    if pv.kind.has_states:
        assert value["value.choices"] == list(pv.labels)
        return value["value.index"]
    assert value.type().aspy("value") == CODES[pv.kind]
    return tuple(value["value"]) if pv.kind is Kind.LINES else value["value"]


def test_every_scalar_is_served_with_its_type_and_what_the_catalogue_knows(
    pva: PvaProcess, context: PvaContext
) -> None:
    pvs = list(CATALOGUE.scalars())
    for pv, value in zip(pvs, context.get([pva.prefix + pv.name for pv in pvs]), strict=True):
        array = pv.kind is Kind.LINES
        name = "NTEnum" if pv.kind.has_states else "NTScalarArray" if array else "NTScalar"
        assert value.getID() == f"epics:nt/{name}:1.0", pv.name
        assert default_of(pv, value) == pv.default, pv.name
        assert value["timeStamp.secondsPastEpoch"] == 1_700_000_000, pv.name
        assert value["display.description"] == pv.description
        assert ("control" in value) == (pv.low is not None or pv.high is not None), pv.name
        assert ("valueAlarm" in value) == (pv.kind in (Kind.LONG, Kind.DOUBLE))
        if "valueAlarm" in value:
            assert value["display.units"] == pv.unit
            assert value["display.precision"] == pv.precision
            assert value["valueAlarm.active"] is False


def test_limits_are_those_of_the_catalogue_and_of_the_type_where_it_has_none(
    pva: PvaProcess, context: PvaContext
) -> None:
    both, low_only = context.get([pva.prefix + "PollPeriod", pva.prefix + "DAQ1:Expect"])
    assert (both["control.limitLow"], both["control.limitHigh"]) == (0.05, 60)
    assert (both["display.limitLow"], both["display.limitHigh"]) == (0.05, 60)
    assert (low_only["control.limitLow"], low_only["control.limitHigh"]) == (0, 2**31 - 1)


@pytest.mark.parametrize(
    ("name", "reading", "path", "fields"),
    [
        ("WF1:Percent", [12.5, 1.7e9 + 1], "value", {"value"} | TIME),
        ("WF1:Percent", [12.5, 1.7e9 + 2], "value", TIME),
        ("WF1:Percent", [12.5, 1.7e9 + 2, 3, 9], "value", ALARM),
        ("WF1:Percent", [math.nan, 1.7e9 + 2, 3, 9], "value", {"value"}),
        ("WF1:Status", [2, 1.7e9 + 1], "value.index", {"value.index"} | TIME),
        ("WF1:Status", [4, 1.7e9 + 1, 2, 7], "value.index", {"value.index"} | ALARM),
        ("EXP:Users", [["ab", "cd é"], 1.7e9], "value", {"value"}),
        ("WF1:StdOut", ["x\n" * 4000 + "中文", 1.7e9], "value", {"value"}),
    ],
)
def test_an_update_marks_what_changed_and_nothing_else(
    pva: PvaProcess, context: PvaContext, name: str, reading: list[Any], path: str, fields: set[str]
) -> None:
    with watched(context, pva.prefix + name) as updates:
        pva.ask("commit", scalars={name: reading})
        update = updates.wait_for(2)
    assert leaves(update) == fields
    assert update[path] == reading[0] or math.isnan(update[path])


def test_what_did_not_change_is_not_sent(pva: PvaProcess, context: PvaContext) -> None:
    with watched(context, pva.prefix + "WF2:Percent") as updates:
        for value in (1.0, 1.0, math.nan, math.nan, 2.0):
            pva.ask("commit", scalars={"WF2:Percent": [value, 1.7e9 + 1]})
            if value == 1.0:
                updates.wait_for(2)
            elif math.isnan(value):
                updates.wait_for(3)
        updates.until(lambda update: update["value"] == 2.0)
        assert len(updates.values) == 4


def test_time_and_alarm_are_those_of_the_reading(pva: PvaProcess, context: PvaContext) -> None:
    pva.ask("commit", scalars={"WF1:Error": ["gone", 1_700_000_123.456789, 3, 9]})
    value = context.get(pva.prefix + "WF1:Error")
    assert value["timeStamp.secondsPastEpoch"] == 1_700_000_123
    assert value["timeStamp.nanoseconds"] == pytest.approx(456_789_000, abs=240)
    assert value["alarm"].todict() == {"severity": 3, "status": 2, "message": "COMM"}


def test_a_reading_that_the_pv_cannot_hold_is_logged_once_and_harms_nothing(
    pva: PvaProcess, context: PvaContext
) -> None:
    pva.ask("commit", scalars={"WF3:Status": [1, 1.7e9], "WF3:Percent": [1.5, 1.7e9], "WF3:Error": ["ok", 1.7e9]})
    wrong = {
        "WF3:Status": [11, 1.7e9],
        "WF3:Percent": ["1.5x", 1.7e9],
        "WF3:Error": [7, 1.7e9],
        "WF3:Files": [1.5, 1.7e9],
        "WF3:ExitStatus": [0, math.nan],
        "WF3:Stage": ["good", 1.7e9],
    }
    pva.ask("commit", scalars=wrong)
    pva.ask("commit", scalars=wrong)
    names = ["WF3:Status", "WF3:Percent", "WF3:Error", "WF3:Files", "WF3:ExitStatus", "WF3:Stage"]
    values = context.get([pva.prefix + name for name in names])
    assert values[0]["value.index"] == 1
    assert [value["value"] for value in values[1:]] == [1.5, "ok", 0, -1, "good"]
    for name in names[:5]:
        assert pva.log().count(f"{name} not shown over PVAccess") == 1, name
    pva.ask("commit", scalars={"WF3:Percent": [2.5, 1.7e9]})
    assert context.get(pva.prefix + "WF3:Percent")["value"] == 2.5


def test_numbers_beyond_a_long_stop_at_its_limits_and_half_surrogates_become_question_marks(
    pva: PvaProcess, context: PvaContext
) -> None:
    pva.ask("commit", scalars={"WF3:Files": [2**40, 1.7e9], "WF3:Command": ["a\ud800b", 1.7e9]})
    long, text = context.get([pva.prefix + "WF3:Files", pva.prefix + "WF3:Command"])
    assert long["value"] == 2**31 - 1
    assert text["value"] == "a?b"
