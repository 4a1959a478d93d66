"""The files with which instruments are set up, loaded by the packages that load them, against a real gateway."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engines import end, run, run_engine

EXAMPLES = Path(__file__).parents[2] / "dmioc" / "examples"
DEMO_PREFIX = "DEMO:DM:"


@pytest.fixture
def copied(ca: CaClient, tmp_path: Path) -> Any:
    """Copies an example and changes the prefix, as its user does."""

    def copy(name: str) -> Path:
        text = (EXAMPLES / name).read_text("utf-8")
        path = tmp_path / name
        path.write_text(text.replace(DEMO_PREFIX, ca.prefix), "utf-8")
        return path

    return copy


def runs_a_job(connector: Any, tmp_path: Path) -> None:
    """The connector does what it is for."""
    (tmp_path / "file.txt").write_text("content")
    with run_engine() as engine:
        run(engine, connector.run_as_plan(workflow="example-01", filePath=str(tmp_path / "file.txt"), timeout=30))
    assert connector.status.get() == "done"


def test_devices_yml_by_guarneri(copied: Any, tmp_path: Path) -> None:
    from guarneri import Instrument

    async def main() -> Any:
        instrument = Instrument({})
        instrument.load(copied("devices.yml"))
        await instrument.connect(timeout=60)
        station: Any = instrument.devices["dm_async"]
        assert await station.experiment.name_.get_value() == "demo"
        return instrument.devices

    devices = asyncio.run(main())
    station = devices["dm"]
    try:
        assert station.experiment.name_.get() == "demo"
        assert len(station.workflows.slots) == 4
        assert [device.name for device in devices.findall(label="baseline")] == ["dm"]
        runs_a_job(devices["dm_workflow"], tmp_path)
    finally:
        station.destroy()


def test_happi_entries(copied: Any, ca: CaClient, tmp_path: Path) -> None:
    import happi

    client = happi.Client(path=str(copied("happi.json")))
    station, connector = (client.load_device(name=name) for name in ("dm", "dm_workflow"))
    try:
        station.wait_for_connection(timeout=60)
        assert station.experiment.name_.get() == "demo"
        assert station.md.documentation.startswith("The DM gateway")
        runs_a_job(connector, tmp_path)
    finally:
        station.destroy()


@pytest.mark.parametrize("is_there", [False, True])
def test_happi_entries_are_added_to_a_database(is_there: bool, ca: CaClient, tmp_path: Path) -> None:
    import happi

    database = tmp_path / "instrument.json"
    if is_there:
        motor = {"_id": "m1", "type": "OphydItem", "name": "m1", "prefix": "X:m1", "device_class": "ophyd.EpicsMotor"}
        database.write_text(json.dumps({"m1": motor | {"args": [], "kwargs": {}, "active": True, "documentation": ""}}))
    subprocess.run([sys.executable, str(EXAMPLES / "happi_add.py"), str(database), ca.prefix], check=True, timeout=60)
    found = {item["name"]: item["prefix"] for item in happi.Client(path=str(database)).all_items}
    assert found == {"dm": ca.prefix, "dm_workflow": ca.prefix} | ({"m1": "X:m1"} if is_there else {})


def test_startup_file(ca: CaClient, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DMIOC_PREFIX", ca.prefix)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    session = runpy.run_path(str(EXAMPLES / "startup.py"))
    engine, station, metadata = session["RE"], session["dm"], session["dm_metadata"]
    try:
        (uid,) = run(engine, import_module("bluesky.plans").count([import_module("ophyd.sim").det]))
        assert metadata.flush(20)
        found = GatewayDm(gateway).dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"]
        [baseline] = [one for one in found["descriptors"] if one["name"] == "baseline"]
        assert "dm_experiment_name" in str(baseline["data_keys"])
        runs_a_job(session["dm_workflow"], tmp_path)
    finally:
        metadata.close()
        import_module("dmioc.plans").forget_stations()
        station.destroy()
        end(engine)
