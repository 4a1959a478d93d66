"""Anything put to any PV over Channel Access: an error or the value, and nobody else sees anything that is not right."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from gateway_process import CaClient, GatewayProcess
from hostile_ca import Attack, Attacker
from hostile_watch import (
    DBR_CHAR,
    DBR_DOUBLE,
    DBR_ENUM,
    DBR_FLOAT,
    DBR_LONG,
    DBR_SHORT,
    DBR_STRING,
    DRAWN,
    SCALARS,
    Watch,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.catalogue import PV

MEMORY_BYTES = 10_000_000
HIT = tuple(pv for pv in SCALARS if pv.name != "Control")
"""Every PV but the one that keeps jobs from being started, which has a test of its own."""


def number(data_type: int, form: str, value: float) -> Attack:
    return Attack(data_type, 1, struct.pack(form, value))


def text(payload: bytes) -> Attack:
    return Attack(DBR_CHAR, len(payload), payload)


def string(payload: bytes) -> Attack:
    return Attack(DBR_STRING, 1, payload[:40].ljust(40, b"\0"))


DOUBLES = (float("nan"), float("inf"), -float("inf"), 2.0**31, -(2.0**63), 1e308, 5e-324, -0.0, 0.5, 1.0)
NASTY = (
    *(number(DBR_DOUBLE, ">d", value) for value in DOUBLES),
    *(number(DBR_LONG, ">i", value) for value in (2**31 - 1, -(2**31), -1, 0, 1, 2)),
    *(number(DBR_SHORT, ">h", value) for value in (-(2**15), 17)),
    *(number(DBR_ENUM, ">H", value) for value in (0, 1, 15, 16, 65535)),
    number(DBR_FLOAT, ">f", 1e30),
    Attack(DBR_LONG, 3, struct.pack(">3i", 1, 2, 3)),
    Attack(DBR_STRING, 2, bytes(80)),
    Attack(DBR_DOUBLE, 0, b""),
    Attack(DBR_CHAR, 5000, b"short"),
    Attack(DBR_DOUBLE, 1, b""),
    Attack(DBR_STRING, 1, b"eight by"),
    Attack(DBR_LONG, 65536, bytes(8)),
    *(Attack(data_type, 1, bytes(48)) for data_type in (7, 13, 20, 34, 35, 36, 37, 38)),
    *(string(payload) for payload in (b"", b"1", b"Idle", b"Enabled", b"-1", b"99", b"1e400", b"nan", b"\xff\xfe\x80")),
    *(string(payload) for payload in ("٣".encode(), b"1_0", b" 2 ", b"0x10", b"\x1b[2J\r\n", b"x" * 40)),
    *(text(payload) for payload in (b"", b"\0" * 300, b"a\0b", b"\xe9t\xe9", b"\xff" * 200, bytes(range(256)))),
    *(text(payload) for payload in (b"x" * 20000, b"\n" * 500, "\ud7ff\u202e\U0010ffff".encode(), b"\xed\xa0\x80")),
)

attacks = st.one_of(
    st.builds(text, st.binary(max_size=300)),
    st.builds(text, st.text(max_size=100).map(lambda drawn: drawn.encode("utf-8", "surrogatepass"))),
    st.builds(string, st.one_of(st.binary(max_size=40), st.integers().map(lambda drawn: str(drawn).encode()))),
    st.builds(number, st.just(DBR_DOUBLE), st.just(">d"), st.floats()),
    st.builds(number, st.just(DBR_LONG), st.just(">i"), st.integers(-(2**31), 2**31 - 1)),
    st.builds(number, st.just(DBR_ENUM), st.just(">H"), st.integers(0, 2**16 - 1)),
    st.builds(Attack, st.integers(0, 45), st.integers(0, 70000), st.binary(max_size=64)),
)


@pytest.fixture(scope="module", autouse=True)
def disabled(ca: CaClient, watch: Watch) -> Iterator[None]:
    """Commands are refused, so that no attack starts anything."""
    ca.put("Control", "Disabled")
    yield
    assert ca.get("Control") == "Disabled"
    assert ca.get("JOB:Active") == 0 and ca.get("DAQ:Active") == 0


def share(turn: int) -> list[PV]:
    """The PVs whose turn it is: slots are alike, so that each PV has a part of the attacks and each kind of PV all."""
    return [pv for number, pv in enumerate(HIT) if (number + turn) % (5 if pv.writable else 20) == 0]


def test_nasty_values_to_every_pv(attacker: Attacker, watch: Watch) -> None:
    faults = [
        fault for turn, attack in enumerate(NASTY) for fault in attacker.put([(pv, attack) for pv in share(turn)])
    ]
    assert faults == []
    assert attacker.closed > 0, "some end the circuit of who sent them"
    watch.check(attacker.read)


@settings(DRAWN, max_examples=8)
@given(drawn=st.lists(attacks, min_size=3, max_size=12), turn=st.integers(0, 19))
def test_drawn_values_to_every_pv(attacker: Attacker, watch: Watch, drawn: list[Attack], turn: int) -> None:
    puts = [(pv, drawn[number % len(drawn)]) for number, pv in enumerate(share(turn))]
    assert attacker.put(puts) == []
    watch.check(attacker.read)


def test_the_switch_of_commands(ca: CaClient, attacker: Attacker, watch: Watch) -> None:
    """`Control` alone: whatever is put, it is one of its states, and nobody started anything."""
    control = next(pv for pv in SCALARS if pv.name == "Control")
    assert attacker.put([(control, attack) for attack in NASTY]) == []
    watch.check(attacker.read)
    ca.put("Control", "Disabled")


def test_texts_of_16_mb(ca: CaClient, attacker: Attacker, watch: Watch, gateway: GatewayProcess) -> None:
    """They end the circuit before they are in memory; what fits into a message is refused by its length."""
    process, before_bytes = psutil.Process(gateway.process.pid), 0
    for _ in range(2):
        # Python keeps what the first round needed for the next.
        before_bytes = process.memory_info().rss
        for pv in (pv for pv in SCALARS if pv.name in ("MD:JSON", "WF1:Args", "Message", "PollPeriod")):
            closed = attacker.closed
            assert attacker.put([(pv, text(b"x" * 2**24))]) == [] and attacker.closed == closed + 1
            assert attacker.put([(pv, text(b"y" * 2**21))]) == []
    watch.check(attacker.read)
    assert process.memory_info().rss - before_bytes < MEMORY_BYTES


LIBCA_PUTS: tuple[tuple[Any, str], ...] = (
    ([1.5] * 1000, "DOUBLE"),
    (["a", "b"], "STRING"),
    ("é" * 39, "STRING"),
    (float("nan"), "DOUBLE"),
    (2**15 - 1, "INT"),
    (-1, "LONG"),
    (200, "ENUM"),
    ([0] * 100, "CHAR"),
)


def test_odd_types_by_libca(ca: CaClient, attacker: Attacker, watch: Watch) -> None:
    import epics

    for name in ("PollPeriod", "WF2:IfRunning", "DAQ2:Expect", "WF3:RequestID", "WF3:Args", "WF3:Run", "Heartbeat"):
        chid = ca.pv(name).chid
        for value, kind in LIBCA_PUTS:
            with contextlib.suppress(
                ValueError, TypeError, epics.ca.ChannelAccessException, epics.ca.CASeverityException
            ):
                epics.ca.put(chid, value, wait=True, timeout=30, ftype=getattr(epics.dbr, kind))
    watch.check(attacker.read)


def test_odd_types_by_caproto(ca: CaClient, attacker: Attacker, watch: Watch) -> None:
    """Its synchronous client, which sends whatever type and count it is told; a fresh circuit for each."""
    code = CAPROTO.format(prefix=ca.prefix)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0 and ended.stdout.strip() == "14 errors", ended.stderr
    watch.check(attacker.read)


CAPROTO = """
import caproto
from caproto.sync.client import write
errors = 0
for name in ("PollPeriod", "WF2:IfRunning", "DAQ2:Expect", "WF3:RequestID", "WF3:Run", "Heartbeat", "State"):
    for data, data_type in (([1.0, 2.0, 3.0], caproto.ChannelType.DOUBLE), ([b"a", b"b"], caproto.ChannelType.STRING)):
        answer = write("{prefix}" + name, data, data_type=data_type, notify=True, repeater=False, timeout=30)
        errors += not answer.status.success
print(errors, "errors")
"""
