"""What a gateway's process holds, and what of it was there when it had just started: the leak check of every gateway test.

Files and threads are the kernel's account, tasks and native objects the gateway's own (SIGUSR1, `dmioc.serve.resources`).
A client that is still connected has its due: pyepics and p4p keep their connections for the next test of the process.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from waiting import wait_until

if TYPE_CHECKING:
    from gateway_process import GatewayProcess

SETTLES_WITHIN_S = 15.0
"""A poll, a save, and connections to DM that nobody needs any more are on their way for a while."""
_ANSWERS_WITHIN_S = 15.0
_MOST_TO_DM = 16
"""Four for each of DM's services (`dmioc.dm.rest.connection`)."""
_OF_CIRCUITS = ("ServerContext.tcp_handler", "Circuit.")
_UNDER_WAY = ("command ", "query to ")
"""A test may leave a command that waits for a job: it is bounded by its own time-out, and one for each PV."""
_MARK = "resources {"


@dataclass(frozen=True)
class Held:
    """Counts by kind; connections that are open at both ends are counted apart."""

    files: Mapping[str, int]
    ca_connections: int
    pva_connections: int
    dm_connections: int
    threads: int
    tasks: Mapping[str, int]
    native: Mapping[str, int]


def held_by(gateway: GatewayProcess) -> Held:
    """Ask the gateway, and the kernel."""
    own = _own_account(gateway)
    process = psutil.Process(gateway.process.pid)
    connections = [one for one in process.net_connections("inet") if one.status == psutil.CONN_ESTABLISHED]
    ports = Counter(one.laddr.port for one in connections)
    ca, pva = (ports[int(address.rsplit(":", 1)[1])] for address in _addresses(gateway))
    return Held(
        files=_files(process.pid, {one.fd for one in connections}),
        ca_connections=ca,
        pva_connections=pva,
        dm_connections=len(connections) - ca - pva,
        threads=process.num_threads() - own["pool_threads"] - _log_threads(process.pid),
        tasks=own["tasks"],
        native=own["native"],
    )


def _log_threads(pid: int) -> int:
    """The one that EPICS base starts when PVXS logs for the first time, and keeps."""
    names = (
        Path(f"/proc/{pid}/task/{task}/comm").read_text("ascii").strip() for task in os.listdir(f"/proc/{pid}/task")
    )
    return sum(1 for name in names if name == "errlog")


def _own_account(gateway: GatewayProcess) -> dict[str, Any]:
    with gateway.log_path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, os.SEEK_END)
        gateway.process.send_signal(signal.SIGUSR1)
        said = ""

        def line() -> str:
            nonlocal said
            said += log.read()
            return next((one for one in said.split("\n")[:-1] if _MARK in one), "")

        found = wait_until(line, _ANSWERS_WITHIN_S, what="the gateway says what it holds")
    return json.loads(found[found.index(_MARK) + len(_MARK) - 1 :])


def _addresses(gateway: GatewayProcess) -> tuple[str, str]:
    """``HOST:PORT`` of Channel Access and of PVAccess, from the line in which it says so."""
    line = next(line for line in gateway.lines if line.startswith("dmioc serves"))
    found = re.search(r"Channel Access at (\S+) and PVAccess at ([^\s,]+)", line)
    assert found is not None, line
    return found[1], found[2]


def _files(pid: int, besides: set[int]) -> dict[str, int]:
    """Open files by path with its last number as ``#``, or by kind where they have none: ``socket``, ``pipe``, ``anon_inode``."""
    found: Counter[str] = Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        if int(name) in besides:
            continue
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue  # closed meanwhile
        found[re.sub(r"\d+$", "#", target) if target.startswith("/") else target.partition(":")[0]] += 1
    return found


def more_than(start: Held, now: Held) -> dict[str, str]:
    """What is held now beyond what was held at the start and what open connections need; by what it is, as ``before -> now``."""
    # A file of its own may be opened when it is first needed, and once.
    once = {name: 1 for name in now.files if name.startswith("/")}
    more = _more(once | dict(start.files), now.files) | _more(_own_tasks(start), _own_tasks(now))
    if now.threads > start.threads:
        more["threads"] = f"{start.threads} -> {now.threads}"
    if now.dm_connections > _MOST_TO_DM:
        more["connections to DM"] = f"at most {_MOST_TO_DM} -> {now.dm_connections}"
    for name, count in now.tasks.items():
        if name.startswith(_OF_CIRCUITS) and count > now.ca_connections:
            more[name] = f"{now.ca_connections} CA connections -> {count}"
    if not now.pva_connections:
        more |= _more(start.native, now.native)
    elif now.native.get("ServerConn", 0) > now.pva_connections:
        more["ServerConn"] = f"{now.pva_connections} PVA connections -> {now.native['ServerConn']}"
    return more


def _own_tasks(held: Held) -> dict[str, int]:
    return {name: count for name, count in held.tasks.items() if not name.startswith((*_OF_CIRCUITS, *_UNDER_WAY))}


def _more(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{before.get(name, 0)} -> {n}" for name, n in now.items() if n > before.get(name, 0)}


def check_for_leaks(gateway: GatewayProcess, start: Held, timeout_s: float = SETTLES_WITHIN_S) -> None:
    """Fails when more is held than at the start, and stays so."""
    last: dict[str, str] = {}

    def nothing_more() -> bool:
        nonlocal last
        last = more_than(start, held_by(gateway))
        return not last

    try:
        wait_until(nothing_more, timeout_s, period_s=0.2)
    except AssertionError:
        raise AssertionError(f"{gateway.prefix} leaks: {last}") from None
