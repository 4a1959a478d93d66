"""The servers that are measured: a gateway, and the bare ones it is compared with, each a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from epics_environment import client_environment, server_environment
from gateway_process import CaClient, GatewayProcess

HERE = Path(__file__).parent
BARE_PREFIX = "BARE:"


@contextmanager
def bench_gateway(
    *arguments: str, state: Path | None = None, environment: dict[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """A gateway; its state is thrown away unless it is given."""
    with tempfile.TemporaryDirectory(prefix="dmioc-bench-", ignore_cleanup_errors=True) as directory:
        gateway = GatewayProcess(state or Path(directory) / "state", *arguments, environment=environment)
        try:
            yield gateway.start()
        finally:
            gateway.end()


@contextmanager
def ca_client(gateway: GatewayProcess) -> Iterator[CaClient]:
    """A client in this process, with the seeded experiment in use."""
    client = CaClient(gateway.prefix)
    try:
        client.wait_for("State", "Connected")
        client.put("EXP:Name", "demo")
        yield client
    finally:
        client.close(clear_channels=True)


def addresses(gateway: GatewayProcess) -> tuple[str, str]:
    """``host:port`` of Channel Access and of PVAccess."""
    line = next(line for line in gateway.lines if line.startswith("dmioc serves"))
    found = re.search(r"Channel Access at (\S+) and PVAccess at ([^\s,]+)", line)
    assert found is not None, line
    return found[1], found[2]


@dataclass(frozen=True)
class Bare:
    """A bare server: its process, and where it serves."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def bare_server(script: str, environment: dict[str, str] | None = None) -> Iterator[Bare]:
    """A server with a PV for each of the gateway's that its protocol can hold, and nothing behind them."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), BARE_PREFIX],
        env=os.environ | client_environment() | server_environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:1] == ["serves"], f"{script} did not start"
        yield Bare(process, words[1])
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
