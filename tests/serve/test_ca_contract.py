"""Every PV as a client sees it, and its fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ca_process import CaProcess, RawClient
from contract_check import contract_violations

from dmioc.catalogue import station_catalogue


def test_every_pv_is_what_the_catalogue_says(ca: CaProcess) -> None:
    assert contract_violations(ca.prefix, station_catalogue()) == []


def test_fields(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    ca.publish("WF1:Percent", 12.5, severity=1, alarm=7)
    expected = {
        "WF1:Percent.EGU": "%",
        "WF1:Percent.PREC": 1,
        "WF1:Percent.VAL": 12.5,
        "WF1:Percent.SEVR": 1,
        "WF1:Percent.STAT": 7,
        "PollPeriod.DRVH": 60.0,
        "PollPeriod.LOPR": 0.05,
        "DAQ1:Expect.DRVL": 0,
        "EXP:Name.NELM": 256,
        "EXP:Name.FTVL": 1,
        "WF1:Status.ONST": "Pending",
        "WF1:Start.ZNAM": "Idle",
        "WF1:Start.ONAM": "Busy",
        "WF1:Status.NAME": f"{ca.prefix}WF1:Status",
        "Station.RTYP": "stringin",
    }
    assert {name: open_pv(name).get(use_monitor=False) for name in expected} == expected
    assert open_pv("WF1:Percent.SEVR").get(as_string=True) == "MINOR"
    assert open_pv("WF1:Status.DESC$").get(as_string=True) == "State of what the slot holds"


def test_fields_follow_their_pv(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    severity = open_pv("WF2:Percent.SEVR", auto_monitor=True)
    length = open_pv("EXP:Description.NORD")
    ca.publish("WF2:Percent", 1.0, severity=3, alarm=9)
    ca.publish("EXP:Description", "seven c")
    assert severity.get(use_monitor=False) == 3
    assert length.get(use_monitor=False) == 7
    ca.publish("WF2:Percent", 1.0)
    assert open_pv("WF2:Percent.STAT").get(as_string=True) == "NO_ALARM"


def test_what_is_not_there_is_not_found(ca: CaProcess, raw: RawClient) -> None:
    for name in (
        "Nope",
        "Heartbeat.NOPE",
        "Heartbeat$",
        "EXP:Name$$",
        "WF1:Status.FFST",
        "EXP:Name.EGU",
        "JOB:List",
        ".",
    ):
        assert raw.open(ca.prefix + name).command == 26, name
    assert raw.open("OTHER:Heartbeat").command == 26


def test_fields_take_no_puts(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}PollPeriod.EGU").parameter2
    raw.put(sid, 0, 1, b"ms")
    assert raw.receive(19).parameter1 == 376  # ECA_NOWTACCESS
    sid = raw.open(f"{ca.prefix}PollPeriod.VAL").parameter2
    raw.put(sid, 0, 1, b"1.25")
    assert raw.receive(19).parameter1 == 1
