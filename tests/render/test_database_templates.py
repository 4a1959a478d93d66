"""``db/dmioc.substitutions`` and its templates: the records of ``dmioc.db``, for any number of slots."""

from __future__ import annotations

import re

import pytest

from dmioc.catalogue import Catalogue, Slots, station_catalogue, with_aliases
from dmioc.render.database import database
from dmioc.render.templates import substitutions, templates

FILE = re.compile(r'^file "([^"]+)" \{\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)
RECORD = re.compile(r"^(?:record|alias)\([^\n]*\)(?: \{\n.*?^\})?$", re.MULTILINE | re.DOTALL)
ALIASED = with_aliases(station_catalogue(), "X:", {"8id:StrReg4": ("EXP:Name", "string"), "8id:Job": ("WF1:JobID", "")})


def texts(catalogue: Catalogue) -> dict[str, str]:
    """The database, the substitutions and the templates, by their file names."""
    own = {"dmioc.db": database(catalogue), "dmioc.substitutions": substitutions(catalogue)}
    return own | templates(catalogue)


def expanded(files: dict[str, str]) -> list[str]:
    """What a reader of substitutions makes of them: each template once for each of its lines."""
    records: list[str] = []
    for name, body in FILE.findall(files["dmioc.substitutions"]):
        pattern, *rows = re.findall(r"\{([^{}]*)\}", body)
        if not rows:  # { {} }: once, with no macros but those given by the caller
            pattern, rows = "", [pattern]
        macros = re.findall(r"\w+", pattern)
        for row in rows:
            text = files[name]
            for macro, value in zip(macros, re.findall(r"\w+", row), strict=True):
                text = text.replace(f"$({macro})", value)
            records += RECORD.findall(text)
    return records


@pytest.mark.parametrize(
    "catalogue",
    [
        station_catalogue(),
        station_catalogue(Slots(1, 1, 1, 1)),
        station_catalogue(Slots(3, 0, 12, 5)),
        station_catalogue(Slots(0, 0, 0, 0)),
        ALIASED,
    ],
    ids=["default", "one of each", "12 workflow slots, no uploads", "none", "aliases"],
)
def test_templates_give_the_records_of_the_database(catalogue: Catalogue) -> None:
    files = texts(catalogue)
    records = expanded(files)
    assert sorted(records) == sorted(RECORD.findall(files["dmioc.db"]))
    assert len(records) == len(list(catalogue.scalars())) + len(catalogue.aliases)
    assert "$(N)" not in "".join(records)


def test_another_slot_is_one_more_line() -> None:
    """But for the streaming slots' limit, which names the number of workflow slots."""
    files = texts(station_catalogue())
    files["dmioc.substitutions"] = files["dmioc.substitutions"].replace("    { 2 }\n", "    { 2 }\n    { 3 }\n", 1)
    assert sorted(expanded(files)) == sorted(RECORD.findall(texts(station_catalogue(Slots(daq=3)))["dmioc.db"]))


def test_aliases_come_last_and_have_the_type_asked_for() -> None:
    files = texts(ALIASED)
    assert [name for name, _ in FILE.findall(files["dmioc.substitutions"])][-1] == "dmioc_aliases.template"
    register, second_name = RECORD.findall(files["dmioc_aliases.template"])
    assert register.startswith('record(stringout, "8id:StrReg4")')
    assert "autosaveFields" not in register  # EXP:Name itself is kept
    assert second_name == 'alias("$(P)WF1:JobID", "8id:Job")'
    assert "dmioc_aliases.template" not in texts(station_catalogue())


def test_info_tags_stand_where_they_apply() -> None:
    catalogue = station_catalogue()
    for pv, text in zip(catalogue.scalars(), RECORD.findall(texts(catalogue)["dmioc.db"]), strict=True):
        tags = dict(re.findall(r'^    info\(([\w:]+), "([^"]*)"\)$', text, re.MULTILINE))
        assert (tags.pop("Q:form", "") == "String") == pv.kind.is_text, pv.name
        assert (tags.pop("autosaveFields", "") == "VAL") == pv.saved, pv.name
        assert re.fullmatch(r"(monitor|scan)@\d+\.\d+|none", tags.pop("archive", "none")), pv.name
        assert tags == {}, pv.name
