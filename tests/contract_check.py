"""What a Channel Access client sees of every PV, against its catalogue entry (``pv-contract.md``)."""

from __future__ import annotations

import math
from typing import Any

from client_timeouts import ANSWER_TIMEOUT_S
from waiting import wait_until

from dmioc.catalogue import PV, Catalogue, Kind
from dmioc.catalogue.records import record_type

_FIELD_TYPES = {
    Kind.TEXT: "char",
    Kind.LINES: "char",
    Kind.STRING: "string",
    Kind.ENUM: "enum",
    Kind.COMMAND: "enum",
    Kind.LONG: "long",
    Kind.DOUBLE: "double",
}
_ALARMS = ("upper_alarm_limit", "upper_warning_limit", "lower_warning_limit", "lower_alarm_limit")


def contract_violations(prefix: str, catalogue: Catalogue, timeout_s: float = ANSWER_TIMEOUT_S) -> list[str]:
    """One line for each point where the server under the prefix is not what the catalogue says, as a pyepics client sees it.

    Type, element count, access, states, unit, precision, limits, DESC and RTYP of every scalar PV; structured PVs must
    not be found. Needs the environment of ``epics_environment`` and a server that is up.
    """
    import epics

    pvs = tuple(catalogue.scalars())
    fields = ("", ".DESC", ".RTYP")
    channels = {
        (pv.name, field): epics.ca.create_channel(prefix + pv.name + field, connect=False)
        for pv in pvs
        for field in fields
    }
    structured = {
        pv.name: epics.ca.create_channel(prefix + pv.name, connect=False) for pv in catalogue if not pv.kind.is_scalar
    }
    try:
        _wait_for(channels, timeout_s)
        wrong = [line for pv in pvs for line in _violations(pv, {field: channels[pv.name, field] for field in fields})]
        wrong += [f"{name} is served over CA" for name, chid in structured.items() if epics.ca.isConnected(chid)]
    finally:
        for chid in (*channels.values(), *structured.values()):
            epics.ca.clear_channel(chid)
        epics.ca.poll()
    return wrong


def _wait_for(channels: dict[tuple[str, str], Any], timeout_s: float) -> None:
    import epics

    def missing() -> list[str]:
        epics.ca.poll()
        return [name + field for (name, field), chid in channels.items() if not epics.ca.isConnected(chid)]

    wait_until(lambda: not missing(), timeout_s, what=f"every PV connects; {len(channels)} channels")


def _violations(pv: PV, chids: dict[str, Any]) -> list[str]:
    import epics

    chid = chids[""]
    expected = {
        "type": _FIELD_TYPES[pv.kind],
        "count": max(pv.length, 1),
        "may read": True,
        "may write": pv.writable,
        "DESC": pv.description,
        "RTYP": record_type(pv),
    }
    seen = {
        "type": str(epics.dbr.Name(epics.ca.field_type(chid))).lower(),
        "count": epics.ca.element_count(chid),
        "may read": bool(epics.ca.read_access(chid)),
        "may write": bool(epics.ca.write_access(chid)),
        "DESC": epics.ca.get(chids[".DESC"], timeout=ANSWER_TIMEOUT_S),
        "RTYP": epics.ca.get(chids[".RTYP"], timeout=ANSWER_TIMEOUT_S),
    }
    if pv.kind.has_states:
        expected["states"] = pv.labels
        seen["states"] = tuple(epics.ca.get_enum_strings(chid) or ())
    if pv.kind in (Kind.LONG, Kind.DOUBLE):
        expected |= _expected_limits(pv)
        control = epics.ca.get_ctrlvars(chid, timeout=ANSWER_TIMEOUT_S) or {}
        seen |= {key: control.get(key) for key in expected if key in control}
        if pv.kind is Kind.DOUBLE and not all(math.isnan(control.get(name, 0)) for name in _ALARMS):
            return [f"{pv.name}: alarm limits that the contract does not have: {control}"]
    return [
        f"{pv.name}: {key} is {seen.get(key)!r}, not {expected[key]!r}"
        for key in expected
        if seen.get(key) != expected[key]
    ]


def _expected_limits(pv: PV) -> dict[str, Any]:
    expected: dict[str, Any] = {"units": pv.unit}
    if pv.kind is Kind.DOUBLE:
        expected["precision"] = pv.precision
    for key, limit in (("lower_ctrl_limit", pv.low), ("upper_ctrl_limit", pv.high)):
        if limit is not None:
            expected[key] = limit
            expected[key.replace("ctrl", "disp")] = limit
    if pv.low is None and pv.high is None:
        expected |= dict.fromkeys(("lower_ctrl_limit", "upper_ctrl_limit", "lower_disp_limit", "upper_disp_limit"), 0)
    return expected
