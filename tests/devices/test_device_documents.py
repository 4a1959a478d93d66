"""Documents of real runs with a station in them: they fit event-model's schemas and say which experiment, DAQ and job it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dmioc.devices import DMStation

Documents = list[tuple[str, dict[str, Any]]]
DTYPES = {"string": str, "number": float, "integer": int}


@pytest.fixture
def run(station: DMStation) -> Iterator[Callable[[Any], Documents]]:
    """Runs a plan with the station in the baseline; answers its documents, each of which fits its schema."""
    import event_model
    from bluesky import RunEngine
    from bluesky.preprocessors import SupplementalData

    engine: Any = RunEngine({}, context_managers=[])
    engine.preprocessors.append(SupplementalData(baseline=[station]))

    def run(plan: Any) -> Documents:
        documents: Documents = []
        token = engine.subscribe(lambda name, document: documents.append((name, document)))
        engine(plan)
        engine.unsubscribe(token)
        for name, document in documents:
            event_model.schema_validators[event_model.DocumentNames[name]].validate(document)
            assert json.loads(json.dumps(document)) is not None
        return documents

    yield run
    assert engine.state == "idle"


def of_stream(documents: Documents, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Descriptor and events of a stream."""
    descriptor = next(doc for kind, doc in documents if kind == "descriptor" and doc["name"] == name)
    events = [doc for kind, doc in documents if kind == "event" and doc["descriptor"] == descriptor["uid"]]
    return descriptor, events


def acquire(station: DMStation, data: Path) -> Iterator[Any]:
    """A run that uses a DAQ and a workflow as a plan would."""
    from bluesky import plan_stubs as bps
    from bluesky import preprocessors as bpp
    from ophyd.sim import det

    daq, slot = station.daqs.daq1, station.workflows.wf1
    yield from bps.mv(daq.data_directory, str(data), daq.dest_directory, data.name, daq.expect, 1)
    yield from bps.mv(daq.start, 1)

    @bpp.run_decorator(md={"plan_name": "acquire"})
    def inner() -> Iterator[Any]:
        yield from bps.trigger_and_read([det])
        (data / "scan.dat").write_bytes(b"one line of data\n")
        yield from bps.mv(daq.wait, 1)
        yield from bps.mv(slot.name_, "example-01", slot.file_path, str(data / "scan.dat"))
        yield from bps.mv(slot.run, 1)

    yield from inner()
    yield from bps.mv(daq.stop_, 1)


def test_baseline(station: DMStation, data: Path, run: Callable[[Any], Documents]) -> None:
    documents = run(acquire(station, data))
    descriptor, (before, after) = of_stream(documents, "baseline")
    assert set(descriptor["data_keys"]) == set(before["data"]) == set(after["data"])
    assert before["data"]["dm_experiment_name"] == after["data"]["dm_experiment_name"] == "demo"
    assert before["data"]["dm_experiment_state"] == "Loaded" and before["data"]["dm_experiment_id"] == 1
    assert before["data"]["dm_daqs_daq1_id"] == after["data"]["dm_daqs_daq1_id"] == station.daqs.daq1.id.get() != ""
    assert before["data"]["dm_daqs_daq1_status"] == "Running"
    assert before["data"]["dm_daqs_daq1_data_directory_rbv"] == str(data)
    assert (before["data"]["dm_daqs_daq1_files_done"], after["data"]["dm_daqs_daq1_files_done"]) == (0, 1)
    assert before["data"]["dm_workflows_wf1_job_id"] == ""
    # Nothing old at the end of the run, although the job ended right before.
    assert after["data"]["dm_workflows_wf1_job_id"] == station.workflows.wf1.job_id.get() != ""
    assert after["data"]["dm_workflows_wf1_status"] == "Done"
    assert after["data"]["dm_workflows_wf1_workflow_rbv"] == "example-01"
    assert after["timestamps"]["dm_workflows_wf1_status"] > before["timestamps"]["dm_workflows_wf1_status"]


def test_descriptions(station: DMStation, run: Callable[[Any], Documents]) -> None:
    from bluesky import plan_stubs as bps
    from bluesky import preprocessors as bpp

    descriptor, (event, _) = of_stream(run(bpp.run_wrapper(bps.null())), "baseline")
    described = [(descriptor["data_keys"], event["data"])]
    described += [(configured["data_keys"], configured["data"]) for configured in descriptor["configuration"].values()]
    assert sum(len(data) for _, data in described) > 150
    for keys, data in described:
        assert list(keys) == list(data), "the same keys in the same order"
        for key, value in data.items():
            assert type(value) is DTYPES[keys[key]["dtype"]], key
            assert keys[key]["shape"] == [] and keys[key]["source"].startswith(f"PV:{station.prefix}")
    status = descriptor["data_keys"]["dm_workflows_wf1_status"]
    assert status["choices"] == list(status["enum_strs"]) and "TimedOut" in status["choices"]
    configuration = descriptor["configuration"]["dm"]
    assert configuration["data"]["dm_station"] == "DEMO" and configuration["data"]["dm_backend"] == "local"
    assert configuration["data_keys"]["dm_poll_period"]["units"] == "s"
    assert configuration["data"]["dm_experiment_data_directory"].endswith("/demo/data")
    assert configuration["data"]["dm_workflows_wf1_args"] == ""


LEFT_OUT = [
    "std_out",
    "std_err",
    "message",
    "error",
    "heartbeat",
    "uptime",
    "pid",
    "json",
    "users",
    "cmd_status",
    "cmd_count",
]


def test_what_is_left_out(station: DMStation) -> None:
    keys = {*station.read(), *station.read_configuration()}
    assert not [key for key in keys if key.endswith(tuple(f"_{word}" for word in LEFT_OUT))]
    commands = [walked.item for walked in station.walk_signals() if type(walked.item).__name__ == "CommandSignal"]
    assert len(commands) > 30 and not keys & {command.name for command in commands}
    assert not set(station.read()) & set(station.read_configuration())


def test_hints(station: DMStation, run: Callable[[Any], Documents]) -> None:
    """A slot that is read in a scan has one number to plot; a whole station has nothing."""
    from bluesky.plans import count

    slots: list[Any] = [station.daqs.daq1, station.uploads.upl1, station.workflows.wf1, station.streams.str1]
    fields = {slot: slot.hints["fields"] for slot in slots}
    assert list(fields.values()) == [
        ["dm_daqs_daq1_files_done"],
        ["dm_uploads_upl1_files_done"],
        ["dm_workflows_wf1_percent"],
        ["dm_streams_str1_processed"],
    ]
    assert station.hints == station.workflows.hints == {"fields": []}
    documents = run(count(slots[2:3], num=2))
    descriptor, events = of_stream(documents, "primary")
    assert descriptor["hints"]["dm_workflows_wf1"] == {"fields": ["dm_workflows_wf1_percent"]}
    assert len(events) == 2 and descriptor["data_keys"]["dm_workflows_wf1_percent"]["dtype"] == "number"
