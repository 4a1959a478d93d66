"""Anything put to any PV over PVAccess, by p4p, by pvapy and as raw bytes, and any query by name."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from gateway_process import CaClient, GatewayProcess, timed
from hostile_ca import means
from hostile_watch import CATALOGUE, DRAWN, SETPOINTS, Watch, pva_content
from hypothesis import given, settings
from hypothesis import strategies as st
from p4p import Type, Value
from p4p.client.thread import RemoteError
from pva_client import PvaContext, pva_context
from raw_pva_client import PUT, RPC, RawPvaClient, text

from dmioc.catalogue import PV, Kind

HIT = tuple(pv for pv in CATALOGUE if pv.name != "Control" and pv.kind is not Kind.RPC)
NUMBERS = (float("nan"), float("inf"), -1e308, 0.5, 2.0**31, -(2**63), 2**31 - 1, -1, 0, 1, 2, 16)
TEXTS = ("", "1", "Idle", "Enabled", "nan", "1e400", "\0\0", "a\0b", "\x1b[2J\r\n", "\u202e\U0010ffff", "x" * 20000)
SLOW_S = 2.0


class Putter:
    """p4p's client, its puts of a burst on their way at once."""

    def __init__(self, context: PvaContext, prefix: str) -> None:
        self.context, self.prefix = context, prefix

    def read(self, pvs: Iterable[PV]) -> dict[str, Any]:
        """Values now."""
        wanted = list(pvs)
        values = self.context.get([self.prefix + pv.name for pv in wanted], timeout=30)
        return {pv.name: pva_content(pv, value) for pv, value in zip(wanted, values, strict=True)}

    def put(self, puts: list[tuple[PV, Any]]) -> list[str]:
        """What is wrong after these puts; what p4p itself cannot send is left out. A PV may be put once in a burst."""
        before = self.read(pv for pv, _ in puts if pv in SETPOINTS)
        names = [self.prefix + pv.name for pv, _ in puts]
        sent: dict[str, Any] = {}
        values = [_builder(pv, value, sent) for pv, value in puts]
        answers = self.context.put(names, values, timeout=30, throw=False)
        after = self.read(pv for pv, _ in puts if pv in SETPOINTS)
        faults: list[str] = []
        for (pv, value), answer in zip(puts, answers, strict=True):
            if isinstance(answer, TimeoutError):
                faults.append(f"{pv.name}: no answer to {value!r}")
            if pv not in SETPOINTS or pv.name == "EXP:Name":  # which EXP:Index sets too
                continue
            right = (
                before[pv.name] == after[pv.name] if answer is not None else means(pv, sent[pv.name], after[pv.name])
            )
            if not right:
                faults.append(f"{pv.name}: {value!r} gave {answer!r} and {before[pv.name]!r} -> {after[pv.name]!r}")
        return faults


def _builder(pv: PV, value: Any, sent: dict[str, Any]) -> Callable[[Value], None]:
    """Sets the value, or fields by their names, in what p4p sends; ``sent`` gets what p4p makes of it."""
    path = "value.index" if pv.kind.has_states else "value"

    def build(target: Value) -> None:
        for name, field in value.items() if isinstance(value, dict) else ((path, value),):
            target[name] = field
            target.mark(name)
        now = target[path] if pv.kind.is_scalar else None
        sent[pv.name] = now.split("\0")[0].encode("utf-8", "surrogateescape") if isinstance(now, str) else now

    return build


@pytest.fixture(scope="module")
def pva(ca: CaClient, watch: Watch) -> Iterator[Putter]:
    ca.put("Control", "Disabled")
    with pva_context() as context:
        yield Putter(context, ca.prefix)
    assert ca.get("Control") == "Disabled"
    assert ca.get("JOB:Active") == 0 and ca.get("DAQ:Active") == 0


@pytest.fixture(scope="module")
def pva_address(gateway: GatewayProcess) -> str:
    return gateway.lines[0].partition("PVAccess at ")[2].split()[0].rstrip(",")


def share(turn: int) -> list[PV]:
    return [pv for number, pv in enumerate(HIT) if (number + turn) % (6 if pv.writable else 30) == 0]


PARTS: tuple[dict[str, Any], ...] = (
    {"alarm.severity": 2},
    {"timeStamp.secondsPastEpoch": 2**62},
    {"value.choices": ["a"]},
    {"display.limitLow": 3.0},
    {},
)


def test_nasty_values_to_every_pv(pva: Putter, watch: Watch) -> None:
    faults: list[str] = []
    for turn, value in enumerate((*NUMBERS, *TEXTS, *PARTS, ["a", "b"], [1, 2])):
        faults += pva.put([(pv, value) for pv in share(turn)])
    assert faults == []
    watch.check(pva.read)


values = st.one_of(st.text(max_size=100), st.floats(), st.integers(-(2**63), 2**63 - 1))


@settings(DRAWN, max_examples=6)
@given(drawn=st.lists(values, min_size=3, max_size=12), turn=st.integers(0, 29))
def test_drawn_values_to_every_pv(pva: Putter, watch: Watch, drawn: list[Any], turn: int) -> None:
    assert pva.put([(pv, drawn[number % len(drawn)]) for number, pv in enumerate(share(turn))]) == []
    watch.check(pva.read)


def test_a_text_of_16_mb(pva: Putter, watch: Watch, ca: CaClient) -> None:
    for name in ("MD:JSON", "WF1:RequestID", "Message"):
        with pytest.raises(RemoteError, match=r"holds at most|read-only"):
            pva.context.put(ca.prefix + name, "x" * 2**24, timeout=60)
    watch.check(pva.read)


PVAPY = """
import sys, pvaccess
shapes = (
    pvaccess.PvObject({"value": pvaccess.STRING}, {"value": "text"}),
    pvaccess.PvObject({"value": [pvaccess.DOUBLE]}, {"value": [1.0, 2.0]}),
    pvaccess.PvObject({"value": {"index": pvaccess.INT, "choices": [pvaccess.STRING]}},
                      {"value": {"index": 99, "choices": ["a"]}}),
    pvaccess.PvObject({"other": pvaccess.INT}, {"other": 1}),
    pvaccess.PvObject({"value": pvaccess.PvType.UBYTE}, {"value": 255}) if hasattr(pvaccess, "PvType")
    else pvaccess.PvObject({"value": pvaccess.UBYTE}, {"value": 255}),
)
ended = 0
for name in ("PollPeriod", "WF2:IfRunning", "DAQ2:Expect", "WF3:Args", "WF3:Run", "WF1:Job", "STR1:Report", "State"):
    for shape in shapes:
        try:
            pvaccess.Channel(sys.argv[1] + name, pvaccess.PVA).put(shape)
        except pvaccess.PvaException:
            pass
        ended += 1
print(ended, "ended")
"""


def test_other_structures_by_pvapy(pva: Putter, watch: Watch) -> None:
    """In a process of its own: it brings its own libraries."""
    command = [sys.executable, "-c", PVAPY, pva.prefix]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.splitlines()[-1:] == ["40 ended"], ended.stderr
    watch.check(pva.read)


def test_bytes_that_are_no_value(pva: Putter, pva_address: str, watch: Watch) -> None:
    """In a put that was begun properly: every bit marked, text that is not UTF-8, sizes of gigabytes, noise."""
    noise = random.Random(7)
    bodies = [
        b"\x01\x02" + text(b"\xff\xfe\x80"),  # value is the first field of all
        b"\x01\x02\xfe\xff\xff\xff\x7f",
        b"\xfe\xff\xff\xff\x7f",
        b"\x08" + b"\xff" * 8,
        b"",
        *(noise.randbytes(noise.randrange(1, 80)) for _ in range(20)),
    ]
    for name in ("WF1:Args", "WF3:RequestID", "PollPeriod", "WF2:IfRunning", "STR1:Report", "WF1:Status", "DAQ:List"):
        for body in bodies:
            client = RawPvaClient(pva_address)
            try:
                channel = client.open(pva.prefix + name)
                client.operate(PUT, channel, client.begin(PUT, channel), body)
            except ConnectionError:
                pass  # an error to that client
            finally:
                client.close()
    watch.check(pva.read)


def test_a_user_that_is_no_text(pva: Putter, pva_address: str, watch: Watch) -> None:
    client = RawPvaClient(pva_address, user=b"\xff\xfe")
    channel = client.open(f"{pva.prefix}WF4:Args")
    assert client.operate(PUT, channel, client.begin(PUT, channel), b"\x01\x02" + text(b"by nobody"))
    client.close()
    watch.check(pva.read)
    assert watch.ca.newest["WF4:Args"] == b"by nobody"


DEEP = "[" * 100_000
WIDE = "{" + ",".join(f'"k{number}": 1' for number in range(60_000)) + ', "k59999": 2}'


def uri(fields: list[tuple[str, Any]], values: dict[str, Any]) -> Value:
    return Value(Type([("path", "s"), ("query", ("S", None, fields))], id="epics:nt/NTURI:1.0"), {"query": values})


QUERIES = (
    Value(Type([("method", "i")]), {"method": 7}),
    Value(Type([("method", "as")]), {"method": ["help"]}),
    Value(Type([("query", "s")]), {"query": "help"}),
    Value(Type([("method", ("S", None, [("method", "s")]))]), {"method": {"method": "help"}}),
    Value(Type([("value", "v")]), {"value": 3.5}),
    Value(Type([("method", "s"), ("name", ("aS", None, [("a", "d")]))]), {"method": "experiment"}),
    uri([("method", "s")], {"method": "no such"}),
    uri([("method", "s")], {"method": "x" * 10**6}),
    uri([("method", "s"), ("limit", "d")], {"method": "jobs", "limit": float("nan")}),
    uri([("method", "s"), ("limit", "d")], {"method": "jobs", "limit": float("inf")}),
    uri([("method", "s"), ("limit", "ad")], {"method": "jobs", "limit": [1.0, 2.0]}),
    uri([("method", "s"), ("limit", "l")], {"method": "jobs", "limit": -(2**63)}),
    uri([("method", "s"), ("limit", "s")], {"method": "jobs", "limit": "9" * 5000}),
    uri([("method", "s"), ("filter", "s")], {"method": "pvs", "filter": "[" * 1000}),
    uri([("method", "s"), ("name", "?")], {"method": "experiment", "name": True}),
    uri([("method", "s"), ("name", "s")], {"method": "experiment", "name": "\0/../\r\n\ud7ff"}),
    uri([("method", "s"), ("name", "s")], {"method": "experiment", "name": "é" * 10**5}),
    uri([("method", "s"), ("id", "s")], {"method": "job", "id": "../../x?a=b#c"}),
    *(
        uri(
            [("method", "s"), ("workflow", "s"), ("args", "s")],
            {"method": "startWorkflow", "workflow": "w", "args": args},
        )
        for args in (DEEP, '{"a":' * 50_000, WIDE, "1" * 10**6, "\0", '"text"', "[1]", '{"a": NaN}')
    ),
    uri(
        [("method", "s"), ("experiment", "s"), ("runUid", "s"), ("json", "s")],
        {"method": "addMetadata", "experiment": "demo", "runUid": "u" * 10**5, "json": json.dumps({"a": "b" * 2**21})},
    ),
)


def test_queries_of_any_kind(pva: Putter, watch: Watch, ca: CaClient) -> None:
    for query in QUERIES:
        took_s = timed(lambda query=query: _asked(pva, query))
        assert took_s < SLOW_S, query
    watch.check(pva.read)


def _asked(pva: Putter, query: Value) -> None:
    """An answer or an error that is told; raises `TimeoutError` when nothing comes."""
    try:
        pva.context.rpc(f"{pva.prefix}RPC", query, timeout=30)
    except RemoteError as error:
        assert str(error).strip() and "internal error" not in str(error), (query, str(error))
        assert len(str(error)) < 2000


def test_bytes_that_are_no_query(pva: Putter, pva_address: str, watch: Watch) -> None:
    noise = random.Random(9)
    structure = b"\x80\x00\x01" + text(b"method") + b"\x60"
    bodies = [
        structure + text(b"\xff\xfe"),
        structure + b"\xfe\xff\xff\xff\x7f",
        b"\x80\x00" + b"\x01\x01a" * 0 + b"\xfe\xff\xff\xff\x7f",
        b"\x80\x00\x01\x01a" * 2000,
        *(structure[: noise.randrange(len(structure))] + noise.randbytes(20) for _ in range(20)),
    ]
    for body in bodies:
        client = RawPvaClient(pva_address)
        try:
            channel = client.open(f"{pva.prefix}RPC")
            client.operate(RPC, channel, client.begin(RPC, channel), body)
        except ConnectionError:
            pass
        finally:
            client.close()
    watch.check(pva.read)


def test_messages_that_are_none(pva: Putter, pva_address: str, watch: Watch) -> None:
    """Announced sizes of gigabytes, unknown commands, channels and operations that do not exist, another version."""
    wrong: tuple[Callable[[RawPvaClient], None], ...] = (
        lambda client: client.send(PUT, bytes(64), size=2**30),
        lambda client: client.send(PUT, bytes(64), size=2**32 - 1),
        lambda client: client.send(200, bytes(64)),
        lambda client: client.send(PUT, struct.pack("<IIB", 4711, 4711, 0)),
        lambda client: client.send(PUT, b"\1"),
        lambda client: client.sock.sendall(b"\xca\xff\x00\x0b\x04\0\0\0half"),
        lambda client: client.sock.sendall(b"GET / HTTP/1.1\r\n\r\n"),
        lambda client: client.sock.sendall(random.Random(3).randbytes(4096)),
    )
    for send in wrong:
        client = RawPvaClient(pva_address)
        send(client)
        client.close()
    watch.check(pva.read)
