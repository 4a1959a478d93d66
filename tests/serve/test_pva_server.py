"""Where PVAccess is served, what happens when it cannot be, and what clients see of a restart."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from epics_environment import free_port, is_free
from p4p.client.thread import Context, Disconnected
from pva_client import PvaContext, watched
from pva_driver import TablesEngine
from pva_process import PvaProcess
from waiting import wait_until

from dmioc.config import load_settings
from dmioc.errors import ConfigurationError
from dmioc.serve.pva import PvaServer, PvaSettings
from dmioc.serve.pva.clients import connections


def start(settings: PvaSettings) -> tuple[tuple[str, ...], bool, int]:
    """Addresses while it serves, whether it gives its own Heartbeat to a client, and the clients it counts."""

    async def main() -> tuple[tuple[str, ...], bool, int]:
        server = PvaServer(TablesEngine(), "HERE:", settings)
        await server.start()
        addresses = server.addresses

        def ask() -> tuple[bool, int]:
            conf = {"EPICS_PVA_ADDR_LIST": "", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
            conf["EPICS_PVA_NAME_SERVERS"] = addresses[0]
            with Context("pva", conf=conf, useenv=False) as client:
                return client.get("HERE:Heartbeat", timeout=30) == 0, server.clients

        answered, clients = await asyncio.to_thread(ask)
        await server.stop()
        await server.stop()
        assert server.addresses == () and server.clients == 0
        return addresses, answered, clients

    return asyncio.run(main())


def test_it_serves_at_the_port_that_is_set_and_gives_it_back() -> None:
    port = free_port()
    settings = PvaSettings(port=port, broadcast_port=free_port())
    assert start(settings) == ((f"127.0.0.1:{port}",), True, 1)
    assert is_free(port)
    assert start(settings) == ((f"127.0.0.1:{port}",), True, 1)


def test_a_port_that_is_set_and_taken_is_named_and_nothing_is_left_running() -> None:
    broadcast_port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: it is taken"):
            start(PvaSettings(port=port, broadcast_port=broadcast_port))
    assert is_free(broadcast_port)


def test_without_a_port_set_one_that_is_taken_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("EPICS_PVAS_SERVER_PORT", str(port))
        (address,), answered, _ = start(PvaSettings(broadcast_port=free_port()))
    assert answered and address != f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("interfaces", "reason"),
    [
        ((), "no interface to listen on; 127.0.0.1 would be one"),
        (("300.0.0.1",), "PVAccess cannot be served on 300.0.0.1"),
        (("192.0.2.77",), "PVAccess cannot be served on 192.0.2.77"),
    ],
)
def test_an_interface_that_is_none_is_named(interfaces: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        start(PvaSettings(interfaces=interfaces, broadcast_port=free_port()))


def test_the_environment_does_not_open_it_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_PVAS_INTF_ADDR_LIST", "0.0.0.0")
    monkeypatch.setenv("EPICS_PVAS_AUTO_BEACON_ADDR_LIST", "YES")
    monkeypatch.setenv("EPICS_PVAS_SERVER_PORT", str(port := free_port()))
    assert PvaSettings().configuration()["EPICS_PVAS_AUTO_BEACON_ADDR_LIST"] == "NO"
    assert start(PvaSettings(broadcast_port=free_port()))[0] == (f"127.0.0.1:{port}",)


def test_beacons_go_where_they_are_told_or_to_the_broadcast_addresses() -> None:
    told = PvaSettings(beacon_addresses=("10.0.0.255", "10.1.0.255:5999")).configuration()
    assert told["EPICS_PVAS_BEACON_ADDR_LIST"] == "10.0.0.255 10.1.0.255:5999"
    assert PvaSettings(beacon_addresses=()).configuration()["EPICS_PVAS_AUTO_BEACON_ADDR_LIST"] == "YES"


def test_a_port_in_the_environment_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_PVAS_BROADCAST_PORT", "pva")
    with pytest.raises(
        ConfigurationError, match="EPICS_PVAS_BROADCAST_PORT should be a port from 0 to 65535, not 'pva'"
    ):
        PvaSettings().configuration()


def test_the_gateways_settings_take_what_epics_says_where_they_say_nothing() -> None:
    environment = {
        "EPICS_PVAS_INTF_ADDR_LIST": "10.0.0.1 10.0.0.2",
        "EPICS_CAS_INTF_ADDR_LIST": "10.0.0.3",
        "EPICS_PVAS_BEACON_ADDR_LIST": "10.0.0.255",
        "DMIOC_PVA__BEACON_ADDRESSES": "10.0.0.254",
        "DMIOC_PVA__PORT": "6075",
    }
    pva = load_settings(None, environment).pva
    assert pva.interfaces == ("10.0.0.1", "10.0.0.2")
    assert (pva.beacon_addresses, pva.port, pva.broadcast_port) == (("10.0.0.254",), 6075, 0)


def test_clients_see_the_end_and_come_back_after_a_restart(pva: PvaProcess, context: PvaContext) -> None:
    with watched(context, pva.prefix + "WF1:Stage", disconnects=True) as updates:
        pva.ask("restart")
        wait_until(lambda: [update for update in updates.all[2:] if isinstance(update, Disconnected)])
        pva.ask("commit", scalars={"WF1:Stage": ["after", 1.7e9]})
        updates.until(lambda update: update["value"] == "after")
    assert "Traceback" not in pva.log()


def test_connections_are_counted_by_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert connections(port) == 0
        with socket.create_connection(("127.0.0.1", port)), listening.accept()[0]:
            assert connections(port) == 1
    assert Path("/proc/net/tcp").exists()
