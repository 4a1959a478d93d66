"""Fixtures that every suite shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from client_timeouts import CLIENT_TIMEOUTS, give_clients_time
from epics_environment import client_environment, epics_ports, is_free, repeater_process, server_environment
from gateway_fixtures import ca, data, gateway
from waiting import wait_until

__all__ = ["ca", "data", "epics", "gateway", "repeater"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def epics() -> Iterator[None]:
    """The environment of EPICS for clients and servers, before anything imports ``epics``."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("EPICS_")]:
        del os.environ[name]
    os.environ.update(client_environment() | server_environment() | CLIENT_TIMEOUTS)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores Ctrl-C, and so would every process that a test starts and ends by it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    import epicscorelibs.path.pyepics  # noqa: F401  # the libca that ophyd takes; it must be chosen before pyepics is imported

    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def repeater(epics: None) -> Iterator[None]:
    """A CA repeater for the session; whatever uses a CA client needs it."""
    with repeater_process():
        wait_until(lambda: not is_free(epics_ports().ca_repeater), what="the repeater listens")
        give_clients_time()
        yield
