"""The one state: revisions, what sinks are told, and INVALID/COMM while a service is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_parts import Parts, engine_parts

from dmioc.engine.readings import Alarm, Reading
from dmioc.model import Service, Severity

COMM = (Severity.INVALID, Alarm.COMM)
WELL = (Severity.NO_ALARM, Alarm.NO_ALARM)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    parts = engine_parts(tmp_path)
    parts.core.store.commit()
    parts.published.clear()
    return parts


def alarm(reading: Reading) -> tuple[Severity, Alarm]:
    return reading.severity, reading.alarm


def test_nothing_is_out_before_the_commit(parts: Parts) -> None:
    store = parts.core.store
    before = store.revision
    store.set("WF1:Stage", "01-A")
    assert parts.value("WF1:Stage") == "" and store.value("WF1:Stage") == "01-A"
    store.commit()
    assert parts.value("WF1:Stage") == "01-A"
    assert store.revision == store.snapshot().revision == before + 1 == parts.value("Revision")
    assert [(revision, set(readings)) for revision, readings in parts.published] == [
        (before + 1, {"WF1:Stage", "Revision"})
    ]


def test_a_commit_without_a_change_is_none(parts: Parts) -> None:
    store = parts.core.store
    store.set("WF1:Stage", "01-A")
    store.commit()
    revision, told = store.revision, len(parts.published)
    parts.clock.at_s += 5
    store.set("WF1:Stage", "01-A")
    store.set("WF1:Stage", "02-B")
    store.set("WF1:Stage", "01-A", time_s=parts.reading("WF1:Stage").time_s)
    store.commit()
    store.commit()
    assert (store.revision, len(parts.published)) == (revision, told)


def test_one_commit_is_one_revision_for_all_that_changed(parts: Parts) -> None:
    store = parts.core.store
    for name, value in (("WF1:Stage", "x"), ("WF1:StageIndex", 2), ("WF1:Percent", 50.0)):
        store.set(name, value)
    store.commit()
    ((_, readings),) = parts.published
    assert {name: reading.value for name, reading in readings.items() if name != "Revision"} == {
        "WF1:Stage": "x",
        "WF1:StageIndex": 2,
        "WF1:Percent": 50.0,
    }
    assert len({reading.time_s for reading in readings.values()}) == 1


def test_what_came_from_dm_keeps_value_and_time_while_dm_is_away(parts: Parts) -> None:
    store = parts.core.store
    store.set_answering(Service.PROC, True)
    store.set("WF1:Status", 4, time_s=123.0, from_dm=True)
    store.set("WF1:Name", "mine")
    store.commit()
    assert parts.reading("WF1:Status") == Reading(4, 123.0, Severity.MAJOR, Alarm.STATE)
    parts.clock.at_s += 60
    store.set_answering(Service.PROC, False)
    store.commit()
    assert parts.reading("WF1:Status") == Reading(4, 123.0, *COMM)
    assert alarm(parts.reading("WF1:Name")) == WELL
    # What is learned meanwhile (a slot was given an object) is INVALID at once.
    store.set("WF1:StatusText", "failed", from_dm=True)
    store.commit()
    assert alarm(parts.reading("WF1:StatusText")) == COMM
    store.set_answering(Service.PROC, True)
    store.commit()
    assert parts.reading("WF1:Status") == Reading(4, 123.0, Severity.MAJOR, Alarm.STATE)
    assert alarm(parts.reading("WF1:StatusText")) == WELL


def test_one_service_away_does_not_touch_the_others(parts: Parts) -> None:
    store = parts.core.store
    for service in Service:
        store.set_answering(service, True)
    store.set("WF1:JobID", "1", from_dm=True)
    store.set("DAQ1:ID", "2", from_dm=True)
    store.set_answering(Service.DAQ, False)
    store.commit()
    assert alarm(parts.reading("DAQ1:ID")) == COMM
    assert alarm(parts.reading("WF1:JobID")) == WELL


def test_an_alarm_change_alone_is_published_without_a_new_value(parts: Parts) -> None:
    store = parts.core.store
    store.set("DAQ1:FilesTotal", 0, from_dm=True)
    store.set_answering(Service.DAQ, True)
    store.commit()
    parts.published.clear()
    store.set("DAQ1:FilesTotal", 0, alarm=(Severity.MINOR, Alarm.STATE), from_dm=True)
    store.commit()
    assert parts.published[0][1]["DAQ1:FilesTotal"].severity is Severity.MINOR
