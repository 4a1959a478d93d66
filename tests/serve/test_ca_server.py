"""The server as a whole: start, stop, restart, rights, and clients that break the protocol."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from ca_driver import own_server
from ca_process import CaProcess, RawClient
from epics_environment import epics_ports
from waiting import wait_until

from dmioc.errors import ConfigurationError
from dmioc.serve.ca import CaSettings, served_already

HEADER = ">HHHHII"


@pytest.mark.parametrize(
    "wrong",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        struct.pack(HEADER, 99, 0, 0, 0, 0, 0),
        struct.pack(HEADER, 15, 0, 6, 1, 4711, 1),
        struct.pack(HEADER, 12, 0, 0, 0, 4711, 1),
        struct.pack(HEADER, 4, 8, 6, 1, 4711, 1) + bytes(8),
        struct.pack(HEADER + "II", 19, 0xFFFF, 4, 0, 1, 1, 2**31, 2**31),
        random.Random(4).randbytes(4000),
    ],
)
def test_a_malformed_message_ends_its_circuit_only(ca: CaProcess, raw: RawClient, wrong: bytes) -> None:
    bad = RawClient(ca.addresses[0])
    bad.sock.sendall(wrong)
    with pytest.raises(ConnectionError):
        bad.receive()
    bad.close()
    raw.send(23)
    assert raw.receive().command == 23


def test_malformed_datagrams_are_ignored(ca: CaProcess) -> None:
    port = epics_ports().ca_server
    prefix = ca.prefix.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for wrong in (
            prefix,
            random.Random(5).randbytes(500) + prefix,
            struct.pack(HEADER, 6, 0xFFF8, 5, 13, 1, 1) + prefix,
            b"\0" * 17,
        ):
            sock.sendto(wrong, ("127.0.0.1", port))
    assert ca.ask("is_served", name=f"{ca.prefix}Heartbeat")


def test_searches_of_many_names_are_answered_with_their_sequence_number(ca: CaProcess) -> None:
    name = f"{ca.prefix}Heartbeat".encode().ljust(24, b"\0")
    searches = b"".join(struct.pack(HEADER, 6, 24, 5, 13, number, number) + name for number in range(100))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(struct.pack(HEADER, 0, 0, 1, 13, 77, 0) + searches, ("127.0.0.1", epics_ports().ca_server))
        found: set[int] = set()
        while len(found) < 100:
            data = sock.recv(65536)
            assert len(data) <= 1400
            assert struct.unpack(HEADER, data[:16]) == (0, 0, 1, 13, 77, 0)
            found |= {struct.unpack_from(HEADER, data, at)[5] for at in range(16, len(data), 24)}
    assert found == set(range(100))


def test_a_search_over_tcp(ca: CaProcess, raw: RawClient) -> None:
    port = int(ca.addresses[0].split(":")[1])
    for name, reply, expected in (("Heartbeat", 5, (6, port, 0xFFFFFFFF, 4)), ("Nope", 10, (14, 10, 4, 4))):
        payload = f"{ca.prefix}{name}".encode().ljust(32, b"\0")
        raw.send(6, reply, 13, 4, 4, payload)
        answer = raw.receive()
        assert (answer.command, answer.data_type, answer.parameter1, answer.parameter2) == expected


def test_idle_circuits_leave_nothing_behind(ca: CaProcess) -> None:
    before = ca.settled()
    clients = [RawClient(ca.addresses[0]) for _ in range(50)]
    for client in clients:
        client.subscribe(client.open(f"{ca.prefix}Heartbeat").parameter2, 19, 1)
    assert ca.ask("figures")["clients"] == before["clients"] + 50
    for client in clients:
        client.close()
    ca.publish("Heartbeat", 1)
    after = ca.settled()
    assert after["clients"] == before["clients"]
    assert after["tasks"] == before["tasks"]


def test_rights_are_asked_for_and_pushed(ca: CaProcess, open_pv: Callable[..., Any], raw: RawClient) -> None:
    pv = open_pv("EXP:Name", auto_monitor=True)
    channel = raw.open(f"{ca.prefix}EXP:Name")
    ca.ask("lock", locked=["EXP:Name"], hidden=[])
    wait_until(lambda: not pv.write_access, what="libca hears that it may not write")
    assert pv.read_access
    ca.ask("lock", locked=[], hidden=["EXP:Name"])
    wait_until(lambda: not pv.read_access, what="libca hears that it may not read")
    assert raw.get(channel.parameter2, 4, 0).parameter1 == 368  # ECA_NORDACCESS
    ca.ask("lock", locked=[], hidden=[])
    wait_until(lambda: pv.read_access and pv.write_access, what="libca hears that it may again")


def test_clients_come_back_after_a_restart(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    pv = open_pv("Revision", auto_monitor=True)
    ca.ask("restart", off_s=0.2)
    ca.publish("Revision", 4242)
    wait_until(lambda: pv.connected and pv.get() == 4242, timeout_s=60, what="the new server's value")


def test_beacons_are_sent(ca: CaProcess) -> None:
    """To a port of our own, from a server of our own: first fast, then slower, numbered, with the TCP port."""

    async def beacons() -> list[tuple[int, ...]]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ears:
            ears.bind(("127.0.0.1", 0))
            ears.setblocking(False)
            settings = CaSettings(beacon_addresses=(f"127.0.0.1:{ears.getsockname()[1]}",))
            server = own_server(settings)
            await server.start()
            port = int(server.addresses[0].split(":")[1])
            loop = asyncio.get_running_loop()
            heard = [struct.unpack(HEADER, await asyncio.wait_for(loop.sock_recv(ears, 100), 5)) for _ in range(4)]
            await server.stop()
            assert all(beacon[3] == port for beacon in heard)
            return heard

    heard = asyncio.run(beacons())
    assert [beacon[4] for beacon in heard] == [0, 1, 2, 3]
    assert all(beacon[0] == 13 and beacon[5] == 0 for beacon in heard)


def test_a_taken_tcp_port_is_fallen_back_from_only_if_none_was_asked_for(ca: CaProcess) -> None:
    async def main() -> None:
        fallen = own_server(CaSettings())
        await fallen.start()
        assert fallen.addresses[0] != ca.addresses[0]
        await fallen.stop()
        await fallen.stop()
        fixed = own_server(CaSettings(port=epics_ports().ca_server))
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{epics_ports().ca_server} \(TCP\)"):
            await fixed.start()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (CaSettings(interfaces=("192.0.2.1",)), r"192\.0\.2\.1:\d+ \(TCP\): Cannot assign"),
        (CaSettings(beacon_addresses=("127.0.0.1:x",)), r"'127\.0\.0\.1:x' should be HOST or HOST:PORT"),
        (CaSettings(interfaces=()), "no interface"),
    ],
)
def test_what_cannot_be_listened_on_is_named(repeater: None, settings: CaSettings, message: str) -> None:
    async def main() -> None:
        server = own_server(settings)
        with pytest.raises(ConfigurationError, match=message):
            await server.start()
        assert server.clients == 0 and server.addresses == ()

    asyncio.run(main())


def test_an_environment_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "none")
    with pytest.raises(ConfigurationError, match="EPICS_CA_SERVER_PORT"):
        CaSettings().server_port()


def test_whether_a_prefix_is_served(ca: CaProcess) -> None:
    names = [f"NOBODY:{number}" for number in range(100)]

    async def main() -> tuple[str, str]:
        return (
            await served_already([*names, f"{ca.prefix}Heartbeat", f"{ca.prefix}Uptime"], CaSettings()),
            await served_already(names, CaSettings(), timeout_s=0.2),
        )

    assert asyncio.run(main()) == (f"{ca.prefix}Heartbeat", "")
