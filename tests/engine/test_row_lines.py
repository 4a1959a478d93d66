"""Rows of tables and lines of texts as PVs of one line each: what MEDM and caQtDM show in place of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_parts import Parts, engine_parts

from dmioc.catalogue.rows import LIST_ROWS, OUTPUT_ROWS, header
from dmioc.engine.readings import Alarm
from dmioc.engine.tables import columns_of
from dmioc.model import JobSummary, Service, Severity, Status

COMM = (Severity.INVALID, Alarm.COMM)
AT_S = 1_763_706_600.0


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return engine_parts(tmp_path)


def list_jobs(parts: Parts, *jobs: JobSummary) -> None:
    store = parts.core.store
    store.set_table("JOB:List", columns_of(parts.core.catalogue["JOB:List"], jobs))
    store.commit()


def rows(parts: Parts, name: str) -> list[str]:
    names = [pv.name for pv in parts.core.catalogue.scalars() if pv.name.startswith(name) and pv.row_of]
    return [str(parts.value(name)) for name in names]


def test_rows_are_the_lines_of_the_table_below_its_header(parts: Parts) -> None:
    job = JobSummary("j-1", workflow="xpcs", status=Status.RUNNING, stage="03-DONE", submit_time_s=AT_S)
    list_jobs(parts, job, JobSummary("j-2", workflow="a name of more than twenty characters", status=Status.FAILED))
    shown = rows(parts, "JOB:Row")
    assert len(shown) == LIST_ROWS and shown[2:] == [""] * (LIST_ROWS - 2)
    head = header(parts.core.catalogue["JOB:List"])
    for column, cell in (("id", "j-1"), ("workflow", "xpcs"), ("status", "Running"), ("submitted", "2025-11-21 06:30")):
        start = head.index(column)
        assert shown[0][start:].startswith(cell), column
    assert shown[1][head.index("workflow") :].startswith("a name of more than   Failed")
    list_jobs(parts, job)
    assert rows(parts, "JOB:Row")[:2] == [shown[0], ""]


def test_rows_change_only_with_their_own_line(parts: Parts) -> None:
    first, second = JobSummary("1", status=Status.DONE), JobSummary("2", status=Status.RUNNING)
    list_jobs(parts, first, second)
    parts.published.clear()
    list_jobs(parts, first, JobSummary("2", status=Status.DONE))
    ((_, changed),) = parts.published
    assert set(changed) == {"JOB:Row1", "Revision"}


def test_rows_are_invalid_while_dm_is_away_as_their_table_is(parts: Parts) -> None:
    store = parts.core.store
    store.set_answering(Service.PROC, True)
    list_jobs(parts, JobSummary("1", status=Status.DONE))
    assert parts.reading("JOB:Row0").severity is Severity.NO_ALARM
    line = parts.value("JOB:Row0")
    store.set_answering(Service.PROC, False)
    store.commit()
    reading = parts.reading("JOB:Row0")
    assert (reading.severity, reading.alarm) == COMM and reading.value == line


def test_messages_have_the_newest_first(parts: Parts) -> None:
    for text in ("first", "second"):
        parts.core.messages.add("WF1:", text)
    parts.core.store.commit()
    shown = rows(parts, "MessageRow")
    assert [line.split()[-1] for line in shown[:2]] == ["second", "first"]


def test_output_has_its_last_lines(parts: Parts) -> None:
    store = parts.core.store
    for text, right in (("", []), ("one\n\nthree \n", ["one", "", "three"]), ("\n".join("abcdefgh"), list("cdefgh"))):
        store.set("WF1:StdOut", text, from_dm=True)
        store.commit()
        assert rows(parts, "WF1:StdOutRow") == right + [""] * (OUTPUT_ROWS - len(right)), text


def test_long_lines_are_cut_to_what_their_pv_holds(parts: Parts) -> None:
    store = parts.core.store
    store.set("WF1:StdOut", "é" * 1000, from_dm=True)
    store.commit()
    line = rows(parts, "WF1:StdOutRow")[0]
    assert set(line) == {"é"} and len(line.encode()) == parts.core.catalogue["WF1:StdOutRow0"].length
