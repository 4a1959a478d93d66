"""DM gives no good answer, in every way it can: what came from it keeps value and time and is INVALID/COMM soon.

Told within two poll periods and the deadline, right again within two poll periods after DM is (`fault_station`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fault_file import FaultFile
from fault_station import (
    DEADLINE_S,
    MENDED_S,
    NO_ALARM,
    SERVICES,
    TOLD_S,
    Pva,
    all_invalid,
    ca_seen,
    kept,
    none_invalid,
)
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from waiting import wait_until

WATCHED = {
    "DS": ("EXP:State", "EXP:ID", "EXP:DataDirectory"),
    "DAQ": ("DAQ1:Status", "DAQ1:ID", "DAQ1:FilesDone", "UPL1:Status", "UPL1:FilesTotal", "DAQ:Active"),
    "PROC": ("WF1:Status", "WF1:JobID", "WF1:Stage", "JOB:Active", "JOB:Idle"),
    "CAT": ("EXP:FileCount",),
}
TABLES = {
    "DS": ("EXP:List",),
    "DAQ": ("DAQ:List", "UPL:List"),
    "PROC": ("WF:List", "JOB:List", "WF1:Stages"),
    "CAT": (),
}
OWN = ("EXP:Name", "DAQ1:DataDirectory", "WF1:Name", "PollPeriod", "Control", "Heartbeat", "WF1:CmdStatus")
SCALARS = tuple(name for names in WATCHED.values() for name in names)
EVERYTHING = (*SCALARS, *(name for names in TABLES.values() for name in names))
IDS = ["id", "name", "countFiles"]
SILENCE: dict[str, tuple[dict[str, Any], str]] = {
    "refuse": ({"kind": "refuse"}, "connection refused"),
    "half-open": ({"kind": "half-open"}, "no whole answer within"),
    "hang": ({"kind": "hang"}, "no whole answer within"),
    "drop": ({"kind": "drop"}, "disconnected"),
    "hang-body": ({"kind": "hang-body"}, "no whole answer within"),
    "cut-off body": ({"kind": "hang-body", "seconds": 0}, "closed"),
    "slow": ({"kind": "slow", "seconds": 5 * DEADLINE_S}, "no whole answer within"),
    "500": ({"kind": "status"}, "HTTP 500"),
    "503": ({"kind": "status", "status": 503}, "HTTP 503"),
    "302": ({"kind": "status", "status": 302}, "HTTP 302"),
    "200 with errorCode": ({"kind": "error", "headers": False}, "DM says: fault of localdm (InternalError, code 2)"),
    "error with headers": ({"kind": "error", "code": 1}, "DM says: fault of localdm (DmException, code 1)"),
    "html": ({"kind": "html"}, "<!DOCTYPE html>"),
    "cut": ({"kind": "cut"}, "not JSON"),
    "wrong types": ({"kind": "wrong-types"}, "Expected"),
    "missing key": ({"kind": "missing-key", "keys": IDS}, "missing required field"),
}


@pytest.fixture(scope="module")
def station(
    gateway: GatewayProcess,
    ca: CaClient,
    dm: GatewayDm,
    faults: FaultFile,
    tmp_path_factory: pytest.TempPathFactory,
) -> CaClient:
    """A DAQ and a job that run, an upload that is done."""
    data = tmp_path_factory.mktemp("data")
    (data / "a.dat").write_bytes(b"a")
    dm.upsert_workflow({"name": "long", "owner": "dmioc", "stages": {"01-WAIT": {"command": "/bin/sleep 300"}}})
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=secrets.token_hex(4))
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4))
    ca.puts("WF1:", Name="long", FilePath="/dev/null")
    for command in ("DAQ1:Start", "UPL1:Run", "WF1:Start"):
        assert ca.command(command)[0] == "OK", ca.outcome(command)
    ca.wait_for("WF1:Stage", "01-WAIT")
    ca.wait_for("EXP:FileCount", lambda count: count > 0)
    ca.connect((*SCALARS, *OWN))
    return ca


@pytest.fixture
def good(station: CaClient, pva: Pva, faults: FaultFile) -> Iterator[CaClient]:
    """Before and after each test all is right."""
    faults.put()
    station.wait_for("State", "Connected")
    wait_until(lambda: none_invalid(pva.seen(EVERYTHING)), what="all from DM is valid")
    yield station
    faults.put()
    station.wait_for("State", "Connected", timeout_s=60)


def is_silent(ca: CaClient, pva: Pva) -> bool:
    return all_invalid(pva.seen(EVERYTHING)) and all_invalid(ca_seen(ca, SCALARS))


@pytest.mark.parametrize("name", SILENCE)
def test_no_good_answer(good: CaClient, pva: Pva, faults: FaultFile, gateway: GatewayProcess, name: str) -> None:
    fault, reason = SILENCE[name]
    ca = good
    assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
    before, before_pva = ca_seen(ca, SCALARS), pva.seen(EVERYTHING)
    with faults.on(fault):
        began = time.monotonic()
        wait_until(lambda: is_silent(ca, pva), TOLD_S, what=f"all from DM is INVALID/COMM with {name}")
        assert time.monotonic() - began < TOLD_S
        kept(before, ca_seen(ca, SCALARS))
        kept(before_pva, pva.seen(EVERYTHING))
        assert ca.get("State") == "Disconnected"
        for service in SERVICES:
            assert ca.get(f"{service}:State") == "Disconnected"
            assert reason in ca.get(f"{service}:Error"), service
        for own, seen in {**ca_seen(ca, OWN), **pva.seen(OWN)}.items():
            assert seen.severity == NO_ALARM, own
        outcome, message = ca.command("Refresh")
        assert outcome == "Failed" and reason in message
    began = time.monotonic()
    wait_until(lambda: none_invalid(pva.seen(EVERYTHING)), MENDED_S, what="all is right again")
    assert time.monotonic() - began < MENDED_S
    assert ca_seen(ca, SCALARS) == before
    assert [ca.get(f"{service}:Error") for service in SERVICES] == [""] * len(SERVICES)
    assert "Traceback" not in gateway.log()
