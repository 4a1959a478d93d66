"""Limits that EPICS and the contract set on every entry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmioc.catalogue import PV, Access, Catalogue, Kind, Slots, State, check_prefix, coerce, station_catalogue
from dmioc.catalogue.records import record_type
from dmioc.errors import ConfigurationError

CATALOGUE = station_catalogue()
TWO_STATES = (State("No"), State("Yes"))
GOOD = PV("G:One", Kind.ENUM, "One", states=TWO_STATES)


def test_names_are_short_enough_for_a_beamline() -> None:
    too_long = [pv.name for pv in CATALOGUE if len("25IDC:DM:" + pv.name) > 60]
    assert too_long == []


def test_descriptions_fit_and_say_something() -> None:
    assert [pv.name for pv in CATALOGUE if not 3 <= len(pv.description) <= 39] == []
    assert [
        pv.name for pv in CATALOGUE if pv.description != pv.description.strip() or not pv.description.isascii()
    ] == []


def test_labels_fit_and_differ_and_are_no_numbers() -> None:
    for pv in CATALOGUE:
        assert len(set(pv.labels)) == len(pv.labels), pv.name
        assert all(0 < len(label) <= 25 and not label.isdigit() for label in pv.labels), pv.name
        assert len(pv.labels) <= 16, pv.name


def test_units_fit_into_egu() -> None:
    assert [pv.name for pv in CATALOGUE if len(pv.unit.encode()) > 15] == []


@pytest.mark.parametrize("pv", [pv for pv in CATALOGUE if pv.kind.is_scalar], ids=lambda pv: pv.name)
def test_default_is_a_value_the_pv_can_hold(pv: PV) -> None:
    assert coerce(pv, pv.default) == pv.default


def test_groups_and_short_names() -> None:
    assert (CATALOGUE["Station"].group, CATALOGUE["Station"].short_name) == ("", "Station")
    assert (CATALOGUE["WF1:Status"].group, CATALOGUE["WF1:Status"].short_name) == ("WF1:", "Status")
    assert (CATALOGUE["EXP:New:Name"].group, CATALOGUE["EXP:New:Name"].short_name) == ("EXP:", "New:Name")
    assert "Heartbeat" in {pv.name for pv in CATALOGUE.group("")}
    assert {pv.name for pv in CATALOGUE.group("WF:") if not pv.row_of} == {"WF:List"}


def test_catalogue_is_found_by_name_and_keeps_its_order() -> None:
    assert CATALOGUE["MD:JSON"].length == 1048576
    assert "MD:Json" not in CATALOGUE
    assert len(list(CATALOGUE)) == len(CATALOGUE)
    assert next(iter(CATALOGUE)).name == "Station"
    assert {pv.kind for pv in set(CATALOGUE) - set(CATALOGUE.scalars())} == {Kind.TABLE, Kind.STRUCTURE, Kind.RPC}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((GOOD, GOOD), "twice"),
        ((replace(GOOD, description=""),), "description"),
        ((replace(GOOD, description="x" * 41),), "description"),
        ((replace(GOOD, states=TWO_STATES[:1]),), "states"),
        ((replace(GOOD, states=tuple(State(str(number)) for number in range(17))),), "states"),
        ((replace(GOOD, states=(State("x" * 26), State("y"))),), "26|25"),
        ((replace(GOOD, length=5),), "length"),
        ((PV("G:Text", Kind.TEXT, "A text"),), "length"),
    ],
)
def test_entry_that_breaks_a_limit_is_refused(wrong: tuple[PV, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Catalogue(wrong)


@pytest.mark.parametrize("prefix", ["25IDC:DM:", "DEMO:DM:", "", "a-b_c[1]<x>;", "S" * 30])
def test_prefix_that_can_be_served(prefix: str) -> None:
    check_prefix(prefix, CATALOGUE)


@pytest.mark.parametrize("prefix", ["25 IDC:", "X.Y:", "É:", "$(P)", "a/b:", "x\n", "x\0", "a\tb"])
def test_prefix_with_a_wrong_character(prefix: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_prefix(prefix, CATALOGUE)
    assert repr(prefix) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_prefix_that_makes_names_too_long() -> None:
    longest = max(len(pv.name) for pv in CATALOGUE)
    check_prefix("x" * (60 - longest), CATALOGUE)
    with pytest.raises(ConfigurationError, match="61 characters"):
        check_prefix("x" * (61 - longest), CATALOGUE)


def test_longest_name_grows_with_the_number_of_slots() -> None:
    longest = max(len(pv.name) for pv in CATALOGUE)
    with pytest.raises(ConfigurationError):
        check_prefix("x" * (60 - longest), station_catalogue(Slots(upload=10, daq=10)))


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("WF1:Name", "waveform"),
        ("EXP:Users", "waveform"),
        ("Station", "stringin"),
        ("WF1:RequestID", "stringout"),
        ("WF1:Status", "mbbi"),
        ("Control", "mbbo"),
        ("WF1:Start", "bo"),
        ("Revision", "longin"),
        ("EXP:Index", "longout"),
        ("Uptime", "ai"),
        ("PollPeriod", "ao"),
    ],
)
def test_record_type(name: str, record: str) -> None:
    assert record_type(CATALOGUE[name]) == record


def test_no_record_for_what_only_pvaccess_serves() -> None:
    with pytest.raises(ValueError, match="WF1:Stages"):
        record_type(CATALOGUE["WF1:Stages"])
    with pytest.raises(ValueError, match="WF9:Go"):
        record_type(PV("WF9:Go", Kind.COMMAND, "A command nobody may put", Access.READ, states=TWO_STATES))
