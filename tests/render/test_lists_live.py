"""The lists and a live station: pyepics' autosave takes a copy and puts it back; what is to be archived is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_process import CaClient
from waiting import wait_until

from dmioc.catalogue import PV, Kind, station_catalogue

DB = Path(__file__).parents[2] / "db"
SAVED = [pv for pv in station_catalogue() if pv.saved]


def value_to_save(pv: PV) -> object:
    """A value that is not the default; each PV of a kind has one of its own."""
    if pv.kind.has_states:
        return pv.labels[-1]
    if pv.kind is Kind.DOUBLE:
        return 12.25 + len(pv.name)
    if pv.kind is Kind.STRING:
        return pv.name
    return '{"of": "' + pv.name + '"}' if pv.name != "EXP:Name" else "demo"


# pyepics calls pyparsing by names that pyparsing 3.3 has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:epics.autosave")
def test_pyepics_saves_a_station_and_puts_it_back(ca: CaClient, tmp_path: Path) -> None:
    from epics.autosave import restore_pvs, save_pvs

    wanted = {pv.name: value_to_save(pv) for pv in SAVED}
    ca.connect(wanted)
    for name, value in wanted.items():
        ca.put(name, value)
    request, copy = tmp_path / "station.req", tmp_path / "station.sav"
    request.write_text(f'file "{DB / "dmioc_settings.req"}", P={ca.prefix}\n', "utf-8")
    save_pvs(str(request), str(copy))

    saved = dict(line.split(" ", 1) for line in copy.read_text("utf-8").splitlines() if line.startswith(ca.prefix))
    assert set(saved) == {ca.prefix + name for name in wanted}

    for pv in SAVED:
        ca.put(pv.name, pv.labels[0] if pv.kind.has_states else "" if isinstance(pv.default, str) else pv.default)
    assert all(ca.get(name) != value for name, value in wanted.items())
    assert restore_pvs(str(copy))
    wait_until(lambda: {name: ca.get(name) for name in wanted} == wanted, what="every setpoint is back")


def test_what_is_to_be_archived_is_served_and_small(ca: CaClient) -> None:
    names = [name.removeprefix("DEMO:DM:") for name in (DB / "dmioc_archive.txt").read_text("utf-8").splitlines()]
    ca.connect(names)
    assert {name: ca.pv(name).count for name in names if ca.pv(name).count != 1} == {}
