"""What ``dmioc pvs`` prints."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dmioc.catalogue import station_catalogue
from dmioc.catalogue.listing import FORMATS, listing, selected
from dmioc.errors import ConfigurationError

CATALOGUE = station_catalogue()
PREFIX = "25IDC:DM:"


def names(pattern: str) -> list[str]:
    return [served.pv.name for served in selected(CATALOGUE, PREFIX, pattern)]


def test_table_has_a_line_for_each_pv_and_aligned_columns() -> None:
    head, *lines = listing(CATALOGUE, PREFIX, "table").splitlines()
    assert [line.split()[0] for line in lines] == [PREFIX + pv.name for pv in CATALOGUE]
    starts = [head.index(word) for word in ("type", "access", "ASG", "description", "states")]
    for line in lines:
        assert all(line[start - 1 : start] in (" ", "") for start in starts), line
        assert line == line.rstrip()


def test_table_shows_what_a_person_looks_for() -> None:
    _, line = listing(CATALOGUE, PREFIX, "table", "*:WF1:IfRunning").splitlines()
    words = line.split(None, 4)
    assert words[:4] == ["25IDC:DM:WF1:IfRunning", "enum", "rw", "saved"]
    assert words[4].endswith("  Start, Wait, Refuse")
    _, line = listing(CATALOGUE, PREFIX, "table", "MD:JSON").splitlines()
    assert line.split()[:3] == ["25IDC:DM:MD:JSON", "text(1048576)", "rw"]
    _, line = listing(CATALOGUE, PREFIX, "table", "LostAfter").splitlines()
    assert line.split()[1:5] == ["double", "rw", "saved", "s"]


def test_json_has_the_same_keys_for_every_pv() -> None:
    entries = json.loads(listing(CATALOGUE, PREFIX, "json"))
    assert [entry["pv"] for entry in entries] == [PREFIX + pv.name for pv in CATALOGUE]
    assert {tuple(entry) for entry in entries} == {tuple(entries[0])}
    control = next(entry for entry in entries if entry["name"] == "Control")
    assert control["states"] == ["Disabled", "Enabled"]
    assert (control["access"], control["asg"], control["saved"], control["default"]) == ("rw", "DMADMIN", True, 1)
    poll = next(entry for entry in entries if entry["name"] == "PollPeriod")
    assert (poll["unit"], poll["low"], poll["high"]) == ("s", 0.05, 60.0)
    stages = next(entry for entry in entries if entry["name"] == "WF1:Stages")
    assert (stages["ca"], stages["service"]) == (False, "PROC")
    assert {"name": "runTime", "kind": "double"} in stages["columns"]


def test_csv_holds_what_json_holds() -> None:
    entries = json.loads(listing(CATALOGUE, PREFIX, "json"))
    rows = list(csv.DictReader(io.StringIO(listing(CATALOGUE, PREFIX, "csv"))))
    assert [row["pv"] for row in rows] == [entry["pv"] for entry in entries]
    assert list(rows[0]) == list(entries[0])
    for row, entry in zip(rows, entries, strict=True):
        assert json.loads(row["states"]) == entry["states"]
        assert row["description"] == entry["description"]
        assert row["saved"] == ("true" if entry["saved"] else "false")


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_ends_with_one_newline(format_name: str) -> None:
    text = listing(CATALOGUE, PREFIX, format_name, "Heartbeat")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("pvCOUNT", ["PVCount"]),
        ("wf3:jobid", ["WF3:JobID"]),
        ("25idc:dm:wf3:jobid", ["WF3:JobID"]),
        (" WF3:JobID ", ["WF3:JobID"]),
        ("25IDC:DM:WF?:JobID", ["WF1:JobID", "WF2:JobID", "WF3:JobID", "WF4:JobID"]),
        ("wf[12]:jobid", ["WF1:JobID", "WF2:JobID"]),
        ("*:New:*Date", ["EXP:New:StartDate", "EXP:New:EndDate"]),
    ],
)
def test_filter(pattern: str, found: list[str]) -> None:
    assert names(pattern) == found


def test_filter_by_group() -> None:
    assert names("UPL?:") == [pv.name for pv in CATALOGUE if pv.group in ("UPL1:", "UPL2:")]
    assert names("JOB:") == [pv.name for pv in CATALOGUE.group("JOB:")]
    assert names("") == [pv.name for pv in CATALOGUE]


@pytest.mark.parametrize("pattern", ["WF9:", "*Nothing", "a\nb", "[", "WF1"[:2] + "\0"])
def test_filter_that_matches_nothing_is_named_in_one_line(pattern: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        listing(CATALOGUE, PREFIX, "table", pattern)
    assert repr(pattern) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_unknown_format_names_the_formats() -> None:
    with pytest.raises(ConfigurationError, match="'xml' is none of table, json, csv"):
        listing(CATALOGUE, PREFIX, "xml")
