"""A gateway's side of the handshake for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stream_gateway import StreamGateway


@pytest.fixture
def gateway(epics: None) -> Iterator[StreamGateway]:
    """The PVs of one streaming slot, with a session offered."""
    double = StreamGateway()
    double.offer()
    yield double
    double.stop()
