"""What a Channel Access client may do wrong or too much of, and the corners of the protocol that few clients use."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from ca_process import CaProcess, RawClient
from waiting import wait_until

from dmioc.catalogue import Kind, station_catalogue

NORMAL, PUT_FAILED, BAD_TYPE = 1, 160, 114
HEADER = ">HHHHII"
FORMS = range(35)


def test_every_pv_as_every_type(ca: CaProcess, raw: RawClient) -> None:
    """Also of values that the type cannot hold; numpy's warnings about them would be in the log."""
    ca.publish("DAQ1:Bytes", 1e300)
    ca.publish("DAQ1:Rate", float("nan"))
    ca.publish("DAQ2:Rate", float("-inf"))
    names = [pv.name for pv in station_catalogue().scalars() if pv.name.startswith(("DAQ", "EXP:"))]
    assert len(names) > 50
    for name in names:
        sid = raw.open(ca.prefix + name).parameter2
        for data_type in FORMS:
            answer = raw.get(sid, data_type, 0)
            assert answer.data_type == data_type
            assert answer.size > 0 and answer.size % 8 == 0, (name, data_type)
    assert "Warning" not in ca.log()


def test_values_at_the_limits_of_the_asked_type(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("DAQ1:Bytes", 1e300)
    ca.publish("DAQ1:Percent", float("nan"))
    sid = raw.open(f"{ca.prefix}DAQ1:Bytes").parameter2
    assert struct.unpack(">i", raw.get(sid, 5, 1).payload[:4]) == (2**31 - 1,)
    assert struct.unpack(">h", raw.get(sid, 1, 1).payload[:2]) == (2**15 - 1,)
    assert struct.unpack(">f", raw.get(sid, 2, 1).payload[:4])[0] > 3.4e38
    sid = raw.open(f"{ca.prefix}DAQ1:Percent").parameter2
    assert raw.get(sid, 5, 1).payload[:4] == bytes(4)
    assert raw.get(sid, 0, 1).payload.rstrip(b"\0") == b"nan"


def test_record_type_and_alarm_with_string(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("WF1:Status", 3, severity=2, alarm=7)
    sid = raw.open(f"{ca.prefix}WF1:Status").parameter2
    assert raw.get(sid, 38, 1).payload == b"mbbi".ljust(40, b"\0")
    acknowledged = raw.get(sid, 37, 1).payload
    assert acknowledged[:8] == struct.pack(">hhHH", 7, 2, 0, 0)
    assert acknowledged[8:].rstrip(b"\0").decode() == station_catalogue()["WF1:Status"].labels[3]


def test_types_that_nobody_can_read(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}Heartbeat").parameter2
    assert raw.get(sid, 35, 1).parameter1 == BAD_TYPE
    for command in (1, 15, 3):
        raw.send(command, 77, 1, sid, 9, struct.pack(">fffHH", 0, 0, 0, 5, 0) if command == 1 else b"")
        answer = raw.receive()
        assert BAD_TYPE in (answer.parameter1, answer.parameter2)
    assert raw.get(sid, 5, 1).parameter1 == NORMAL


def test_plain_reads_of_old_clients(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("JOB:Active", 5)
    sid = raw.open(f"{ca.prefix}JOB:Active", cid=31).parameter2
    raw.send(3, 5, 1, sid, 8)
    answer = raw.receive(3)
    assert (answer.parameter1, answer.parameter2, answer.payload[:4]) == (31, 8, struct.pack(">i", 5))


def test_two_pending_puts_with_one_number(ca: CaProcess, raw: RawClient) -> None:
    first = raw.open(f"{ca.prefix}UPL1:Stop", cid=1).parameter2
    second = raw.open(f"{ca.prefix}UPL2:Stop", cid=2).parameter2
    for sid in (first, second):
        raw.put(sid, 3, 1, struct.pack(">H", 1), ioid=6)
    raw.get(first, 3, 1)
    ca.ask("end", name="UPL1:Stop")
    ca.ask("end", name="UPL2:Stop", state="Failed")
    answers = [raw.receive(19) for _ in range(2)]
    assert [(answer.parameter1, answer.parameter2) for answer in answers] == [(NORMAL, 6), (PUT_FAILED, 6)]


def test_a_channel_that_is_cleared_while_its_put_is_pending(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}WF4:Abort", cid=5).parameter2
    raw.put(sid, 3, 1, struct.pack(">H", 1))
    raw.send(12, p1=sid, p2=5)
    raw.receive(12)
    ca.ask("end", name="WF4:Abort")
    raw.send(23)
    assert raw.receive().command == 23


def test_a_put_ends_while_events_are_off(ca: CaProcess, raw: RawClient) -> None:
    """The answer comes, the monitors wait."""
    sid = raw.open(f"{ca.prefix}WF3:Abort").parameter2
    raw.subscribe(sid, 3, 1)
    raw.receive(1)
    raw.send(8)
    raw.put(sid, 3, 1, struct.pack(">H", 1))
    raw.get(sid, 3, 1)
    ca.ask("end", name="WF3:Abort")
    assert raw.receive(1, 19).command == 19
    raw.send(9)
    assert [raw.receive(1).payload[:2] for _ in range(2)] == [b"\0\1", b"\0\0"]


def test_a_put_that_announces_more_than_it_holds(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}EXP:Name").parameter2
    before = raw.get(sid, 4, 0).payload
    for data_type in (0, 4, 6):
        begin = time.monotonic()
        raw.sock.sendall(
            struct.pack(HEADER + "II", 19, 0xFFFF, data_type, 0, sid, 4, 8, 2**31) + b"few".ljust(8, b"\0")
        )
        assert raw.receive(19).parameter1 == PUT_FAILED
        assert time.monotonic() - begin < 2
    assert raw.get(sid, 4, 0).payload == before


def test_channels_come_and_go_without_a_trace(ca: CaProcess, raw: RawClient) -> None:
    def come_and_go() -> int:
        for number in range(1500):
            sid = raw.open(f"{ca.prefix}MD:JSON", cid=number).parameter2
            raw.subscribe(sid, 18, 0, subscription_id=number)
            raw.send(12, p1=sid, p2=number)
            raw.receive(12)
            assert raw.open(f"{ca.prefix}Nope:{number}", cid=number).command == 26
        return ca.ask("figures")["rss_bytes"]

    before = come_and_go()
    assert come_and_go() - before < 1_000_000


def test_a_greedy_client_gets_no_more_than_its_turn(ca: CaProcess, raw: RawClient) -> None:
    greedy = RawClient(ca.addresses[0], user="greedy")
    gets = struct.pack(HEADER, 15, 0, 20, 1, greedy.open(f"{ca.prefix}PollPeriod").parameter2, 9) * 1000
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            greedy.sock.sendall(gets)

    def swallow() -> None:
        while greedy.sock.recv(2**20):
            pass

    threads = [threading.Thread(target=work, daemon=True) for work in (ask, swallow)]
    for thread in threads:
        thread.start()
    sid = raw.open(f"{ca.prefix}Heartbeat").parameter2
    waits_s: list[float] = []
    for _ in range(10):
        begin = time.monotonic()
        raw.get(sid, 5, 1)
        waits_s.append(time.monotonic() - begin)
    is_over.set()
    threads[0].join(timeout=30)
    greedy.sock.shutdown(2)
    threads[1].join(timeout=30)
    greedy.close()
    assert max(waits_s) < 0.5


def test_a_stalled_client_that_wants_texts_as_arrays_of_strings(ca: CaProcess, raw: RawClient) -> None:
    """40 bytes for each character of each text: what waits for it is the texts, not what it asked for."""
    texts = [pv for pv in station_catalogue().scalars() if pv.kind is Kind.TEXT and pv.length <= 4096]
    stalled = RawClient(ca.addresses[0], user="stalled")
    for number, pv in enumerate(texts):
        sid = stalled.open(ca.prefix + pv.name, cid=number).parameter2
        stalled.subscribe(sid, 14, pv.length, subscription_id=number)
        stalled.receive(1)
    names = [pv.name for pv in texts]
    ca.ask("flood", names=names, times=2)
    before = ca.ask("figures")["rss_bytes"]
    ca.ask("flood", names=names, times=30)
    assert ca.ask("figures")["rss_bytes"] - before < 10_000_000
    sid = raw.open(f"{ca.prefix}Heartbeat").parameter2
    assert raw.get(sid, 5, 1).parameter1 == NORMAL
    stalled.close()


def test_menus_and_alarm_limits(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    ca.publish("WF3:Percent", 1.0, severity=3, alarm=17)
    status = open_pv("WF3:Percent.STAT")
    assert status.get(use_monitor=False) == 17
    assert open_pv("WF3:Percent.STAT").enum_strs[9] == "COMM"
    assert str(open_pv("WF3:Percent.HIHI").get(use_monitor=False)) == "nan"
    ca.publish("WF3:Percent", 1.0, time_s=1_700_000_000.25)
    assert open_pv("WF3:Percent.TIME").get(use_monitor=False) == "2023-11-14T22:13:20.250000Z"


def test_a_filter_in_a_name_is_not_found(ca: CaProcess, raw: RawClient) -> None:
    for name in ('Heartbeat.{"dbnd":{"d":2}}', "EXP:Name.[0:3]"):
        assert raw.open(ca.prefix + name).command == 26, name


def test_monitors_go_on_after_a_client_was_cut_off(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}UPL2:RunTime").parameter2
    raw.subscribe(sid, 20, 1)
    raw.receive(1)
    cut = RawClient(ca.addresses[0], user="cut")
    other = cut.open(f"{ca.prefix}UPL2:RunTime").parameter2
    cut.subscribe(other, 20, 1)
    cut.receive(1)
    cut.send(99)
    clients = ca.ask("figures")["clients"]
    ca.publish("UPL2:RunTime", 1, 2, 3)
    assert [struct.unpack(">d", raw.receive(1).payload[16:24])[0] for _ in range(3)] == [1, 2, 3]
    wait_until(lambda: ca.ask("figures")["clients"] <= clients, what="the other circuit is gone")
    cut.close()
