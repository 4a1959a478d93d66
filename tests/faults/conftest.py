"""A real gateway whose local DM makes faults, with clients of both protocols, for each module."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_file import FaultFile
from fault_station import DEADLINE_S, PERIOD_S, Pva
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess, running_gateway
from pva_client import pva_context


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """``dmioc run --faults`` with short deadlines."""
    home = tmp_path_factory.mktemp("faults")
    config, faults = home / "dmioc.toml", home / "faults.toml"
    config.write_text(f"[dm]\ndeadline_s = {DEADLINE_S}\nconnect_timeout_s = {DEADLINE_S}\n", "utf-8")
    faults.write_text("", "utf-8")
    with running_gateway(home / "state", "--config", str(config), "--faults", str(faults)) as process:
        yield process


@pytest.fixture(scope="module")
def faults(gateway: GatewayProcess) -> FaultFile:
    """The faults of its local DM."""
    return FaultFile(gateway.state.with_name("faults.toml"), gateway.state / "localdm")


@pytest.fixture(scope="module")
def dm(gateway: GatewayProcess) -> GatewayDm:
    """Its local DM, asked directly."""
    return GatewayDm(gateway)


@pytest.fixture(scope="module")
def ca(gateway: GatewayProcess) -> Iterator[CaClient]:
    """Channel Access; the gateway polls fast and has the seeded experiment in use."""
    client = CaClient(gateway.prefix)
    client.puts("", PollPeriod=PERIOD_S, IdlePollPeriod=PERIOD_S)
    client.put("EXP:Name", "demo")
    yield client
    client.close()


@pytest.fixture(scope="module")
def pva(gateway: GatewayProcess) -> Iterator[Pva]:
    """PVAccess."""
    with pva_context() as context:
        yield Pva(context, gateway.prefix)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with two files."""
    path = tmp_path / secrets.token_hex(4)
    path.mkdir()
    for name in "ab":
        (path / f"{name}.dat").write_bytes(name.encode())
    return path
