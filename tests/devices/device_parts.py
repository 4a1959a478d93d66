"""What the tests of ophyd devices share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dmioc.catalogue import PV, Kind, Slots, station_catalogue
from dmioc.devices.names import component_name


def signals(device: Any) -> Iterator[Any]:
    """Every signal of a device and of the devices in it."""
    for walked in device.walk_signals():
        yield walked.item


def right_class(pv: PV) -> str:
    """Name of the signal class for a PV."""
    if pv.kind is Kind.COMMAND:
        return "CommandSignal"
    if pv.short_name.startswith("Cmd"):
        return pv.short_name.replace("Cmd", "Outcome")
    words = {
        Kind.TEXT: "Text",
        Kind.LINES: "Text",
        Kind.STRING: "String",
        Kind.ENUM: "Choice",
        Kind.LONG: "Number",
        Kind.DOUBLE: "Number",
    }
    return f"{words[pv.kind]}Signal{'' if pv.writable else 'RO'}"


def right_attribute(pv: PV) -> str:
    """Where a station has the component of a PV, by the names in the contract."""
    banks = {"DAQ": "daqs", "UPL": "uploads", "WF": "workflows", "STR": "streams"}
    group, name = pv.group.rstrip(":"), component_name(pv.short_name)
    if not group:
        return name
    if group.rstrip("0123456789") != group:
        return f"{banks[group.rstrip('0123456789')]}.{group.lower()}.{name}"
    if group in banks and pv.short_name == "Active":
        return f"{banks[group]}.active"
    groups = {"EXP": "experiment", "JOB": "jobs", "MD": "metadata"}
    return f"{groups.get(group, group.lower())}.{name}"


def check_components(station: Any, slots: Slots) -> None:
    """The components of a station are the scalar PVs of the catalogue, each where it should be."""
    prefix = station.prefix
    catalogue = station_catalogue(slots)
    served = {prefix + pv.name: pv for pv in catalogue.scalars() if not pv.row_of}
    found = {signal.pvname: signal for signal in signals(station)}
    assert found.keys() == served.keys()
    assert len(found) == len(list(signals(station))), "no PV is there twice"
    for name, pv in served.items():
        signal = found[name]
        assert signal.dotted_name == right_attribute(pv), name
        assert type(signal).__name__ == right_class(pv), name
    keys = [signal.name for signal in signals(station)]
    assert len(set(keys)) == len(keys), "each signal has a data key of its own"
    assert not any(key.endswith("_") for key in keys)
