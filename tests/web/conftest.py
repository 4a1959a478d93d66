"""A gateway, ``dmioc web`` for it, and another client's view of the same PVs, for all files here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_process import GatewayProcess, running_gateway
from pva_client import PvaContext, pva_context
from web_process import WebProcess, running_web


@pytest.fixture(scope="session")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that soon says that DM is away."""
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "dmioc.toml"
    config.write_text("[dm]\ndeadline_s = 1.0\nconnect_timeout_s = 1\n", "utf-8")
    with running_gateway(folder / "state", "--config", str(config)) as process:
        yield process


@pytest.fixture(scope="session")
def web(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """``dmioc web`` for its station."""
    with running_web(tmp_path_factory.mktemp("web") / "web.log", gateway.prefix) as process:
        yield process


@pytest.fixture(scope="session")
def pva(gateway: GatewayProcess) -> Iterator[PvaContext]:
    with pva_context() as context:
        yield context
