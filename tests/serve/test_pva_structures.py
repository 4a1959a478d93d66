"""Structures and tables over PVAccess: one post for each revision, with what changed."""

from __future__ import annotations

from typing import Any

import pytest
from p4p.client.thread import RemoteError
from pva_client import PvaContext, leaves, watched
from pva_process import STAGES, PvaProcess

from dmioc.catalogue import Kind, station_catalogue
from dmioc.catalogue.structures import structure_fields

CATALOGUE = station_catalogue()
STRUCTURES = [pv for pv in CATALOGUE if pv.kind is Kind.STRUCTURE and not pv.columns]
TABLES = [pv for pv in CATALOGUE if pv.kind is Kind.TABLE]
CODES = {"string": "s", "time": "s", "int": "i", "long": "l", "double": "d"}
FIELD_CODES = {Kind.LINES: "as", Kind.LONG: "i", Kind.DOUBLE: "d"}
STAMP = {"timeStamp.secondsPastEpoch", "timeStamp.nanoseconds"}
ALARM = {"alarm.severity", "alarm.status", "alarm.message"}


def test_every_structure_has_the_fields_that_the_catalogue_composes(pva: PvaProcess, context: PvaContext) -> None:
    for pv, value in zip(STRUCTURES, context.get([pva.prefix + pv.name for pv in STRUCTURES]), strict=True):
        assert value.getID() == pv.type_id
        fields = structure_fields(CATALOGUE, pv)
        for field, member in fields.items():
            code = "l" if field == "revision" else FIELD_CODES.get(member.kind, "s")
            assert value.type().aspy(field) == code, (pv.name, field)
        more = {"alarm", "timeStamp", "revision"} | ({"stages"} if pv.name.endswith(":Job") else set())
        assert set(value.keys()) == set(fields) | more, pv.name
        assert value["timeStamp.secondsPastEpoch"] > 1_600_000_000


def test_every_table_is_an_nttable_with_a_revision(pva: PvaProcess, context: PvaContext) -> None:
    for pv, value in zip(TABLES, context.get([pva.prefix + pv.name for pv in TABLES]), strict=True):
        assert value.getID() == "epics:nt/NTTable:1.0"
        assert value["labels"] == [column.name for column in pv.columns]
        assert value.type().aspy("revision") == "l"
        assert value["descriptor"] == pv.description
        for column in pv.columns:
            assert value.type().aspy(f"value.{column.name}") == f"a{CODES[column.kind]}"


def test_a_job_comes_in_one_update_for_each_revision(pva: PvaProcess, context: PvaContext) -> None:
    scalars = {"WF1:Status": [2, 1.7e9 + 5], "WF1:JobID": ["j1", 1.7e9 + 1], "WF1:Name": ["not shown", 1.7e9]}
    with watched(context, pva.prefix + "WF1:Job") as updates:
        first = pva.ask("commit", scalars=scalars, tables={"WF1:Stages": STAGES})
        update = updates.wait_for(2)
        assert update["revision"] == first
        columns = {f"stages.value.{column}" for column in STAGES}
        assert leaves(update) == {"status", "id", "revision"} | columns | STAMP
        assert (update["status"], update["id"]) == ("Running", "j1")
        assert update["stages.value.stdOut"] == ["é", ""]
        assert list(update["stages.value.exitStatus"]) == [0, -1]
        second = pva.ask("commit", scalars={"WF1:Percent": [50.0, 1.7e9 + 6]}, tables={"WF1:Stages": {}})
        third = pva.ask("commit", scalars={"WF1:Percent": [60.0, 1.7e9 + 7]})
        update = updates.until(lambda value: value["revision"] == second)
        assert "percent" in leaves(update) and not {name for name in leaves(update) if name.startswith("stages")}
        updates.until(lambda value: value["revision"] == third)
        assert len(updates.values) == 4


def test_the_alarm_is_the_worst_of_the_fields(pva: PvaProcess, context: PvaContext) -> None:
    future_s = 2_000_000_000
    with watched(context, pva.prefix + "DAQ1:Info") as updates:
        pva.ask("commit", scalars={"DAQ1:Status": [2, 1.7e9, 1, 7], "DAQ1:FilesTotal": [3, future_s, 2, 10]})
        update = updates.wait_for(2)
        assert update["alarm"].todict() == {"severity": 2, "status": 2, "message": "TIMEOUT"}
        assert update["timeStamp.secondsPastEpoch"] == future_s
        pva.ask("commit", scalars={"DAQ1:FilesTotal": [3, future_s]})
        update = updates.wait_for(3)
        assert leaves(update) == ALARM | {"revision"}
        assert update["alarm"].todict() == {"severity": 1, "status": 1, "message": "STATE"}


def test_a_put_is_in_its_structure_when_it_is_answered(pva: PvaProcess, context: PvaContext) -> None:
    for number in (7.0, 8.0, 9.0):
        context.put(pva.prefix + "NoProgressAfter", number)
        assert context.get(pva.prefix + "Status")["noProgressAfter"] == number


def test_a_table_sends_the_columns_that_changed(pva: PvaProcess, context: PvaContext) -> None:
    with watched(context, pva.prefix + "WF2:Stages") as updates:
        pva.ask("commit", scalars={}, tables={"WF2:Stages": STAGES})
        update = updates.wait_for(2)
        assert leaves(update) == {f"value.{column}" for column in STAGES} | STAMP | {"revision"}
        for column, cells in STAGES.items():
            assert list(update[f"value.{column}"]) == cells
        revision = pva.ask("commit", scalars={}, tables={"WF2:Stages": {"status": ["Done", "Done"]}})
        update = updates.wait_for(3)
        assert leaves(update) - STAMP == {"value.status", "revision"}
        assert update["revision"] == revision
        assert update["value.stage"] == STAGES["stage"], "the client still has the columns that were not sent"


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("status", ["Done"], "WF3:Stages: columns of one length are needed"),
        ("process", ["one", "two"], "WF3:Stages not shown"),
        ("stage", [1, 2], "WF3:Stages not shown"),
        ("extra", ["a", "b"], "WF3:Stages has the columns"),
    ],
)
def test_a_table_that_makes_no_sense_is_logged_and_not_shown(
    pva: PvaProcess, context: PvaContext, column: str, cells: list[Any], reason: str
) -> None:
    good = {**STAGES, "stage": [column, "good"]}
    pva.ask("commit", scalars={}, tables={"WF3:Stages": good})
    logged = pva.log().count(reason)
    pva.ask("wrong_table", name="WF3:Stages", columns={**good, column: cells})
    pva.ask("wrong_table", name="WF3:Stages", columns={**good, column: cells})
    value = context.get(pva.prefix + "WF3:Stages")
    assert value["value.stage"] == [column, "good"]
    assert list(value["value.process"]) == [1, 2]
    assert pva.log().count(reason) == logged + 1
    assert context.get(pva.prefix + "WF3:Job")["stages.value.stage"] == [column, "good"]


def test_a_long_list_with_a_row_that_changes_costs_little(pva: PvaProcess, context: PvaContext) -> None:
    with watched(context, pva.prefix + "JOB:List") as updates:
        used = pva.ask("big_table", rows=5000, times=10, period_s=0.05)
        update = updates.until(lambda value: value["value.runTime"].size == 5000 and value["value.runTime"][9] == 9.0)
        assert update["value.status"][9] == "Running 9"
        assert update["value.id"][4999] == "id 4999"
    assert {name for update in updates.values[3:] for name in leaves(update) if name.startswith("value")} == {
        "value.status",
        "value.runTime",
    }
    assert used["cpu_s"] / 10 < 0.02, "seconds of processor time for each change of a row"


def test_a_writable_structure_takes_any_of_its_fields(pva: PvaProcess, context: PvaContext) -> None:
    name = pva.prefix + "TST1:Report"
    pva.ask("puts")
    with watched(context, name) as updates:
        context.put(name, {"session": "s1", "seq": 2**40})
        update = updates.wait_for(2)
        assert leaves(update) == {"session", "seq"} | STAMP
        context.put(name, {"rate": 2.5, "timeStamp": {"secondsPastEpoch": 5}})
        assert leaves(updates.wait_for(3)) - STAMP == {"rate"}
    value = context.get(name)
    assert value.getID() == "dmioc:Report:1.0"
    assert (value["session"], value["seq"], value["rate"], value["errors"]) == ("s1", 2**40, 2.5, 0)
    assert value["timeStamp.secondsPastEpoch"] > 1_600_000_000
    assert [raw for _, raw, _ in pva.ask("puts")] == [f"{{'session': 's1', 'seq': {2**40}}}", "{'rate': 2.5}"]


def test_a_put_to_a_structure_is_refused_with_the_reason(pva: PvaProcess, context: PvaContext) -> None:
    name = pva.prefix + "TST1:Report"
    with pytest.raises(RemoteError, match="session old has ended"):
        context.put(name, {"session": "old"})
    with pytest.raises(RemoteError, match="takes a put to one or more of session, seq, errors, rate"):
        context.put(name, {"timeStamp.userTag": 1})
