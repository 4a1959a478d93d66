"""The devices under each control layer of ophyd, in a process of its own: one process can use one layer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dm_control import DmControl
from gateway_process import GatewayProcess, running_gateway

DRIVER = Path(__file__).with_name("control_layer_driver.py")


@pytest.fixture
def gateway(repeater: None, tmp_path: Path) -> Iterator[GatewayProcess]:
    """One for each layer: the driver kills it in the end, while a job runs that a gateway after it would take up again."""
    with running_gateway(tmp_path / "state") as process:
        yield process


@pytest.mark.parametrize("layer", ["pyepics", "caproto"])
def test_control_layer(gateway: GatewayProcess, data: Path, layer: str) -> None:
    (data / "scan.dat").write_bytes(b"one line of data\n")
    DmControl(gateway.state / "localdm").add_workflow("slow", "/bin/sleep 30")
    environment = os.environ | {"PYTHONPATH": str(DRIVER.parents[1])}
    answer = subprocess.run(
        [sys.executable, str(DRIVER), layer, gateway.prefix, str(data)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1] == "all is right"
    assert "Traceback" not in answer.stderr, answer.stderr
