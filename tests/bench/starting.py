"""Start to the first PV, memory and idle processor time of the gateway."""

from __future__ import annotations

import socket
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from epics_environment import LOOPBACK, epics_ports
from figures import Figure, at_most, plain
from gateway_process import GatewayProcess
from options import Options
from servers import bench_gateway, ca_client
from waiting import wait_until

START_MOST_S, RSS_MOST_MB, IDLE_MOST_PERCENT = 1.5, 150.0, 1.0
SEARCH_EVERY_S = 0.02
GIVEN_UP_S = 30.0
SETTLED_S = 5
"""Uptime from which it counts as idle: the first polls are over."""


def start(options: Options) -> Iterator[Figure]:
    """Seconds from the start of the process until a search for a PV is answered; each time with a new state directory."""
    took_s, stop_s = list[float](), list[float]()
    for _ in range(options.starts):
        with tempfile.TemporaryDirectory(prefix="dmioc-bench-", ignore_cleanup_errors=True) as directory:
            gateway = GatewayProcess(Path(directory) / "state")
            began_s = time.perf_counter()
            try:
                gateway.launch()
                wait_for_answer(f"{gateway.prefix}Heartbeat")
                took_s.append(time.perf_counter() - began_s)
                lines = gateway.lines
                wait_until(lambda lines=lines: any(one.startswith("dmioc serves") for one in lines), GIVEN_UP_S)
                began_s = time.perf_counter()
                gateway.stop()
                stop_s.append(time.perf_counter() - began_s)
            finally:
                gateway.end()
    note = f"longest of {len(took_s)}: {max(took_s):.2f} s; DM's start is not waited for"
    yield at_most("start", "start to first PV", statistics.median(took_s), "s", START_MOST_S, note)
    yield plain("start", "stop", statistics.median(stop_s), "s", "with its local DM")


def wait_for_answer(name: str) -> None:
    """Search for a PV over UDP until somebody has it."""
    padded = name.encode() + b"\0" * (8 - len(name) % 8)
    message = struct.pack(">HHHHII", 0, 0, 0, 13, 0, 0) + struct.pack(">HHHHII", 6, len(padded), 5, 13, 1, 1) + padded
    deadline_s = time.monotonic() + GIVEN_UP_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(SEARCH_EVERY_S)
        while time.monotonic() < deadline_s:
            udp.sendto(message, (LOOPBACK, epics_ports().ca_server))
            try:
                udp.recvfrom(1000)
            except (TimeoutError, ConnectionError):
                continue
            return
    raise AssertionError(f"{name} was not found within {GIVEN_UP_S} s")


def idle(options: Options) -> Iterator[Figure]:
    """Memory and processor time of the gateway, without its local DM, with one client and nothing to do."""
    with bench_gateway() as gateway, ca_client(gateway) as ca:
        wait_until(lambda: ca.get("Uptime") >= SETTLED_S, GIVEN_UP_S)
        process = psutil.Process(gateway.process.pid)
        local = psutil.Process(gateway.localdm().pid)
        before, before_local, began_s = cpu_s(process), cpu_s(local), time.monotonic()
        wait_until(lambda: time.monotonic() - began_s >= options.idle_s, options.idle_s + GIVEN_UP_S)
        lasted_s = time.monotonic() - began_s
        percent = 100 * (cpu_s(process) - before) / lasted_s
        percent_local = 100 * (cpu_s(local) - before_local) / lasted_s
        yield at_most("start", "RSS", process.memory_info().rss / 2**20, "MB", RSS_MOST_MB)
        yield at_most("start", "idle CPU", percent, "%", IDLE_MOST_PERCENT, f"of a core, for {lasted_s:.0f} s")
        yield plain("start", "RSS of the local DM", local.memory_info().rss / 2**20, "MB")
        yield plain("start", "idle CPU of the local DM", percent_local, "%", "of a core")


def cpu_s(process: psutil.Process) -> float:
    """Processor time it has used."""
    times = process.cpu_times()
    return times.user + times.system
