"""Storms of connections, floods, clients that stand still, and clients that vanish: the others do not notice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from epics_environment import LOOPBACK, epics_ports
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess, timed
from hostile_ca import Attacker
from hostile_watch import SCALARS, Watch
from raw_ca_client import RawClient
from raw_pva_client import PUT, RawPvaClient
from waiting import wait_until

MEMORY_BYTES = 10_000_000
GET_P99_S = 0.2
AT_ONCE = 500
IDLE = 300
FEW = 20
HEADER = ">HHHHII"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a socket that is closed sends RST."""


@pytest.fixture(scope="module")
def pva_address(gateway: GatewayProcess) -> str:
    return gateway.lines[0].partition("PVAccess at ")[2].split()[0].rstrip(",")


@pytest.fixture(scope="module", autouse=True)
def warm(address: str, pva_address: str, watch: Watch) -> None:
    """The first connections make the process take memory that it keeps for the next: 20 MB, measured; no more come after."""
    for where in (address, address, address, pva_address):
        with sockets(where, AT_ONCE):
            pass


@pytest.fixture(autouse=True)
def in_peace(gateway: GatewayProcess, watch: Watch, attacker: Attacker) -> Iterator[None]:
    """After each test the memory is back, and the clients that watch missed nothing."""
    before_bytes = rss_bytes(gateway)
    yield
    watch.check(attacker.read)
    wait_until(lambda: rss_bytes(gateway) - before_bytes < MEMORY_BYTES, what="the memory is as before")


def rss_bytes(gateway: GatewayProcess) -> int:
    return int(psutil.Process(gateway.process.pid).memory_info().rss)


def gets_take_s(attacker: Attacker, meanwhile: Callable[[int], object]) -> float:
    """What 99 of 100 gets took at most, while something else goes on."""
    took_s: list[float] = []
    for turn in range(200):
        meanwhile(turn)
        took_s.append(timed(lambda: attacker.read(SCALARS[:1])))
    return sorted(took_s)[197]


@contextmanager
def sockets(address: str, count: int) -> Iterator[list[socket.socket]]:
    host, port = address.split(":")
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(socket.create_connection((host, int(port)), timeout=30))
        yield made
    finally:
        for one in made:
            one.close()


def test_storms_and_idle_connections(
    gateway: GatewayProcess, address: str, pva_address: str, attacker: Attacker, ca: CaClient
) -> None:
    ca.wait_for("CAClients", lambda count: count < FEW)
    files = psutil.Process(gateway.process.pid).num_fds()
    before_bytes = rss_bytes(gateway)
    with sockets(address, IDLE), sockets(pva_address, IDLE):
        ca.wait_for("CAClients", lambda count: count > IDLE)
        assert gets_take_s(attacker, lambda _: None) < GET_P99_S
        assert rss_bytes(gateway) - before_bytes < 3 * MEMORY_BYTES
    for where in (address, pva_address):

        def connect(_: int, where: str = where) -> None:
            with sockets(where, AT_ONCE // 200):
                pass

        assert gets_take_s(attacker, connect) < GET_P99_S
    wait_until(lambda: psutil.Process(gateway.process.pid).num_fds() <= files + 5, what="the sockets are closed")
    ca.wait_for("CAClients", lambda count: count < FEW)


def test_half_messages_of_channel_access(
    address: str, attacker: Attacker, gateway: GatewayProcess, ca: CaClient
) -> None:
    """And silence; headers that announce a gigabyte; channels, versions and counts that cannot be."""
    opened = [RawClient(address) for _ in range(20)]
    name = f"{ca.prefix}WF1:Args"
    wrong = (
        struct.pack(HEADER, 4, 5000, 4, 5000, 1, 1) + b"half",
        struct.pack(HEADER, 19, 0xFFFF, 4, 0, 1, 1)[:11],
        struct.pack(HEADER + "II", 19, 0xFFFF, 4, 0, 1, 1, 2**30, 2**30),
        struct.pack(HEADER, 0, 0, 0, 99, 0, 0),
        struct.pack(HEADER, 1, 16, 34, 1, 4711, 1) + bytes(16),
        struct.pack(HEADER, 15, 0, 39, 65535, 1, 1),
        struct.pack(HEADER, 18, 8, 0, 0, 1, 13) + b"\xff" * 8,
    )
    try:
        for client, message in zip(opened, wrong, strict=False):
            client.open(name)
            client.sock.sendall(message)
        assert gets_take_s(attacker, lambda _: None) < GET_P99_S
    finally:
        for client in opened:
            client.close()


def test_floods_of_datagrams(attacker: Attacker, ca: CaClient) -> None:
    """Searches for our PVs and for others, and noise, to both ports that searches go to."""
    noise = random.Random(11)
    name = f"{ca.prefix}Heartbeat".encode().ljust(24, b"\0")
    search = struct.pack(HEADER, 0, 0, 1, 13, 1, 0) + struct.pack(HEADER, 6, 24, 5, 13, 1, 1) + name
    datagrams = (search, search[:30], noise.randbytes(1000), search.replace(b"Heart", b"Nobod"), b"\xca\x02\0\x03" * 50)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

        def flood(_: int) -> None:
            for datagram in datagrams * 5:
                for port in (epics_ports().ca_server, epics_ports().pva_broadcast):
                    sock.sendto(datagram, (LOOPBACK, port))

        assert gets_take_s(attacker, flood) < GET_P99_S


STALLING = """
import sys
if sys.argv[1] == "ca":
    import epics
    pvs = [epics.PV(name, auto_monitor=True) for name in sys.argv[2:]]
    assert all(pv.wait_for_connection(timeout=60) for pv in pvs)
else:
    from pva_client import PvaContext
    context, seen = PvaContext(), set()
    subs = [context.monitor(name, lambda _, name=name: seen.add(name)) for name in sys.argv[2:]]
    import time
    deadline = time.monotonic() + 20
    while len(seen) < len(subs):
        assert time.monotonic() < deadline
        time.sleep(0.01)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_a_client_that_stands_still_with_many_monitors(
    gateway: GatewayProcess, attacker: Attacker, watch: Watch, ca: CaClient, protocol: str
) -> None:
    names = [ca.prefix + pv.name for pv in SCALARS]
    before_bytes = rss_bytes(gateway)
    with client_process(STALLING, protocol, *names) as stalled:
        stalled.send_signal(signal.SIGSTOP)

        def change(turn: int) -> None:
            ca.put(f"WF{turn % 4 + 1}:Args", f"{turn:04d}" * 4000)

        try:
            assert gets_take_s(attacker, change) < GET_P99_S
            ca.put("WF1:Args", "the end")
            watch.check(attacker.read)
            if protocol == "ca":
                assert rss_bytes(gateway) - before_bytes < MEMORY_BYTES
        finally:
            stalled.kill()  # as it stands
    for slot in range(1, 5):
        ca.put(f"WF{slot}:Args", "")


@contextmanager
def client_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A client that has said ``ready``."""
    command = [sys.executable, "-c", code, *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


VANISHING = """
import sys, threading
prefix = sys.argv[2]
if sys.argv[1] == "ca":
    import epics
    pv = epics.PV(prefix + "WF2:Wait")
    assert pv.wait_for_connection(timeout=60)
    pv.put(1, wait=False, use_complete=True)
    epics.ca.poll(evt=0.2)
else:
    from p4p.client.thread import Context
    from p4p.nt import NTURI
    context = Context("pva", nt=False)
    context.get(prefix + "State", timeout=30)
    threading.Thread(target=lambda: context.put(prefix + "WF2:Wait", {"value.index": 1}, request="record[block=true]",
                                                timeout=60, get=False), daemon=True).start()
    uri = NTURI([("method", "s"), ("status", "s")])
    query = uri.wrap(prefix + "RPC", kws={"method": "jobs", "status": ""})
    for _ in range(50):
        threading.Thread(target=lambda: context.rpc(prefix + "RPC", query, timeout=60), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def job(ca: CaClient, gateway: GatewayProcess) -> Iterator[None]:
    """A job that runs in ``WF2:`` until the end."""
    stages = {"01": {"command": "/bin/sleep 300"}}
    GatewayDm(gateway).upsert_workflow({"name": "long", "owner": "dmioc", "stages": stages})
    ca.puts("WF2:", Name="long", FilePath="/dev/null", Args="", WaitTimeout=120)
    assert ca.command("WF2:Start")[0] == "OK"
    yield
    ca.command("WF2:Abort")


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_a_client_killed_in_the_middle_of_a_command(
    gateway: GatewayProcess, attacker: Attacker, ca: CaClient, job: None, protocol: str
) -> None:
    """What it began goes on, and others see it; nobody is owed an answer any more."""
    with client_process(VANISHING, protocol, ca.prefix) as vanishing:
        ca.wait_for("WF2:Wait", "Busy")
        vanishing.kill()
        assert gets_take_s(attacker, lambda _: None) < GET_P99_S
    assert ca.get("WF2:Wait") == "Busy" and ca.get("WF2:Status") == "Running"
    ca.put("WF2:Abort", 1)
    ca.wait_for("WF2:Wait", "Idle")
    assert ca.command("WF2:Start")[0] == "OK"


def test_connections_reset_in_the_middle_of_puts(
    address: str, pva_address: str, attacker: Attacker, ca: CaClient
) -> None:
    def reset(turn: int) -> None:
        if turn % 4:
            return
        client = RawClient(address)
        sid = client.open(f"{ca.prefix}WF1:Args").parameter2
        client.put(sid, 4, 4000, b"x" * 4000, ioid=turn)
        _reset(client.sock)
        other = RawPvaClient(pva_address)
        channel = other.open(f"{ca.prefix}WF1:Args")
        operation = other.begin(PUT, channel)
        other.send(PUT, struct.pack("<IIB", channel, operation, 0) + b"\x01\x02\x03abc")
        _reset(other.sock)

    assert gets_take_s(attacker, reset) < GET_P99_S
    ca.put("WF1:Args", "")


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()
