"""A real RunEngine, a real gateway with its local DM, and the gateway as an ophyd device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess, running_gateway
from run_engine import Engine, simulated
from waiting import wait_until


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """``dmioc run`` with a new state directory, quick to give up a DM that hangs."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "dmioc.toml").write_text("[dm]\ndeadline_s = 1\nconnect_timeout_s = 1\n", "utf-8")
    with running_gateway(folder / "state", "--config", str(folder / "dmioc.toml")) as process:
        yield process


@pytest.fixture(scope="module")
def ca(gateway: GatewayProcess) -> Iterator[CaClient]:
    """Another client: what a screen or a second session would do."""
    client = CaClient(gateway.prefix)
    client.puts("", PollPeriod=0.1, IdlePollPeriod=1.0)
    client.put("EXP:Name", "demo")
    yield client
    client.close()


@pytest.fixture(scope="module")
def dm(gateway: GatewayProcess) -> DmControl:
    """The local DM, asked directly."""
    return DmControl(gateway.state / "localdm")


@pytest.fixture(scope="module")
def station(gateway: GatewayProcess, ca: CaClient) -> Iterator[Any]:
    """The gateway as a device, which plans use."""
    from dmioc.devices import DMStation

    device = DMStation(gateway.prefix, name="dm")
    device.wait_for_connection(timeout=30)
    yield device
    device.destroy()


@pytest.fixture
def start_again(gateway: GatewayProcess, ca: CaClient, station: Any) -> Callable[[], None]:
    """Starts the gateway anew, and returns when all clients are connected: libca may take its time."""

    def start() -> None:
        gateway.start()
        wait_until(lambda: station.connected, 100.0, 0.1, what="the station is connected")
        ca.close()
        ca.wait_for("State", "Connected")

    return start


@pytest.fixture
def engine(station: Any) -> Iterator[Engine]:
    """A RunEngine for the test, which talks to the gateway."""
    from dmioc.plans import forget_stations, use_station

    use_station(station)
    yield Engine()
    forget_stations()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for workflows."""
    path = tmp_path / "scan.dat"
    path.write_bytes(b"one line of data\n")
    return path


@pytest.fixture(scope="module")
def gated(dm: DmControl) -> str:
    """A workflow that ends when its file appears: Done if it is empty, else as the exit status in it."""
    program = (
        "import pathlib, sys, time\npath = pathlib.Path(sys.argv[1])\nwhile not path.exists():\n    time.sleep(0.02)\n"
    )
    program += "text = path.read_text()\nif text:\n    sys.exit(text)\n"
    script = dm.directory / "gated.py"
    script.write_text(program)
    dm.add_workflow("gated", f'{sys.executable} {script} "$gate"')
    return "gated"


@pytest.fixture
def det(engine: Engine) -> Any:
    """ophyd's simulated detector."""
    return simulated("det")


@pytest.fixture
def motor(engine: Engine) -> Any:
    """ophyd's simulated motor."""
    return simulated("motor")
