"""Which second names of PVs there may be, and what is served under them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from dmioc.access import explained, load_rules, question_about
from dmioc.app import catalogue_of
from dmioc.catalogue import Kind, Slots, station_catalogue, with_aliases
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.catalogue.listing import listing
from dmioc.cli import main
from dmioc.config import load_settings
from dmioc.engine.projection import as_held
from dmioc.engine.readings import Alarm, Reading
from dmioc.errors import ConfigurationError
from dmioc.model import Severity

CATALOGUE = station_catalogue(Slots(daq=1, upload=1, workflow=1, stream=1))
PREFIX = "25IDC:DM:"
EXAMPLE = Path(__file__).parents[2] / "dmioc" / "examples" / "aliases.toml"


def complaint(name: str, pv: str, kind: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        with_aliases(CATALOGUE, PREFIX, {"8idi:StrReg2": ("WF1:Name", ""), name: (pv, kind)})
    text = str(caught.value)
    assert "\n" not in text and text.startswith(f"[aliases] {name!r} = {pv!r}: ")
    return text.partition(": ")[2]


@pytest.mark.parametrize(
    ("name", "pv", "kind", "words"),
    [
        ("25IDC:DM:WF1:Name", "EXP:Name", "", "25IDC:DM:WF1:Name is a PV of this gateway"),
        ("8idi:StrReg1", "EXP:Nam", "", "there is no PV 25IDC:DM:EXP:Nam; EXP:Name is one"),
        ("8idi:StrReg1", "WF2:Name", "", "there is no PV 25IDC:DM:WF2:Name; WF1:Name is one"),
        ("8idi:StrReg1", "", "", "there is no PV 25IDC:DM:; dmioc pvs lists all"),
        ("8" * 61, "EXP:Name", "", "61 characters; 1 to 60 are right"),
        ("", "EXP:Name", "", "0 characters; 1 to 60 are right"),
        ("8idi StrReg$.é", "EXP:Name", "", "its name holds ' $.é'; letters, digits and _-:[]<>; are right"),
        ("8idi:StrReg1", "EXP:ID", "string", "EXP:ID is of type long and cannot be 'string'; long is right"),
        ("8idi:StrReg1", "EXP:Name", "double", "EXP:Name is of type text(256) and cannot be 'double'; text or string"),
        ("8idi:StrReg1", "EXP:Users", "string", "cannot be 'string'; lines is right"),
        ("8idi:StrReg1", "JOB:List", "", "JOB:List is a table, over PVAccess only; a PV that Channel Access serves"),
        ("8idi:StrReg1", "WF1:Job", "string", "WF1:Job is a structure, over PVAccess only"),
        ("8idi:StrReg1", "RPC", "", "RPC is a rpc, over PVAccess only"),
    ],
)
def test_what_cannot_be_is_named_with_what_would_be_right(name: str, pv: str, kind: str, words: str) -> None:
    assert words in complaint(name, pv, kind)


def test_a_name_is_served_with_its_pvs_entry_or_as_the_register_that_it_was() -> None:
    wanted = {
        "8" * 60: ("EXP:Name", ""),
        "8idi:StrReg1": (f"{PREFIX}EXP:Name", "string"),
        "8idi:Reg1": ("WF1:Start", "command"),
        "25IDC:DM:WF2:Name": ("WF1:Name", "text"),  # below the prefix, but nobody's own
        "8idi:StrReg2": ("WF1:RequestID", "string"),
    }
    catalogue = with_aliases(CATALOGUE, PREFIX, wanted)
    assert tuple(catalogue) == tuple(CATALOGUE), "the entries stay one for each PV"
    served = list(catalogue.served(PREFIX))
    assert [one.name for one in served] == [*(PREFIX + pv.name for pv in CATALOGUE), *wanted]
    own, register, command, other, string = served[len(CATALOGUE) :]
    assert (
        own.pv is CATALOGUE["EXP:Name"] and command.pv is CATALOGUE["WF1:Start"] and other.pv is CATALOGUE["WF1:Name"]
    )
    assert string.pv is CATALOGUE["WF1:RequestID"] and own.is_alias and not served[0].is_alias
    assert (register.pv.name, register.pv.kind, register.pv.length) == ("EXP:Name", Kind.STRING, 0)
    assert (register.pv.asg, register.pv.saved) == ("DMWRITE", True)


def test_every_form_of_the_list_has_aliases_after_the_pvs_with_what_they_stand_for() -> None:
    catalogue = with_aliases(CATALOGUE, PREFIX, {"8idi:StrReg1": ("EXP:Name", "string"), "8idi:Reg1": ("PVCount", "")})
    found = json.loads(listing(catalogue, PREFIX, "json"))
    assert {tuple(one) for one in found} == {tuple(found[0])} and len(found) == len(CATALOGUE) + 2
    assert {one["alias_of"] for one in found[:-2]} == {""}
    name, count = found[-2:]
    assert (name["pv"], name["name"], name["alias_of"]) == ("8idi:StrReg1", "EXP:Name", "25IDC:DM:EXP:Name")
    assert (name["kind"], name["length"], name["asg"], name["saved"]) == ("string", 0, "DMWRITE", True)
    assert {**count, "pv": "25IDC:DM:PVCount", "alias_of": ""} in found, "but for its name it is the PV"
    rows = list(csv.DictReader(io.StringIO(listing(catalogue, PREFIX, "csv", "8idi:"))))
    assert [(row["pv"], row["alias_of"]) for row in rows] == [(one["pv"], one["alias_of"]) for one in found[-2:]]
    assert "alias of" not in listing(catalogue, PREFIX, "table", "WF1:").splitlines()[0]
    assert [line.split()[0] for line in listing(catalogue, PREFIX, "table", "*:StrReg?").splitlines()[1:]] == [
        name["pv"]
    ]


def test_an_alias_has_the_rights_of_its_pv() -> None:
    catalogue = with_aliases(CATALOGUE, PREFIX, {"8idi:StrReg1": ("EXP:Name", "string"), "8idi:Reg1": ("PVCount", "")})
    rules = load_rules(None)
    for name in ("8idi:StrReg1", "8idi:StrReg1.VAL"):
        question = question_about(catalogue, PREFIX, "alice", "localhost", name)
        assert (question.name, question.asg, question.alias) == ("25IDC:DM:EXP:Name", "DMWRITE", "8idi:StrReg1")
        assert explained(rules, question)[1][1] == "  8idi:StrReg1 is an alias of it"
    for name in ("8idi:StrReg1.DESC", "8idi:Reg1"):
        is_allowed, lines = explained(rules, question_about(catalogue, PREFIX, "alice", "localhost", name))
        assert not is_allowed and "is read-only for everybody" in lines[0] and "is an alias of it" in lines[1]


@pytest.mark.parametrize(
    ("text", "shown", "is_cut"),
    [
        ("", "", False),
        ("x" * STRING_BYTES, "x" * STRING_BYTES, False),
        ("x" * 40, "x" * STRING_BYTES, True),
        ("é" * 19 + "x", "é" * 19 + "x", False),
        ("é" * 20, "é" * 19, True),  # never half of a character
    ],
)
def test_a_text_that_a_string_cannot_hold_is_cut_and_minor(text: str, shown: str, is_cut: bool) -> None:
    register = list(with_aliases(CATALOGUE, PREFIX, {"r": ("EXP:Name", "string")}).served(PREFIX))[-1].pv
    held = as_held(register, Reading(text, 5.0))
    alarm = (Severity.MINOR, Alarm.SOFT) if is_cut else (Severity.NO_ALARM, Alarm.NO_ALARM)
    assert held == Reading(shown, 5.0, *alarm)
    stale = Reading(text, 5.0, Severity.INVALID, Alarm.COMM)
    assert as_held(register, stale) == Reading(shown, 5.0, Severity.INVALID, Alarm.COMM)
    assert as_held(CATALOGUE["EXP:Name"], Reading(text, 5.0)) == Reading(text, 5.0), "the PV itself holds it"


def test_the_example_table_is_right_for_any_prefix() -> None:
    settings = load_settings(EXAMPLE, {}, {("gateway", "prefix"): PREFIX})
    aliases = {alias.name: alias for alias in catalogue_of(settings).aliases}
    assert list(aliases) == list(settings.aliases) and len(aliases) > 10
    assert aliases["8ideSoft:StrReg4"].kind is Kind.STRING and aliases["8idi:Reg170"].target == "WF1:Start"


def test_dmioc_config_prints_a_table_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dmioc.toml"
    for text in (EXAMPLE.read_text("utf-8"), "[dm.endpoints]\nstopDaq = 'POST /stop'\n"):
        file.write_text(text, "utf-8")
        assert main(["config", "--config", str(file)]) == 0
        printed = capsys.readouterr().out
        before = load_settings(file, os.environ)
        file.write_text(printed, "utf-8")
        assert load_settings(file, os.environ) == before


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('"8idi:x" = 3', "[aliases] 8idi:x = 3: "),
        ('"8idi:x" = { type = "string" }', "[aliases] 8idi:x.pv"),
        ('"8idi:x" = { pv = "EXP:Name", kind = "string" }', "[aliases] 8idi:x.kind: there is no such key"),
        ('8idi:x = "EXP:Name"', "is not TOML: "),
        (
            '"8idi:x" = "EXP:Name"\n"8idi:x" = "EXP:ID"',
            'Cannot overwrite a value (at line 3, column 20): "8idi:x" = "EXP:ID"',
        ),
    ],
)
def test_a_wrong_entry_is_quoted(tmp_path: Path, entry: str, words: str) -> None:
    file = tmp_path / "dmioc.toml"
    file.write_text(f"[aliases]\n{entry}\n", "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, {})
    assert words in str(caught.value) and "8idi:x" in str(caught.value) and "\n" not in str(caught.value)
