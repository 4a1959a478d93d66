"""How the gateway watches DM: how soon a change is seen, how often DM is asked, and what long lists cost the others."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dm_control import DmControl
from epics_environment import client_environment
from figures import Figure, plain, quantile
from gateway_process import CaClient, GatewayProcess
from options import Options
from servers import HERE, addresses, bench_gateway, ca_client
from waiting import wait_until

from dmioc.catalogue import station_catalogue

NAPS_S = (0.30, 0.33, 0.36, 0.39, 0.42)
"""Jobs of different lengths, so that their ends do not keep step with the polls."""
DONE = station_catalogue()["WF1:Status"].labels.index("Done")
PERIODS_S = (0.1, 0.5)
CLIENTS = (1, 10, 50)
READS_S = 0.2
PADDING = "x" * 1500
"""For a job record of 4 kB, as DM's are."""
LIST_P99_MOST = 2.0
LISTED_S = 1.0


@contextmanager
def watched(name: str) -> Iterator[list[tuple[float, int]]]:
    """What a monitor of an enum brings: how long after its time stamp it came, in s, and its index."""
    import epics

    seen: list[tuple[float, int]] = []

    def take(value: int, timestamp: float, **_: Any) -> None:
        seen.append((time.time() - timestamp, value))

    pv = epics.PV(name, auto_monitor=True, callback=take, form="time")
    try:
        wait_until(lambda: seen, what=f"first update of {name}")
        yield seen
    finally:
        pv.disconnect()


def change_to_monitor(options: Options) -> Iterator[Figure]:
    """From the end of a job, by DM's own time (the PV's time stamp), until a monitor of its status has it."""
    with bench_gateway() as gateway, ca_client(gateway) as ca:
        dm = DmControl(gateway.state / "localdm")
        for nap_s in NAPS_S:
            dm.add_workflow(f"nap-{nap_s}", f"/bin/sleep {nap_s}")
        ca.put("WF1:FilePath", "/dev/null")
        for period_s in PERIODS_S:
            ca.put("PollPeriod", period_s)
            late_s = [ended_late_s(gateway, ca, number) for number in range(options.job_runs)]
            note = f"{len(late_s)} jobs, longest {1e3 * max(late_s):.0f} ms"
            median_ms = 1e3 * statistics.median(late_s)
            yield plain("DM", f"change to monitor, PollPeriod {period_s} s", median_ms, "ms", note)


def ended_late_s(gateway: GatewayProcess, ca: CaClient, number: int) -> float:
    """Run a job; seconds from its end until a monitor knew."""
    ca.put("WF1:Name", f"nap-{NAPS_S[number % len(NAPS_S)]}")
    with watched(f"{gateway.prefix}WF1:Status") as seen:
        state, message = ca.command("WF1:Run")
        assert state == "OK", message
        wait_until(lambda: seen[-1][1] == DONE, what="Done")
        return next(late_s for late_s, value in reversed(seen) if value == DONE)


def requests(options: Options) -> Iterator[Figure]:
    """What DM is asked while a job runs, however many clients there are."""
    with bench_gateway() as gateway, ca_client(gateway) as ca:
        DmControl(gateway.state / "localdm").add_workflow("long", "/bin/sleep 600")
        ca.puts("WF1:", Name="long", FilePath="/dev/null")
        assert ca.command("WF1:Start")[0] == "OK", ca.outcome("WF1:Start")
        for count in CLIENTS:
            with readers(addresses(gateway)[0], gateway.prefix, count):
                wait_until(lambda count=count: ca.get("CAClients") > count, 20.0, what=f"{count} clients")
                before, began_s = ca.get("Requests"), time.monotonic()
                wait_until(lambda began_s=began_s: time.monotonic() - began_s > options.requests_s, 60.0)
                per_s = (ca.get("Requests") - before) / (time.monotonic() - began_s)
            yield plain("DM", f"requests with {count} clients", per_s, "/s", f"each reads 8 PVs every {READS_S} s")
        ca.command("WF1:Abort")


@contextmanager
def readers(address: str, prefix: str, count: int) -> Iterator[None]:
    """So many clients, each with a circuit of its own, in one process."""
    command = [sys.executable, str(HERE / "reading.py"), address, prefix, str(count), str(READS_S)]
    process = subprocess.Popen(command, env=os.environ | client_environment())
    try:
        yield
        assert process.poll() is None, "the clients have ended"
    finally:
        process.terminate()
        process.wait()


def lists(options: Options) -> Iterator[Figure]:
    """p99 of a CA get while DM's list of jobs is long, beside an empty DM."""
    with tempfile.TemporaryDirectory(prefix="dmioc-bench-", ignore_cleanup_errors=True) as directory:
        full, empty = Path(directory) / "full", Path(directory) / "empty"
        fill(full, options.jobs)
        times: dict[tuple[str, float], list[float]] = {}
        for _ in range(options.list_rounds):
            for name, state in (("empty", empty), ("full", full)):
                for period_s, seconds in get_times(state, options, with_often=name == "full").items():
                    times.setdefault((name, period_s), []).extend(seconds)
    usual = 1e3 * quantile(times["empty", 0.0], 0.99)
    for (name, period_s), seconds in times.items():
        if name == "full":
            what = f"p99 of a get, {options.jobs} jobs listed" + (f" every {period_s} s" if period_s else "")
            yield beside_empty(what, seconds, usual, has_bar=not period_s)


def beside_empty(what: str, seconds: list[float], usual_ms: float, has_bar: bool) -> Figure:
    """The bar is for DM's lists as often as they are asked for by default."""
    p99_ms = 1e3 * quantile(seconds, 0.99)
    ratio = p99_ms / usual_ms
    bar, holds = (f"<= {LIST_P99_MOST:.2f} x", ratio <= LIST_P99_MOST) if has_bar else ("", None)
    note = f"empty DM; longest {1e3 * max(seconds):.0f} ms"
    return Figure("DM", what, p99_ms, "ms", usual_ms, ratio, bar, holds, note)


def get_times(state: Path, options: Options, with_often: bool) -> dict[float, list[float]]:
    """Seconds of each get, as polled by default (0.0) and with lists every `LISTED_S`."""
    environment = {"DMIOC_GATEWAY__JOBS_LISTED": str(options.jobs)}
    with bench_gateway(state=state, environment=environment) as gateway, ca_client(gateway) as ca:
        assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
        found = {0.0: timed_gets(ca, options.lists_s)}
        if with_often:
            ca.puts("", PollPeriod=LISTED_S, IdlePollPeriod=LISTED_S)
            found[LISTED_S] = timed_gets(ca, options.lists_s)
    return found


def timed_gets(ca: CaClient, lasts_s: float) -> list[float]:
    """Gets one after the other, for so long; seconds of each."""
    pv, times, began_s = ca.pv("LostAfter"), list[float](), time.perf_counter()
    while (now_s := time.perf_counter()) - began_s < lasts_s:
        pv.get(use_monitor=False)
        times.append(time.perf_counter() - now_s)
    return times


def fill(state: Path, jobs: int) -> None:
    """A local DM with so many jobs that are done: one is run, and its record copied."""
    with bench_gateway(state=state) as gateway, ca_client(gateway) as ca:
        ca.puts("WF1:", Name="example-01", FilePath="/etc/hostname", Args=json.dumps({"padding": PADDING}))
        state_word, message = ca.command("WF1:Run")
        assert state_word == "OK", message
    with closing(sqlite3.connect(state / "localdm" / "localdm.sqlite")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(processing_jobs)")]
        row = dict(zip(columns, database.execute("SELECT * FROM processing_jobs").fetchone(), strict=True))
        copies = [copied(row) for _ in range(jobs)]
        marks = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO processing_jobs VALUES ({marks})", copies)


def copied(row: dict[str, Any]) -> list[Any]:
    """The row of another job: ids are new, all else is the same."""
    name = str(uuid.uuid4())
    texts = {key: value.replace(row["id"], name) if isinstance(value, str) else value for key, value in row.items()}
    return [None if key == "sequence" else value for key, value in texts.items()]
