"""The text of ``db/dmioc.db``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dmioc.catalogue import PV, Access, Catalogue, Kind, Slots, State, station_catalogue
from dmioc.model import Severity
from dmioc.render import generated_files, write
from dmioc.render.database import database

REPOSITORY = Path(__file__).parents[2]
CATALOGUE = station_catalogue()
FILES = generated_files(CATALOGUE)
NO_COMMENTS = (".json", ".txt", ".adl")
"""Formats in which nothing can be written down for people."""
RECORD = re.compile(r'^record\((\w+), "([^"]+)"\) \{\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)
FIELD = re.compile(r'^    field\((\w+), "((?:[^"\\]|\\.)*)"\)$', re.MULTILINE)


def records(text: str) -> dict[str, dict[str, str]]:
    """Fields of each record by its name; the type as ``RTYP``."""
    return {name: {"RTYP": kind, **dict(FIELD.findall(body))} for kind, name, body in RECORD.findall(text)}


RECORDS = records(database(CATALOGUE))


@pytest.mark.parametrize("path", sorted(FILES))
def test_committed_file_is_what_the_catalogue_gives(path: str) -> None:
    content = (REPOSITORY / path).read_bytes()
    assert content == FILES[path], f"{path} differs from the catalogue: run `make render`"


def test_generated_files_can_be_read_everywhere() -> None:
    for path, content in FILES.items():
        text = content.decode("utf-8")
        assert "\r" not in text
        assert "make render" in text or path.endswith(NO_COMMENTS), path
        assert text.endswith("\n")
        assert [line for line in text.splitlines() if line != line.rstrip()] == [], path


def test_write_changes_only_what_differs(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in FILES]
    assert write(tmp_path) == paths
    assert write(tmp_path) == []
    paths[0].write_bytes(b"edited by hand")
    assert write(tmp_path) == [paths[0]]
    assert [path.read_bytes() for path in paths] == list(FILES.values())


def test_every_scalar_pv_is_a_record_and_nothing_else_is() -> None:
    assert list(RECORDS) == ["$(P)" + pv.name for pv in CATALOGUE.scalars()]


def test_every_record_has_its_description_and_access_group() -> None:
    for pv in CATALOGUE.scalars():
        record = RECORDS["$(P)" + pv.name]
        assert record["DESC"] == pv.description
        assert record["ASG"] == pv.asg
    asg = {name: RECORDS[f"$(P){name}"]["ASG"] for name in ("State", "WF1:Name", "WF1:Start", "Control")}
    assert asg == {"State": "DEFAULT", "WF1:Name": "DMWRITE", "WF1:Start": "DMCOMMAND", "Control": "DMADMIN"}


def test_fields_of_one_record_of_each_kind() -> None:
    poll = RECORDS["$(P)PollPeriod"]
    assert (poll["RTYP"], poll["EGU"], poll["PREC"], poll["VAL"]) == ("ao", "s", "1", "0.5")
    assert (poll["LOPR"], poll["HOPR"], poll["DRVL"], poll["DRVH"]) == ("0.05", "60", "0.05", "60")
    start = RECORDS["$(P)WF1:Start"]
    assert (start["RTYP"], start["ZNAM"], start["ONAM"]) == ("bo", "Idle", "Busy")
    json = RECORDS["$(P)MD:JSON"]
    assert (json["RTYP"], json["FTVL"], json["NELM"]) == ("waveform", "CHAR", "1048576")
    assert "VAL" not in json
    status = RECORDS["$(P)DAQ1:Status"]
    assert (status["RTYP"], status["FRST"], status["FRSV"]) == ("mbbi", "Failed", "MAJOR")
    assert "THSV" not in status


def test_a_range_open_at_one_end_is_not_read_as_closed_at_zero() -> None:
    index = RECORDS["$(P)EXP:Index"]
    assert (index["DRVL"], index["DRVH"]) == ("-1", "2147483647")
    upward = PV("X", Kind.DOUBLE, "Only a greatest", Access.WRITE, high=5.0)
    record = records(database(Catalogue((upward,))))["$(P)X"]
    assert float(record["DRVL"]) < -1e100
    assert record["DRVH"] == "5"


def test_readback_with_a_range_has_no_drive_limits() -> None:
    record = records(database(Catalogue((PV("X", Kind.LONG, "A share", low=0, high=100),))))["$(P)X"]
    assert (record["RTYP"], record["LOPR"], record["HOPR"]) == ("longin", "0", "100")
    assert "DRVH" not in record


def test_sixteen_states_and_quotes_are_written_right() -> None:
    states = tuple(State(f"S{number}", Severity.MINOR if number == 15 else Severity.NO_ALARM) for number in range(16))
    pv = PV("X", Kind.ENUM, 'A "quoted" \\ text', states=states, default=15)
    record = records(database(Catalogue((pv,))))["$(P)X"]
    assert record["DESC"] == 'A \\"quoted\\" \\\\ text'
    assert (record["FFST"], record["FFSV"], record["VAL"]) == ("S15", "MINOR", "15")


def test_reference_has_every_pv_of_the_first_slot_of_each_kind() -> None:
    text = FILES["db/README.md"].decode()
    sections = {
        line.split(": ", 1)[1]: part for part in text.split("\n## ")[1:] if "$(P)" in (line := part.split("\n")[0])
    }
    assert "`$(P)WF1:`, `$(P)WF2:`, `$(P)WF3:`, `$(P)WF4:`" in sections
    assert len([name for name in sections if "WF2:" in name]) == 1
    for names, part in sections.items():
        group = names.split("`")[1].removeprefix("$(P)")
        rows = re.findall(r"^\| `(.+?)`", part, re.MULTILINE)
        assert rows == [pv.short_name for pv in CATALOGUE.group(group)], names


def test_reference_tells_type_range_states_and_alarm() -> None:
    rows = {line.split("`")[1]: line for line in FILES["db/README.md"].decode().splitlines() if line.startswith("| `")}
    assert "Default 0.5, from 0.05 to 60." in rows["PollPeriod"]
    assert "States: Start, Wait, Refuse. Default Start." in rows["IfRunning"]
    assert "text(16384)" in rows["Args_RBV"]
    assert "Columns: stage, process (int), status" in rows["Stages"]
    assert "| rw, saved |" in rows["IfRunning"]


def test_reference_of_one_slot_has_no_empty_lists() -> None:
    text = generated_files(station_catalogue(Slots(daq=1, upload=1, workflow=1)))["db/README.md"].decode()
    assert "## DAQ slots: `$(P)DAQ1:`\n" in text
