"""The socket of ``dmioc web``: PVWS' messages, refusals, limits; by clients that are no browsers."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import psutil
import pytest
from gateway_process import CaClient, GatewayProcess
from pva_client import PvaContext
from web_process import PvwsClient, WebProcess, pvws

from dmioc.catalogue import station_catalogue
from dmioc.cli import main

SCALARS = [pv.name for pv in station_catalogue() if pv.kind.is_scalar]
TABLES = [pv.name for pv in station_catalogue() if pv.kind.value == "table"]
SEVERITIES = ["NONE", "MINOR", "MAJOR", "INVALID"]


def time_and_severity(value: Any) -> tuple[str, int, int]:
    stamp = value["timeStamp"]
    return SEVERITIES[value["alarm.severity"]], stamp["secondsPastEpoch"], stamp["nanoseconds"]


def content(value: Any) -> object:
    """What another client read, as PVWS writes it: texts in ``text``, all else in ``value``."""
    if value.getID().startswith("epics:nt/NTEnum"):
        return value["value.index"], value["value.choices"][value["value.index"]]
    plain = value["value"]
    return list(plain) if isinstance(plain, list) else plain


def sent(value: dict[str, Any]) -> object:
    """The same of a merged update."""
    if value["vtype"] == "VEnum":
        return value["value"], value["text"]
    return value["text"] if value["vtype"] == "VString" else value["value"]


def has_shown(client: PvwsClient, name: str, read: Any) -> bool:
    """Whether the socket has told this very value, with its time and severity."""
    wanted = content(read), *time_and_severity(read)
    values = (value for value in client.history[name] if value["connected"])
    return any((sent(value), value["severity"], value["seconds"], value["nanos"]) == wanted for value in values)


def test_every_scalar_is_as_another_client_reads_it(
    gateway: GatewayProcess, ca: CaClient, web: WebProcess, pva: PvaContext
) -> None:
    ca.puts("WF1:", Name="example-01", FilePath="/etc/hostname", Args='{"note": "h\\u00e9llo"}')
    assert ca.command("WF1:Run")[0] == "OK"
    names = [gateway.prefix + name for name in SCALARS]

    async def talk() -> None:
        async with pvws(web) as client:
            await client.send(type="subscribe", pvs=names)
            for name in names:
                await client.value(name)
            missed = set(names)
            for _ in range(10):  # an update may be skipped for a newer one: then a later look finds equal values
                read = dict(zip(names, await asyncio.to_thread(pva.get, names), strict=True))
                with suppress(TimeoutError):
                    async with asyncio.timeout(3):
                        while missed := {name for name in missed if not has_shown(client, name, read[name])}:
                            await client.next()
                if not missed:
                    break
            assert not missed
        first = client.values[f"{gateway.prefix}PollPeriod"]
        assert (first["units"], first["precision"], first["min"], first["max"], first["readonly"]) == (
            "s",
            1,
            0.05,
            60.0,
            True,
        )
        assert client.values[f"{gateway.prefix}State"]["labels"] == [
            "Starting",
            "Connected",
            "Degraded",
            "Disconnected",
        ]

    asyncio.run(talk())


def test_tables_are_columns_and_later_only_those_that_changed(
    gateway: GatewayProcess, ca: CaClient, web: WebProcess, pva: PvaContext
) -> None:
    ca.puts("WF2:", Name="example-01", FilePath="/etc/hostname")

    async def talk() -> None:
        async with pvws(web) as client:
            await client.send(type="subscribe", pvs=[gateway.prefix + name for name in TABLES])
            for name in TABLES:
                value = await client.value(gateway.prefix + name)
                read = pva.get(gateway.prefix + name)
                assert value["columns"] == {
                    column: [cell.item() if hasattr(cell, "item") else cell for cell in read[f"value.{column}"]]
                    for column in read["value"].keys()
                }, name
            before = len(client.values[f"{gateway.prefix}JOB:List"]["columns"]["id"])
            await asyncio.to_thread(ca.command, "WF2:Run")
            jobs = f"{gateway.prefix}JOB:List"
            messages: list[dict[str, Any]] = []
            while not messages or "Done" not in messages[-1]["columns"].get("status", [""])[:1]:
                messages.append(await client.until(lambda message: message["pv"] == jobs and "columns" in message))
            assert len(messages[0]["columns"]["id"]) == before + 1
            assert "id" not in messages[-1]["columns"], "a column that did not change is not sent again"

    asyncio.run(talk())


def test_the_other_messages_of_pvws(gateway: GatewayProcess, web: WebProcess) -> None:
    state, heartbeat = f"{gateway.prefix}State", f"pva://{gateway.prefix}Heartbeat"

    async def talk() -> None:
        async with pvws(web) as client:
            await client.send(type="echo", body="any")
            assert await client.next() == {"type": "echo", "body": "any"}
            await client.send(type="monitor", pvs=[state, heartbeat, state])
            beats = [
                (await client.until(lambda message: "value" in message and message["pv"] == heartbeat)) for _ in "12"
            ]
            assert "readonly" in beats[0] and "vtype" not in beats[1], "metadata come once"
            await client.send(type="list")
            listed = await client.until(lambda message: message["type"] == "list")
            assert listed["pvs"] == [state, heartbeat]
            await client.send(type="clear", pvs=[heartbeat, "never subscribed"])
            await client.send(type="list")
            assert (await client.until(lambda message: message["type"] == "list"))["pvs"] == [state]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(web.socket_url, autoping=False) as socket,
        ):
            await socket.send_str('{"type": "ping"}')
            assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.PING

    asyncio.run(talk())


def test_a_write_is_refused_with_a_reason(gateway: GatewayProcess, ca: CaClient, web: WebProcess) -> None:
    before = ca.get("CmdCount")

    async def talk() -> None:
        async with pvws(web) as client:
            for pv, value in ((f"{gateway.prefix}Refresh", 1), (f"{gateway.prefix}EXP:Name", "other")):
                await client.send(type="write", pv=pv, value=value)
                text = await client.error()
                assert pv in text and "read-only" in text, text

    asyncio.run(talk())
    assert (ca.get("CmdCount"), ca.get("EXP:Name")) == (before, "demo")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one JSON object"),
        ("{", "one JSON object"),
        ("[1, 2]", "one JSON object"),
        ("[" * 100_000, "one JSON object"),
        ("{}", "type is one of subscribe"),
        ('{"type": 7}', "not 7"),
        ('{"type": "nonsense"}', "'nonsense'"),
        ('{"type": "subscribe"}', "pvs is a list"),
        ('{"type": "subscribe", "pvs": "one"}', "pvs is a list"),
        ('{"type": "subscribe", "pvs": [1]}', "names of PVs, not 1"),
        ('{"type": "subscribe", "pvs": ["S:OTHER"]}', "'S:OTHER' is not shown here"),
        ('{"type": "subscribe", "pvs": ["$(P)DAQ1:NoSuch"]}', "is no PV of station"),
        ('{"type": "subscribe", "pvs": ["$(P)Status"]}', "is a structure"),
        ('{"type": "subscribe", "pvs": ["$(P)RPC"]}', "is a rpc"),
    ],
)
def test_a_bad_message_is_answered_and_disturbs_nobody(
    gateway: GatewayProcess, web: WebProcess, text: str, words: str
) -> None:
    heartbeat = f"{gateway.prefix}Heartbeat"

    async def talk() -> None:
        async with pvws(web) as bad, pvws(web) as good:
            for client in (bad, good):
                await client.send(type="subscribe", pvs=[heartbeat])
            await bad.socket.send_str(text.replace("$(P)", gateway.prefix))
            assert words in await bad.error()
            for client in (bad, good):
                await client.value(heartbeat)

    asyncio.run(talk())


def test_bytes_and_endless_messages(gateway: GatewayProcess, web: WebProcess) -> None:
    async def talk() -> None:
        async with pvws(web) as client:
            await client.socket.send_bytes(b"\0\1")
            assert "not bytes" in await client.error()
            await client.socket.send_str("x" * 1_000_000)
            closed = await client.socket.receive(timeout=30)
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
        async with pvws(web) as client:
            await client.send(type="subscribe", pvs=[f"{gateway.prefix}State"])
            await client.value(f"{gateway.prefix}State")

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://rebound.example:80", "Host": "rebound.example:80"}, 403),
        ({"Origin": "http://localhost:5", "Host": "localhost:5"}, 101),
        ({}, 101),
    ],
)
def test_sockets_of_foreign_pages_are_refused(web: WebProcess, headers: dict[str, str], status: int) -> None:
    async def talk() -> int:
        try:
            async with pvws(web, **headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    assert asyncio.run(talk()) == status


def test_the_files_and_their_headers(web: WebProcess) -> None:
    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            for path, kind in (("", "text/html"), ("main.js", "text/javascript"), ("page.css", "text/css")):
                async with session.get(web.url + path) as answer:
                    assert (answer.status, answer.content_type) == (200, kind)
                    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
            for path in ("nothing.html", "../server.py", "..%2fserver.py", "page/../../server.py"):
                async with session.get(web.url + path) as answer:
                    assert answer.status == 404
                    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            async with session.post(web.url) as answer:
                assert answer.status == 405
            async with session.get(web.url, headers={"Host": "rebound.example"}) as answer:
                assert answer.status == 403 and "rebound.example" in await answer.text()

    asyncio.run(talk())


def test_many_sockets_with_many_pvs_are_bounded(gateway: GatewayProcess, ca: CaClient, web: WebProcess) -> None:
    names = [gateway.prefix + name for name in (*SCALARS, *TABLES)]
    process = psutil.Process(web.process.pid)

    async def client_of_all(client: PvwsClient) -> None:
        await client.send(type="subscribe", pvs=names)
        await client.value(names[-1])

    async def talk() -> None:
        async with pvws(web) as first:
            await client_of_all(first)
            before = process.memory_info().rss, process.num_threads()
            async with AsyncExitStack() as several:
                clients = [await several.enter_async_context(pvws(web)) for _ in range(20)]
                await asyncio.gather(*map(client_of_all, clients))
                added = process.memory_info().rss - before[0]
                assert added < 30e6, f"{added / 1e6:.0f} MB more for 20 browsers of {len(names)} PVs"
                assert process.num_threads() == before[1]
                await asyncio.to_thread(ca.put, "WF1:FilePath", "/seen/by/all")
                pv = f"{gateway.prefix}WF1:FilePath"
                for client in (first, *clients):
                    await client.value(pv, lambda value: value.get("text") == "/seen/by/all")

    asyncio.run(talk())
    assert ca.get("PVAClients") <= 3, "however many browsers, one client of the gateway"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["BAD PREFIX:"], 2, "letters, digits"),
        (["A:", "A:"], 2, "A: is given twice"),
        (["A:", "--port", "70000"], 2, "port 70000"),
        (["A:", "--host", "192.0.2.1"], 2, "192.0.2.1 cannot be listened at"),
        (["A:", "--origin", "beam.example"], 2, "'beam.example'"),
        (["A:", "--port", "$PORT"], 3, "is taken"),
    ],
)
def test_bad_arguments_are_one_line(
    web: WebProcess, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    port = web.url.rstrip("/").rpartition(":")[2]
    assert main(["web", *(port if argument == "$PORT" else argument for argument in arguments)]) == code
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.count("\n") == 1


def test_the_line_tells_where(gateway: GatewayProcess, web: WebProcess) -> None:
    assert web.line.startswith(f"dmioc web shows {gateway.prefix} at http://127.0.0.1:")
    assert "read-only" in web.line
    assert json.dumps(web.lines).count("http://") == 1
