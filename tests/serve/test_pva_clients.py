"""PVAccess clients that nobody here wrote: p4p's asyncio flavour and command line, pvapy on libraries of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from epics_environment import client_environment
from p4p.client.asyncio import Context as AsyncContext
from p4p.client.thread import Context, RemoteError
from pva_client import PvaContext, watched
from pva_process import STAGES, PvaProcess
from waiting import wait_until

PVAPY = """
import json, os, sys
import pvaccess

prefix = sys.argv[1]
answers = {}
job = pvaccess.Channel(prefix + "WF1:Job")
answers["job"] = job.get("").toDict()
table = pvaccess.Channel(prefix + "WF1:Stages").get("").toDict()
answers["stage"] = list(table["value"]["stage"])
period = pvaccess.Channel(prefix + "PollPeriod")
period.put(3.25)
answers["period"] = period.get("").toDict()
mode = pvaccess.Channel(prefix + "WF1:IfRunning")
mode.put(2)
answers["mode"] = mode.get("").toDict()["value"]["index"]
text = pvaccess.Channel(prefix + "WF1:FilePath")
text.put("/data/é")
answers["text"] = text.get("").toDict()["value"]
try:
    period.put(99.0)
except pvaccess.PvaException as error:
    answers["refused"] = str(error)
report = pvaccess.Channel(prefix + "TST1:Report")
report.put(pvaccess.PvObject({"session": pvaccess.STRING, "seq": pvaccess.LONG}, {"session": "s9", "seq": 4}))
answers["report"] = report.get("").toDict()
question = pvaccess.PvObject(
    {"method": pvaccess.STRING, "id": pvaccess.STRING}, {"method": "job", "id": "7"}
)
answers["rpc"] = pvaccess.RpcClient(prefix + "RPC").invoke(question).toDict()["size"]
print(json.dumps(answers, default=str))
# Its threads end badly when the interpreter does.
sys.stdout.flush()
os._exit(0)
"""

STALLED = """
import sys
from p4p.client.thread import Context

seen = []
context = Context("pva", nt=False)
held = [context.monitor(sys.argv[1] + name, seen.append) for name in sys.argv[2:]]
while len(seen) < len(held):
    pass
print("watching", flush=True)
sys.stdin.read()
"""


def run(*arguments: str, timeout_s: float = 20) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env=os.environ | client_environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_pvapy_reads_writes_and_asks(pva: PvaProcess, context: PvaContext) -> None:
    pytest.importorskip("importlib.metadata").version("pvapy")
    pva.ask("commit", scalars={"WF1:JobID": ["j-7", 1.7e9]}, tables={"WF1:Stages": STAGES})
    answers: dict[str, Any] = json.loads(run("-c", PVAPY, pva.prefix))
    assert answers["job"]["id"] == "j-7"
    assert answers["stage"] == STAGES["stage"]
    assert answers["period"]["value"] == 3.25
    assert answers["period"]["display"]["units"] == "s"
    assert answers["mode"] == 2
    assert answers["text"] == "/data/é"
    assert "PollPeriod takes 0.05 to 60 s, not 99.0" in answers["refused"]
    assert (answers["report"]["session"], answers["report"]["seq"]) == ("s9", 4)
    assert answers["rpc"] == 2**40


def test_the_command_line_reads_and_asks(pva: PvaProcess) -> None:
    cli = ("-m", "p4p.client.cli")
    read = run(*cli, "get", pva.prefix + "WF2:Status", pva.prefix + "WF2:Percent")
    assert f"{pva.prefix}WF2:Status" in read and "Idle" in read
    assert "('size', 1099511627776)" in run(*cli, "rpc", pva.prefix + "RPC", "method=job", "id=7")


def test_asyncio_clients_get_put_and_watch(pva: PvaProcess) -> None:
    async def main() -> None:
        with AsyncContext("pva") as client:
            seen: asyncio.Queue[Any] = asyncio.Queue()
            watching = client.monitor(pva.prefix + "LostAfter", seen.put)
            await asyncio.wait_for(seen.get(), 10)
            await client.put(pva.prefix + "LostAfter", 77.0, wait=True)
            update = await asyncio.wait_for(seen.get(), 10)
            assert update == 77.0
            assert update.timestamp > 1_600_000_000
            assert await client.get(pva.prefix + "LostAfter") == 77.0
            with pytest.raises(RemoteError, match="read-only"):
                await client.put(pva.prefix + "WF1:Percent", 1.0)
            watching.close()
            await watching.wait_closed()

    asyncio.run(main())


def test_connected_clients_are_counted(pva: PvaProcess, context: PvaContext) -> None:
    context.get(pva.prefix + "State")
    before = pva.ask("figures")["clients"]
    assert before >= 1
    more = [Context("pva") for _ in range(3)]
    for client in more:
        client.get([pva.prefix + "State", pva.prefix + "Host"])
    assert pva.ask("figures")["clients"] == before + 3
    for client in more:
        client.close()
    wait_until(lambda: pva.ask("figures")["clients"] == before)


def test_a_client_that_stands_still_delays_nobody(pva: PvaProcess, context: PvaContext, tmp_path: Path) -> None:
    names = [f"WF{slot}:{text}" for slot in range(1, 5) for text in ("StdOut", "StdErr", "Report")]
    # Found before: a client listens at the UDP port of searches too, and one that is stopped swallows those sent to this host.
    context.get([pva.prefix + "WF4:Report", pva.prefix + "WF1:FilePath"])
    stalled = subprocess.Popen(
        [sys.executable, "-c", STALLED, pva.prefix, *names],
        env=os.environ | client_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert stalled.stdin is not None and stalled.stdout is not None
    assert stalled.stdout.readline() == "watching\n"
    stalled.send_signal(signal.SIGSTOP)
    try:
        before = pva.ask("figures")
        with watched(context, pva.prefix + "WF4:Report") as updates:
            pva.ask("flood", names=names, times=1000)
            updates.until(lambda update: update["value"].startswith("999 "))
            began_s = time.monotonic()
            context.put(pva.prefix + "WF1:FilePath", "/still/answered")
            assert time.monotonic() - began_s < 2
        assert pva.ask("figures")["rss_bytes"] - before["rss_bytes"] < 60e6
    finally:
        stalled.send_signal(signal.SIGCONT)
        stalled.stdin.close()
        stalled.wait(10)
        stalled.stdout.close()


def test_puts_and_counts_of_clients_at_the_same_time_do_not_stop_the_server(
    pva: PvaProcess, context: PvaContext
) -> None:
    """p4p's own ``Server.tostr`` stood still for ever here."""
    names = [pva.prefix + name for name in ("LostAfter", "PollPeriod", "NoFilesAfter", "WF1:ReportPeriod")]
    for number in range(1, 15):
        results = context.put(names, [float(number)] * len(names), throw=False)
        assert results == [None] * len(names)
        assert pva.ask("figures")["clients"] >= 1
