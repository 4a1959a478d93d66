"""Fixtures of the servers' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from ca_process import CaProcess, RawClient
from client_timeouts import ANSWER_TIMEOUT_S
from pva_client import PvaContext
from pva_process import PvaProcess


@pytest.fixture(scope="module")
def ca(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaProcess]:
    """A CA server in a process of its own, at the port that clients of this pytest process look at.

    For one module only: two servers that share a UDP port of one host hide each other.
    """
    process = CaProcess(tmp_path_factory.mktemp("ca") / "server.log")
    yield process
    assert process.stop() == 0, process.log()
    assert "Traceback" not in process.log() and "asyncio" not in process.log(), process.log()


@pytest.fixture
def open_pv(ca: CaProcess) -> Iterator[Callable[..., Any]]:
    """Connects pyepics PVs by their name without prefix and disconnects them after the test."""
    import epics

    opened: list[Any] = []

    def open_one(name: str, **options: Any) -> Any:
        pv: Any = epics.PV(ca.prefix + name, **options)
        opened.append(pv)
        pv.get = partial(pv.get, timeout=ANSWER_TIMEOUT_S)  # pyepics would give None after a second
        assert pv.wait_for_connection(), name
        return pv

    yield open_one
    for pv in opened:
        pv.disconnect()


@pytest.fixture
def raw(ca: CaProcess) -> Iterator[RawClient]:
    """A circuit, byte by byte."""
    client = RawClient(ca.addresses[0])
    yield client
    client.close()


@pytest.fixture(scope="module")
def pva(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PvaProcess]:
    """A PVA server in a process of its own, at the ports that clients of this pytest process look at; for one module, as `ca`."""
    process = PvaProcess(tmp_path_factory.mktemp("pva") / "server.log")
    yield process
    assert process.stop() == 0, process.log()


@pytest.fixture(scope="module")
def context(pva: PvaProcess) -> Iterator[PvaContext]:
    """p4p's thread client."""
    with PvaContext() as client:
        yield client
