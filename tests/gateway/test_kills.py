"""kill -9 of the gateway at each step of its commands: what was accepted is done once, what was set is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_cycles import POINTS, killed_gateway

pytestmark = pytest.mark.long


@pytest.mark.timeout(180)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_point(tmp_path: Path, when: str) -> None:
    points = [point for point in POINTS if point.endswith(when)]
    with killed_gateway(tmp_path) as gateway:
        for number, point in enumerate(points, start=1):
            gateway.life(f"{point}:{1 + number % 2}")
        gateway.settle()
        assert gateway.kills == len(points) + 1
