"""``db/dmioc.substitutions`` beside ``db/dmioc.db`` in the C softIoc, read by p4p through QSRV 2."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from p4p.client.thread import Context
from softioc_process import COMPLAINTS, SHELL, running_softioc

from dmioc.catalogue import PV, Kind, Slots, station_catalogue, with_aliases
from dmioc.render import Site, write

DB = Path(__file__).parents[2] / "db"
CATALOGUE = station_catalogue(Slots(daq=3))
"""What the templates give with one more line for a third DAQ slot."""
WHOLE, TEMPLATES, SITE = "T:DB:", "T:TPL:", "T:SITE:"
ALIASES = {"8id:StrReg4": ("EXP:Name", "string"), "8id:Job": ("WF1:JobID", "")}
SITE_CATALOGUE = with_aliases(station_catalogue(Slots(1, 0, 1, 0)), SITE, ALIASES)
"""A station's own, with aliases and without uploads and streams."""


@dataclass(frozen=True)
class Loaded:
    """What the softIoc was seen to have.

    Attributes:
        values: of every PV, by its full name, as p4p unwraps it.
        records: the softIoc's own dump of its database, record by record, by full name.
        output: what it said.
    """

    values: dict[str, Any]
    records: dict[str, str]
    output: str


def full_names() -> list[str]:
    whole = [WHOLE + pv.name for pv in station_catalogue().scalars()]
    site = [served.name for served in SITE_CATALOGUE.served(SITE) if served.pv.kind.is_scalar]
    return [*whole, *(TEMPLATES + pv.name for pv in CATALOGUE.scalars()), *site]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """The database under one prefix, the templates with a third DAQ slot under another, a station's own under a third."""
    directory = tmp_path_factory.mktemp("softioc")
    for path in [*DB.glob("*.template"), DB / "dmioc.substitutions"]:
        shutil.copy(path, directory)
    substitutions = directory / "dmioc.substitutions"
    text = substitutions.read_text("utf-8")
    assert text.count("    { 2 }\n") > 0
    substitutions.write_text(text.replace("    { 2 }\n", "    { 2 }\n    { 3 }\n", 1), "utf-8")
    write(directory / "site", SITE_CATALOGUE, Site(SITE))
    site, dump = directory / "site" / "db", directory / "dump"
    lines = (
        f'epicsEnvSet("EPICS_DB_INCLUDE_PATH", "{directory}")\n'
        f'dbLoadRecords("{DB / "dmioc.db"}", "P={WHOLE}")\n'
        f'dbLoadTemplate("{substitutions}", "P={TEMPLATES}")\n'
        f'epicsEnvSet("EPICS_DB_INCLUDE_PATH", "{site}")\n'
        f'dbLoadTemplate("{site}/dmioc.substitutions", "P={SITE}")\n'
        f'iocInit()\ndbDumpRecord > {dump}\necho("ready")\n'
    )
    with running_softioc([SHELL], directory, "\nready", lines) as softioc:
        ports = {name: value for name, value in softioc.environment.items() if name.startswith("EPICS_PVA")}
        with Context("pva", conf=ports, useenv=False) as context:
            names = full_names()
            values = dict(zip(names, context.get(names, timeout=60), strict=True))
        records = dict(
            re.findall(
                r'^(?:record|grecord)\(\w+, ?"([^"]+)"\) \{\n(.*?)^\}', dump.read_text(), re.MULTILINE | re.DOTALL
            )
        )
        yield Loaded(values, records, softioc.end())


def test_softioc_likes_the_templates(loaded: Loaded) -> None:
    assert re.findall(COMPLAINTS, loaded.output) == []


def test_every_record_is_served_and_no_other(loaded: Loaded) -> None:
    # The second name of the same type is an alias in EPICS, too: no record of its own.
    assert sorted([*loaded.records, "8id:Job"]) == sorted(full_names())
    assert not [name for name, value in loaded.values.items() if isinstance(value, Exception)]


def test_templates_give_the_same_records_as_the_database(loaded: Loaded) -> None:
    for pv in station_catalogue().scalars():
        assert loaded.records[TEMPLATES + pv.name] == loaded.records[WHOLE + pv.name], pv.name


def test_slots_of_a_kind_have_the_same_records(loaded: Loaded) -> None:
    for pv in CATALOGUE.scalars():
        first = re.sub(r"^(DAQ|UPL|WF|STR)[2-9]:", r"\g<1>1:", pv.name)
        assert loaded.records[TEMPLATES + pv.name] == loaded.records[WHOLE + first], pv.name


def test_qsrv_serves_each_kind_as_the_gateway_does(loaded: Loaded) -> None:
    for pv in CATALOGUE.scalars():
        value = loaded.values[TEMPLATES + pv.name]
        raw = value.raw.value
        assert isinstance(raw.todict() if pv.kind.has_states else raw, python_type(pv)), pv.name
        if pv.kind.has_states:
            assert list(raw.choices) == list(pv.labels), pv.name
        if pv.kind.is_text:
            assert str(raw) == "", pv.name


def python_type(pv: PV) -> type:
    """What a value of the PV is to p4p; a text is one, by the info tag ``Q:form``."""
    if pv.kind.has_states:
        return dict
    return {Kind.LONG: int, Kind.DOUBLE: float}.get(pv.kind, str)
