"""``db/dmioc.db`` in the C softIoc of EPICS base, read by pyepics: neither was written here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from softioc_process import COMPLAINTS, running_softioc

from dmioc.catalogue import PV, Kind, station_catalogue
from dmioc.catalogue.records import record_type

DATABASE = Path(__file__).parents[2] / "db" / "dmioc.db"
PVS = [pv for pv in station_catalogue().scalars() if not re.fullmatch(r"[A-Z]+[2-9]:", pv.group)]
"""But for the other slots of a kind, which have the records of the first one: `test_templates_in_softioc`."""

READER = """
import json, sys
import epics

prefix, names = json.loads(sys.stdin.readline())
wanted = [(name, field) for name, fields in names.items() for field in fields]
full_names = [f"{prefix}{name}.{field}" for name, field in wanted]
values = epics.caget_many(full_names, as_string=True, timeout=60, connection_timeout=20.0)
fields = {name: {} for name in names}
for (name, field), value in zip(wanted, values, strict=True):
    fields[name][field] = value
pvs = {name: epics.PV(prefix + name, auto_monitor=False, form="ctrl", connection_timeout=20.0) for name in names}
found = {}
for name, pv in pvs.items():
    if not pv.wait_for_connection(20.0):
        sys.exit(f"{prefix}{name} is not there")
    pv.get(timeout=60, with_ctrlvars=True, count=1 if pv.nelm > 1 else None)
    found[name] = {
        "value": pv.get(timeout=60, as_string=True, count=10 if pv.nelm > 1 else None),
        "states": list(pv.enum_strs or ()),
        "units": pv.units or "",
        "precision": pv.precision or 0,
        "limits": [pv.lower_ctrl_limit, pv.upper_ctrl_limit],
        "count": pv.nelm,
        "type": pv.type.split("_")[-1],
        "fields": fields[name],
    }
status = pvs["WF1:Status"]
status.put("Failed", wait=True)
found["WF1:Status put"] = [status.get(timeout=60, as_string=True), epics.caget(prefix + "WF1:Status.SEVR", as_string=True)]
print(json.dumps(found))
"""


def fields_of(pv: PV) -> list[str]:
    severities = ("ZRSV", "ONSV", "TWSV", "THSV", "FRSV", "FVSV", "SXSV", "SVSV", "EISV", "NISV", "TESV")
    return ["RTYP", "DESC", "ASG", "SEVR", *(severities[: len(pv.states)] if pv.kind is Kind.ENUM else ())]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What pyepics reads of every record, and ``output`` of the softIoc."""
    prefix = f"T{uuid4().hex[:8]}:"
    arguments = ["-m", "epicscorelibs.ioc", "-m", f"P={prefix}", "-d", DATABASE]
    with running_softioc(arguments, tmp_path_factory.mktemp("softioc"), "IOC Running") as softioc:
        wanted = {pv.name: fields_of(pv) for pv in PVS}
        reader = subprocess.run(
            [sys.executable, "-c", READER], env=softioc.environment, input=json.dumps([prefix, wanted]) + "\n",
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert reader.returncode == 0, reader.stderr
        yield {**json.loads(reader.stdout), "output": softioc.end()}


def test_softioc_says_no_word_of_an_error(loaded: dict[str, Any]) -> None:
    assert "IOC Running" in loaded["output"]
    assert re.findall(COMPLAINTS, loaded["output"]) == []


def test_every_record_is_there_with_its_type_description_and_access(loaded: dict[str, Any]) -> None:
    for pv in PVS:
        fields = loaded[pv.name]["fields"]
        assert fields["RTYP"] == record_type(pv)
        assert fields["DESC"] == pv.description
        assert fields["ASG"] == pv.asg


def test_enums_have_their_states_and_severities(loaded: dict[str, Any]) -> None:
    for pv in PVS:
        if not pv.kind.has_states:
            continue
        assert loaded[pv.name]["states"] == list(pv.labels), pv.name
        assert loaded[pv.name]["value"] == pv.labels[int(str(pv.default))], pv.name
        severities = [value for field, value in loaded[pv.name]["fields"].items() if field.endswith("SV")]
        if pv.kind is Kind.ENUM:
            assert severities == [state.severity.name for state in pv.states], pv.name


def test_numbers_have_unit_precision_limits_and_default(loaded: dict[str, Any]) -> None:
    for pv in PVS:
        if pv.kind not in (Kind.LONG, Kind.DOUBLE):
            continue
        found = loaded[pv.name]
        assert found["units"] == pv.unit, pv.name
        assert found["precision"] == pv.precision, pv.name
        assert float(found["value"]) == pv.default, pv.name
        if pv.low is not None:
            assert found["limits"][0] == pv.low, pv.name
        if pv.high is not None:
            assert found["limits"][1] == pv.high, pv.name


def test_texts_are_char_waveforms_of_their_length_and_empty(loaded: dict[str, Any]) -> None:
    for pv in PVS:
        if pv.kind.is_text:
            found = loaded[pv.name]
            assert (found["count"], found["type"], found["value"]) == (pv.length, "char", ""), pv.name
        elif pv.kind is Kind.STRING:
            assert (loaded[pv.name]["type"], loaded[pv.name]["value"]) == ("string", ""), pv.name


def test_no_record_starts_with_an_alarm_of_its_own(loaded: dict[str, Any]) -> None:
    wrong = {pv.name: loaded[pv.name]["fields"]["SEVR"] for pv in PVS}
    assert {name: severity for name, severity in wrong.items() if severity != "NO_ALARM"} == {}


def test_a_failed_job_is_red(loaded: dict[str, Any]) -> None:
    assert loaded["WF1:Status put"] == ["Failed", "MAJOR"]
