"""Puts: what is taken, how a refusal looks, and that a pending one holds up nothing."""

from __future__ import annotations

import statistics
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from ca_process import CaProcess, RawClient
from waiting import wait_until

NORMAL, PUT_FAILED, NO_WRITE_ACCESS = 1, 160, 376


@pytest.mark.parametrize(
    ("name", "data_type", "payload", "value"),
    [
        ("Control", 0, b"Disabled\0", 0),
        ("Control", 0, b"1", 1),
        ("Control", 3, struct.pack(">H", 0), 0),
        ("Control", 1, struct.pack(">h", 1), 1),
        ("Control", 6, struct.pack(">d", 0), 0),
        ("Control", 4, b"\1", 1),
        ("DAQ1:Expect", 0, b"12", 12),
        ("DAQ1:Expect", 6, struct.pack(">d", 7.0), 7),
        ("DAQ1:Expect", 5, struct.pack(">i", 2**31 - 1), 2**31 - 1),
        ("PollPeriod", 0, b"0.25", 0.25),
        ("PollPeriod", 2, struct.pack(">f", 0.5), 0.5),
        ("PollPeriod", 5, struct.pack(">i", 3), 3.0),
    ],
)
def test_every_type_a_client_may_send(
    ca: CaProcess, raw: RawClient, name: str, data_type: int, payload: bytes, value: float
) -> None:
    sid = raw.open(ca.prefix + name).parameter2
    raw.put(sid, data_type, 1, payload)
    assert raw.receive(19).parameter1 == NORMAL
    assert struct.unpack(">d", raw.get(sid, 6, 1).payload) == (value,)


@pytest.mark.parametrize(
    ("name", "data_type", "count", "payload", "reason"),
    [
        ("Control", 0, 1, b"Perhaps", b"Control takes one of 0 Disabled, 1 Enabled; not"),
        ("Control", 3, 1, struct.pack(">H", 2), b"Control takes one of"),
        ("Control", 1, 1, struct.pack(">h", -1), b"Control takes one of"),
        ("PollPeriod", 6, 1, struct.pack(">d", 1e9), b"PollPeriod takes 0.05 to 60 s, not 1000000000.0"),
        ("PollPeriod", 6, 1, struct.pack(">d", float("nan")), b"PollPeriod takes a finite number"),
        ("PollPeriod", 6, 3, struct.pack(">ddd", 1, 2, 3), b"PollPeriod takes one value, not 3"),
        ("PollPeriod", 6, 0, b"", b"PollPeriod takes one value, not 0"),
        ("PollPeriod", 6, 1, b"", b"PollPeriod: 0 bytes hold no DOUBLE"),
        ("DAQ1:Expect", 0, 1, b"many", b"DAQ1:Expect takes a number"),
        ("DAQ1:Expect", 20, 1, bytes(24), b"a put of DBR type 20 is not taken"),
        ("DAQ1:Start", 3, 1, bytes(2), b"DAQ1:Start takes 1"),
    ],
)
def test_a_refused_put_says_why_to_that_client_only(
    ca: CaProcess, raw: RawClient, name: str, data_type: int, count: int, payload: bytes, reason: bytes
) -> None:
    other = RawClient(ca.addresses[0])
    sid = raw.open(ca.prefix + name, cid=17).parameter2
    before = raw.get(sid, 6, 1).payload
    raw.put(sid, data_type, count, payload, wait=False)
    error = raw.receive(11)
    assert (error.parameter1, error.parameter2) == (17, PUT_FAILED)
    assert reason in error.payload
    assert struct.unpack(">HH", error.payload[:4]) == (4, len(payload) + -len(payload) % 8)
    raw.put(sid, data_type, count, payload, ioid=99)
    answer = raw.receive(19, 11)
    assert (answer.command, answer.parameter1, answer.parameter2) == (19, PUT_FAILED, 99)
    assert raw.get(sid, 6, 1).payload == before
    other.send(23)
    assert other.receive().command == 23
    other.close()


def test_read_only_pvs_are_read_only_to_libca(ca: CaProcess, open_pv: Callable[..., Any], raw: RawClient) -> None:
    from epics.ca import CASeverityException

    with pytest.raises(CASeverityException, match="Write access denied"):
        open_pv("Heartbeat").put(1)
    channel = raw.open(f"{ca.prefix}Heartbeat", cid=5)
    raw.put(channel.parameter2, 5, 1, struct.pack(">i", 1))
    assert raw.receive(19).parameter1 == NO_WRITE_ACCESS
    raw.put(channel.parameter2, 5, 1, struct.pack(">i", 1), wait=False)
    assert b"Heartbeat cannot be written by raw@127.0.0.1" in raw.receive(11).payload


def test_the_engine_is_told_who_puts(ca: CaProcess) -> None:
    ca.ask("puts")
    client = RawClient(ca.addresses[0], user="d001")
    sid = client.open(f"{ca.prefix}EXP:Name").parameter2
    client.put(sid, 4, 4, b"run\0")
    client.receive(19)
    client.close()
    assert ca.ask("puts") == [["EXP:Name", "b'run\\x00'", "d001@127.0.0.1 over ca"]]


def test_a_pending_put_holds_up_nothing_of_its_connection(ca: CaProcess, raw: RawClient) -> None:
    start = raw.open(f"{ca.prefix}DAQ2:Start").parameter2
    period = raw.open(f"{ca.prefix}IdlePollPeriod").parameter2
    run = raw.open(f"{ca.prefix}UPL2:Run").parameter2

    def median_s() -> float:
        times: list[float] = []
        for number in range(100):
            begin = time.perf_counter()
            raw.get(period, 20, 1)
            raw.put(period, 6, 1, struct.pack(">d", 1 + number), ioid=5)
            assert raw.receive(19).parameter2 == 5
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    free_s = median_s()
    raw.put(start, 3, 1, struct.pack(">H", 1), ioid=41)
    raw.put(run, 3, 1, struct.pack(">H", 1), ioid=42)
    pending_s = median_s()
    assert pending_s < 3 * free_s + 0.01
    raw.put(start, 3, 1, struct.pack(">H", 1), ioid=43)
    refused = raw.receive(19)
    assert (refused.parameter2, refused.parameter1) == (43, PUT_FAILED)
    ca.ask("end", name="UPL2:Run", state="OK")
    ended = raw.receive(19)
    assert (ended.parameter1, ended.parameter2) == (NORMAL, 42)
    ca.ask("end", name="DAQ2:Start", state="Failed", message="DM said no")
    ended = raw.receive(19)
    assert (ended.parameter1, ended.parameter2) == (PUT_FAILED, 41)


def test_a_plain_put_of_a_command_returns_at_once(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}WF2:Abort").parameter2
    raw.put(sid, 0, 1, b"Busy", wait=False)
    assert raw.get(sid, 3, 1).payload[:2] == b"\0\1"
    ca.ask("end", name="WF2:Abort", state="Failed", message="too late to tell anybody")
    raw.send(23)
    assert raw.receive(11, 23).command == 23


def test_a_client_that_goes_while_its_put_is_pending(ca: CaProcess) -> None:
    client = RawClient(ca.addresses[0])
    sid = client.open(f"{ca.prefix}WF3:Run").parameter2
    client.put(sid, 3, 1, struct.pack(">H", 1))
    client.get(sid, 3, 1)
    before = ca.settled()["clients"]
    client.close()
    wait_until(lambda: ca.ask("figures")["clients"] == before - 1, what="the circuit is gone")
    ca.ask("end", name="WF3:Run", state="OK")


def test_puts_of_one_circuit_keep_their_order(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:Expect").parameter2
    ca.ask("puts")
    for number in range(300):
        raw.put(sid, 5, 1, struct.pack(">i", number), wait=number % 2 == 0)
    raw.send(23)
    raw.receive(23)
    assert [int(put[1]) for put in ca.ask("puts")] == list(range(300))


def test_the_update_comes_before_the_completion(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    pv = open_pv("LostAfter", auto_monitor=True)
    for number in range(1, 50):
        pv.put(number, wait=True)
        assert pv.get() == number


def test_pyepics_sees_the_status_of_a_failed_put(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    """Through its put it does not tell; libca does, to whoever asks: aioca raises from this status."""
    import epics

    pv = open_pv("WF1:Start")
    ended: list[int] = []

    @epics.ca.ctypes.CFUNCTYPE(None, epics.dbr.event_handler_args)
    def on_end(args: Any) -> None:
        ended.append(args.status)

    value = epics.ca.ctypes.c_int(1)
    libca: Any = epics.ca.libca
    libca.ca_array_put_callback(epics.dbr.LONG, 1, pv.chid, epics.ca.ctypes.byref(value), on_end, None)
    epics.ca.poll()
    wait_until(lambda: pv.get(use_monitor=False) == 1, what="the command is busy")
    ca.ask("end", name="WF1:Start", state="Refused", message="no")
    wait_until(lambda: ended, what="the put ends")
    assert ended == [PUT_FAILED]
    assert pv.put(0, wait=True, timeout=30) is not None
    assert pv.connected
