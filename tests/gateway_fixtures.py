"""A real gateway with its local DM for each module, and a client of its PVs; the fixtures are in ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import CaClient, GatewayProcess, running_gateway


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """``dmioc run`` with a new state directory."""
    with running_gateway(tmp_path_factory.mktemp("gateway") / "state") as process:
        yield process


@pytest.fixture(scope="module")
def ca(gateway: GatewayProcess) -> Iterator[CaClient]:
    """A client, polling fast and with the seeded experiment in use."""
    client = CaClient(gateway.prefix)
    client.puts("", PollPeriod=0.1, IdlePollPeriod=1.0)
    client.put("EXP:Name", "demo")
    yield client
    client.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory for data."""
    path = tmp_path / "data"
    path.mkdir()
    return path
