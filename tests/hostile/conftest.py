"""A gateway that is attacked, with clients that watch it; at the end it must be as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_process import CaClient, GatewayProcess
from hostile_ca import Attacker
from hostile_watch import Watch, watching


@pytest.fixture(scope="module")
def address(gateway: GatewayProcess) -> str:
    """``host:port`` of its Channel Access."""
    return gateway.lines[0].partition("Channel Access at ")[2].split()[0]


@pytest.fixture(scope="module")
def watch(gateway: GatewayProcess, ca: CaClient, address: str) -> Iterator[Watch]:
    """Clients that watch every PV; whatever was done meanwhile, the log tells of no bug."""
    with watching(address, gateway.prefix) as clients:
        yield clients
    assert gateway.process.poll() is None
    log = gateway.log()
    assert "Traceback" not in log and "bug in" not in log and " ERROR " not in log, log[-5000:]


@pytest.fixture(scope="module")
def attacker(ca: CaClient, address: str) -> Iterator[Attacker]:
    """A circuit to put by."""
    client = Attacker(address, ca.prefix)
    yield client
    client.close()
