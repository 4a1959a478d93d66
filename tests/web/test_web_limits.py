"""Limits of ``dmioc web``, made small: its server in the test's own loop, a real gateway behind it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from gateway_process import GatewayProcess
from waiting import wait_until
from web_parts import serving
from web_process import PvwsClient

from dmioc.web import browser, server

LARGE = "x" * 400_000


def test_one_subscription_for_each_pv(gateway: GatewayProcess) -> None:
    names = [f"{gateway.prefix}{name}" for name in ("Heartbeat", "Station", "JOB:List")]

    async def main() -> None:
        async with serving(gateway.prefix) as parts:
            clients = [await parts.client() for _ in range(3)]
            for client in clients:
                await client.send(type="subscribe", pvs=names)
                for name in names:
                    await client.value(name)
            assert len(parts.channels) == len(names) + 1, "the station's State is always looked at"
            for client in clients[:2]:
                await client.socket.close()
            await clients[2].send(type="clear", pvs=names[:2])
            await clients[2].send(type="list")
            await clients[2].until(lambda message: message["type"] == "list")
            assert len(parts.channels) == 2, "what nobody looks at is let go"

    asyncio.run(main())


def test_a_browser_that_takes_nothing_is_dropped(
    gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(browser, "STALLED_S", 0.5)
    heartbeat = f"{gateway.prefix}Heartbeat"

    async def main() -> None:
        async with serving(gateway.prefix) as parts:
            stalled, well = await parts.client(), await parts.client()
            for client in (stalled, well):
                await client.send(type="subscribe", pvs=[heartbeat])
            sending = asyncio.create_task(_send_for_ever(stalled))
            beats = [await well.until(lambda message: "value" in message) for _ in "123"]
            assert beats[0]["value"] < beats[2]["value"], "others go on"
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(10):
                    await sending

    asyncio.run(main())
    wait_until(lambda: "takes nothing" in caplog.text)


async def _send_for_ever(client: PvwsClient) -> None:
    """Ask for large answers and read none."""
    while True:
        await client.send(type="echo", body=LARGE)


def test_too_many_pvs_and_too_many_browsers(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "MOST_PVS", 2)
    monkeypatch.setattr(server, "MOST_BROWSERS", 1)
    names = [f"{gateway.prefix}{name}" for name in ("Heartbeat", "Station", "State")]

    async def main() -> None:
        async with serving(gateway.prefix) as parts:
            client = await parts.client()
            await client.send(type="subscribe", pvs=names)
            assert "one page may have 2 PVs" in await client.error()
            await client.send(type="clear", pvs=names[:1])
            await client.send(type="subscribe", pvs=names[2:])
            await client.value(names[2])
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await parts.client()
            assert refused.value.status == 503

    asyncio.run(main())


def test_the_pages_of_an_origin_that_is_named_may_connect(gateway: GatewayProcess) -> None:
    async def main() -> None:
        async with serving(gateway.prefix, "https://beam.example") as parts:
            for host in ("beam.example", "127.0.0.1"):
                client = await parts.client(Origin="https://beam.example", Host=host)
                await client.send(type="echo")
                await client.next()
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await parts.client(Origin="https://other.example")

    asyncio.run(main())
