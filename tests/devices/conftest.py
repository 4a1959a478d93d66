"""A connected station of ophyd devices for each module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from gateway_process import GatewayProcess

if TYPE_CHECKING:
    from dmioc.devices import DMStation


@pytest.fixture(scope="module")
def station(gateway: GatewayProcess) -> Iterator[DMStation]:
    """The gateway as ophyd devices, connected, polling fast and with the seeded experiment in use."""
    from dmioc.devices import DMStation

    device = DMStation(gateway.prefix, name="dm")
    try:
        device.wait_for_connection(timeout=30)
        device.poll_period.set(0.1).wait(10)
        device.idle_poll_period.set(1.0).wait(10)
        device.experiment.name_.set("demo").wait(30)
        yield device
    finally:
        device.destroy()
