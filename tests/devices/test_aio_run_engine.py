"""The ophyd-async station in a real RunEngine: connected by ``init_devices``, in the baseline, moved and triggered by plans."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioca
import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky import RunEngine
from bluesky.preprocessors import SupplementalData
from bluesky.utils import FailedStatus
from event_model import DocumentNames, schema_validators
from gateway_process import CaClient, GatewayProcess
from ophyd_async.core import init_devices

from dmioc.devices.aio import DMStation, DMStatus


@pytest.fixture
def engine(ca: CaClient) -> Iterator[RunEngine]:
    """A RunEngine; the channels that were made in its loop do not outlive it."""
    engine = RunEngine({})
    yield engine

    async def purge() -> None:
        aioca.purge_channel_caches()

    asyncio.run_coroutine_threadsafe(purge(), engine.loop).result(10.0)


def acquire(dm: DMStation, data: Path, file: Path) -> Any:
    """A DAQ and a job around a scan."""
    daq, slot = dm.daqs.daq1, dm.workflows.wf1
    yield from bps.mv(dm.experiment.name_, "demo", daq.data_directory, str(data))
    yield from bps.mv(daq.start, 1)
    yield from bps.mv(slot.name_, "example-01", slot.file_path, str(file))
    yield from bps.trigger(slot.run, wait=True)
    yield from bp.count([slot], num=2)
    yield from bps.mv(daq.stop_, 1)


def test_documents_of_a_run(gateway: GatewayProcess, ca: CaClient, engine: RunEngine, data: Path) -> None:
    """Both transports at once in the baseline: the documents are right by event-model, and say the same."""
    with init_devices(timeout=30):
        dm = DMStation(f"ca://{gateway.prefix}")
        twin = DMStation(f"pva://{gateway.prefix}")
    file = data / "scan.dat"
    file.write_bytes(b"data")
    documents: list[tuple[str, dict[str, Any]]] = []
    engine.subscribe(lambda name, document: documents.append((name, document)))
    engine.preprocessors.append(SupplementalData(baseline=[dm, twin]))
    engine(acquire(dm, data, file))

    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    json.dumps(documents)
    descriptors = {document["uid"]: document for name, document in documents if name == "descriptor"}
    events = [document for name, document in documents if name == "event"]
    baseline = [event for event in events if descriptors[event["descriptor"]]["name"] == "baseline"]
    assert len(baseline) == 2
    for event in baseline:
        for station in ("dm", "twin"):
            values = {key.removeprefix(f"{station}-"): value for key, value in event["data"].items()}
            assert values["experiment-name"] == "demo"
            assert values["daqs-daq1-id"] == ca.get("DAQ1:ID") != ""
            assert values["daqs-daq1-status"] == DMStatus.RUNNING
            assert values["workflows-wf1-job_id"] == ca.get("WF1:JobID") != ""
            assert values["workflows-wf1-status"] == "Done"
    configuration = next(iter(descriptors.values()))["configuration"]
    assert configuration["dm"]["data"]["dm-workflows-wf1-file_path"] == str(file)
    assert configuration["twin"]["data"]["twin-station"] == ca.get("Station")
    primary = next(document for document in descriptors.values() if document["name"] == "primary")
    assert primary["hints"] == {"dm-workflows-wf1": {"fields": ["dm-workflows-wf1-percent"]}}


@pytest.mark.parametrize("transport", ["ca", "pva"])
def test_failed_command_fails_the_plan_with_the_reason(
    gateway: GatewayProcess, ca: CaClient, engine: RunEngine, transport: str
) -> None:
    with init_devices(timeout=30):
        dm = DMStation(f"{transport}://{gateway.prefix}", daqs=0, uploads=0, workflows=1, streams=0)

    def plan() -> Any:
        yield from bps.mv(dm.workflows.wf1.name_, "example-01", dm.workflows.wf1.file_path, "")
        yield from bps.mv(dm.workflows.wf1.run, 1)

    with pytest.raises(FailedStatus, match=r"Run: job .* is Failed: Invalid input file specification\."):
        engine(plan())
