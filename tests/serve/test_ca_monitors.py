"""Monitors: what is sent, what is not, and what a client that does not read may cost."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from ca_process import CaProcess, RawClient
from waiting import wait_until

from dmioc.catalogue import Kind, station_catalogue

EPICS_EPOCH = 631152000


def _values(client: RawClient, until: float) -> list[float]:
    values: list[float] = []
    while not values or values[-1] != until:
        values.append(struct.unpack(">d", client.receive(1).payload[16:24])[0])
    return values


def test_time_severity_and_status_are_the_readings_own(
    ca: CaProcess, raw: RawClient, open_pv: Callable[..., Any]
) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:Percent").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    ca.publish("DAQ1:Percent", 40.0, severity=3, alarm=9, time_s=1_600_000_000.25)
    message = raw.receive(1)
    assert struct.unpack(">hhII4xd", message.payload) == (9, 3, 1_600_000_000 - EPICS_EPOCH, 250_000_000, 40.0)
    quiet = open_pv("DAQ1:Rate", form="time")
    quiet.get()
    assert (quiet.severity, quiet.status) == (0, 0)


def test_the_same_reading_is_not_sent_again(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:Bytes").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    for _ in range(3):
        ca.publish("DAQ1:Bytes", 5.0, time_s=1_700_000_001.0)
    ca.publish("DAQ1:Bytes", float("nan"), float("nan"), time_s=1_700_000_001.0)
    ca.publish("DAQ1:Bytes", 6.0, time_s=1_700_000_001.0)
    values = _values(raw, 6.0)
    assert len(values) == 3 and values[0] == 5.0


def test_bursts_and_pulses_are_seen_up_to_the_backlog(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:RunTime").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    ca.publish("DAQ1:RunTime", *range(1, 11))
    assert _values(raw, 10) == list(range(1, 11))
    ca.publish("DAQ1:RunTime", *range(100))
    assert _values(raw, 99) == list(range(80, 100))


def test_masks(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}UPL1:Percent").parameter2
    for mask in (1, 4, 8):
        raw.subscribe(sid, 20, 1, mask=mask, subscription_id=mask)
        raw.receive(1)
    ca.publish("UPL1:Percent", 1.0, time_s=1_700_000_100)
    ca.publish("UPL1:Percent", 1.0, time_s=1_700_000_100, severity=1, alarm=7)
    ca.publish("UPL1:Percent", 2.0, time_s=1_700_000_101)
    raw.send(23)
    seen: list[tuple[int, float]] = []
    while (message := raw.receive()).command == 1:
        seen.append((message.parameter2, struct.unpack(">d", message.payload[16:24])[0]))
    assert sorted(seen) == [(1, 1.0), (1, 2.0), (4, 1.0), (4, 2.0)]


def test_cancelled_monitors_and_cleared_channels_are_silent(ca: CaProcess, raw: RawClient) -> None:
    first = raw.open(f"{ca.prefix}UPL2:Percent", cid=1).parameter2
    second = raw.open(f"{ca.prefix}UPL2:Rate", cid=2).parameter2
    raw.subscribe(first, 20, 1, subscription_id=11)
    raw.subscribe(second, 20, 1, subscription_id=12)
    for _ in range(2):
        raw.receive(1)
    raw.send(2, 20, 1, first, 11)
    cancelled = raw.receive(1)
    assert (cancelled.size, cancelled.parameter1, cancelled.parameter2) == (0, first, 11)
    raw.send(12, p1=second, p2=2)
    assert raw.receive().command == 12
    ca.publish("UPL2:Percent", 3.0)
    ca.publish("UPL2:Rate", 3.0)
    raw.send(23)
    assert raw.receive().command == 23


def test_events_off_and_on(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}UPL1:Rate").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    raw.send(8)
    raw.send(23)
    raw.receive(23)
    ca.publish("UPL1:Rate", *range(1, 50))
    raw.send(23)
    assert raw.receive().command == 23
    raw.send(9)
    assert _values(raw, 49)[-1] == 49


def test_a_reading_that_cannot_be_shown_ends_nothing(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}JOB:Active").parameter2
    raw.subscribe(sid, 20, 1)
    ca.publish("JOB:Active", 3)
    ca.publish("JOB:Active", "many", "many", None, 1.5)
    ca.publish("JOB:Active", 1, time_s=1e30)
    ca.publish("WF1:Status", 99)
    ca.publish("JOB:Active", 4)
    assert _values(raw, 4)[-2:] == [3, 4]
    assert ca.log().count("JOB:Active holds a number, not 'many'") == 1
    assert "WF1:Status has no state 99" in ca.log()


def test_a_client_that_does_not_read_costs_little_and_holds_up_nobody(ca: CaProcess, raw: RawClient) -> None:
    catalogue = station_catalogue()
    names = [pv.name for pv in catalogue.scalars() if pv.kind in (Kind.TEXT, Kind.LONG, Kind.DOUBLE)]
    stalled = RawClient(ca.addresses[0], user="stalled")
    for number, name in enumerate(names):
        channel = stalled.open(ca.prefix + name, cid=number)
        full = channel.count if channel.data_type == 4 and name != "MD:JSON" else 0
        stalled.subscribe(channel.parameter2, 18 if channel.data_type == 4 else 20, full, subscription_id=number)
        stalled.receive(1)
    sid = raw.open(f"{ca.prefix}WF1:RunTime").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    ca.ask("flood", names=names, times=3)
    _values(raw, 2)
    before = ca.ask("figures")["rss_bytes"]
    longest_s = begin = 0.0
    for _ in range(5):
        ca.ask("flood", names=[name for name in names if name != "MD:JSON"], times=10)
        begin = time.monotonic()
        ca.publish("WF1:RunTime", begin)
        _values(raw, begin)
        longest_s = max(longest_s, time.monotonic() - begin)
    growth_bytes = ca.ask("figures")["rss_bytes"] - before
    assert longest_s < 0.5
    assert growth_bytes < 10_000_000
    number = names.index("WF1:RunTime")
    while True:  # the newest value of everything arrives when it reads again
        message = stalled.receive(1)
        if message.parameter2 == number and struct.unpack(">d", message.payload[16:24]) == (begin,):
            break
    stalled.close()


def test_a_client_that_asks_and_does_not_read(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("MD:JSON", "x" * 1048576)
    before = ca.ask("figures")["rss_bytes"]
    greedy = RawClient(ca.addresses[0], user="greedy")
    sid = greedy.open(f"{ca.prefix}MD:JSON").parameter2
    greedy.sock.sendall(struct.pack(">HHHHII", 15, 0, 4, 0, sid, 1) * 2000)
    raw.send(23)
    raw.receive(23)
    growth_bytes = ca.ask("figures")["rss_bytes"] - before
    assert growth_bytes < 10_000_000
    greedy.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):  # since nothing is read from it either
        greedy.sock.sendall(struct.pack(">HHHHII", 15, 0, 4, 0, sid, 1) * 3_000_000)
    assert ca.ask("figures")["rss_bytes"] - before < 10_000_000
    greedy.sock.settimeout(30)
    for _ in range(20):
        assert greedy.receive().count == 1048576
    greedy.close()
    ca.publish("MD:JSON", "")


def test_many_monitors_of_pyepics(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    seen: list[float] = []
    pv = open_pv("WF4:RunTime", auto_monitor=True)
    pv.add_callback(lambda value, **_: seen.append(value))
    for number in range(1, 200):
        ca.publish("WF4:RunTime", number)
    wait_until(lambda: seen and seen[-1] == 199, what="the last value")
    assert seen[-199:] == sorted(seen[-199:])
