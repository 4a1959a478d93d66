"""Channel Access and PVAccess never disagree: under random commands, at equal revision, both clients read the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client_timeouts import ANSWER_TIMEOUT_S
from gateway_process import CaClient, GatewayProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pva_client import pva_context
from waiting import wait_until

from dmioc.catalogue import PV, Kind, station_catalogue

pytestmark = pytest.mark.long

SCALARS = tuple(station_catalogue().scalars())
TIME_S = 1e-6
"""A double of POSIX seconds is not finer."""


@pytest.fixture(scope="module")
def pva(gateway: GatewayProcess) -> Iterator[Any]:
    with pva_context() as context:
        yield context


def over_ca(ca: CaClient) -> dict[str, tuple[Any, int, float]]:
    """Value, severity and time of every PV by libca; all requests are on their way at once."""
    import epics

    chids = {pv.name: ca.pv(pv.name).chid for pv in SCALARS}
    form = "time"
    for pv in SCALARS:
        epics.ca.get_with_metadata(chids[pv.name], ftype=_type(chids[pv.name], form), as_string=False, wait=False)
    found: dict[str, tuple[Any, int, float]] = {}
    for pv in SCALARS:
        data = epics.ca.get_complete_with_metadata(
            chids[pv.name], ftype=_type(chids[pv.name], form), as_string=False, timeout=ANSWER_TIMEOUT_S
        )
        assert data is not None, pv.name
        found[pv.name] = (_ca_value(pv, data["value"]), int(data["severity"]), float(data["timestamp"]))
    return found


def _type(chid: Any, form: str) -> int:
    import epics

    return epics.ca.promote_type(chid, use_time=form == "time")


def _ca_value(pv: PV, value: Any) -> Any:
    if pv.kind.is_text:
        return bytes(np.atleast_1d(value).astype(np.uint8)).split(b"\0")[0].decode("utf-8")
    return value


def over_pva(pva: Any, prefix: str) -> dict[str, tuple[Any, int, float]]:
    """The same by p4p."""
    values = pva.get([prefix + pv.name for pv in SCALARS], timeout=30)
    found: dict[str, tuple[Any, int, float]] = {}
    for pv, value in zip(SCALARS, values, strict=True):
        raw = value.raw if hasattr(value, "raw") else value
        stamp = raw.timeStamp.secondsPastEpoch + 1e-9 * raw.timeStamp.nanoseconds
        content = raw.value.index if pv.kind.has_states else raw.value
        found[pv.name] = ("\n".join(content) if pv.kind is Kind.LINES else content, int(raw.alarm.severity), stamp)
    return found


def disagreements(ca: CaClient, pva: Any) -> list[str]:
    """What differs at one revision; reads again while the state changes between the two."""
    seen: list[str] = []

    def same_revision() -> bool:
        # Values of many PVs come one after the other: the revision is asked for before and after all of them.
        before = pva.get(f"{ca.prefix}Revision", timeout=30).value
        first, second = over_pva(pva, ca.prefix), over_ca(ca)
        if before != pva.get(f"{ca.prefix}Revision", timeout=30).value:
            return False
        seen[:] = [
            f"{name}: CA {second[name]!r}, PVA {first[name]!r}"
            for name in first
            if second[name][:2] != first[name][:2] or abs(second[name][2] - first[name][2]) > TIME_S
        ]
        return True

    wait_until(same_revision, 30, what="a revision that lasts")
    return seen


PUTS = st.sampled_from(
    [
        ("EXP:Name", "demo"),
        ("EXP:Name", "no such experiment é"),
        ("EXP:New:Create", 1),
        ("DAQ1:DataDirectory", "{data}"),
        ("DAQ1:Options", json.dumps({"processExistingFiles": True})),
        ("DAQ1:Start", 1),
        ("DAQ1:Stop", 1),
        ("UPL1:SourcePath", "{data}"),
        ("UPL1:Run", 1),
        ("WF1:Name", "example-01"),
        ("WF1:Name", "nothing"),
        ("WF1:FilePath", "{data}/one.dat"),
        ("WF1:Args", "not json"),
        ("WF1:Args", ""),
        ("WF1:Run", 1),
        ("WF2:Name", "progress-01"),
        ("WF2:FilePath", "/dev/null"),
        ("WF2:Start", 1),
        ("WF2:Abort", 1),
        ("Control", "Disabled"),
        ("Control", "Enabled"),
        ("MD:JSON", '{"a": "µ"}'),
        ("MD:RunUID", "12345678-9abc"),
        ("MD:Send", 1),
        ("Refresh", 1),
        ("LostAfter", 17.25),
    ]
)


@pytest.mark.timeout(240)
def test_both_protocols_show_one_state(ca: CaClient, pva: Any, data: Path) -> None:
    (data / "one.dat").write_text("one")

    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(PUTS, min_size=3, max_size=10))
    def agree(puts: list[tuple[str, Any]]) -> None:
        for number, (name, value) in enumerate(puts):
            given_value = value.format(data=data) if isinstance(value, str) and "{data}" in value else value
            ca.put(name, given_value, wait=number % 2 == 0)
        assert disagreements(ca, pva) == []

    # So slow that a revision lasts long enough to be read twice over the wires.
    ca.puts("", PollPeriod=1.0, IdlePollPeriod=5.0)
    agree()
    ca.put("Control", "Enabled")
