"""Fixtures of the access tests."""

from __future__ import annotations

import pytest
from gateway_fixtures import ca
from gateway_process import GatewayProcess
from guarded_gateway import Guarded, guarded

__all__ = ["ca", "guarded"]


@pytest.fixture(scope="module")
def gateway(guarded: Guarded) -> GatewayProcess:
    """What the shared fixtures connect to."""
    return guarded.process
