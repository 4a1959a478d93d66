"""The file-based outline of DM's guide around real acquisitions with ophyd's simulated detectors."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky import preprocessors as bpp
from gateway_dm import GatewayDm, md5s
from gateway_process import CaClient, GatewayProcess
from run_engine import Engine, simulated
from waiting import wait_until

from dmioc.errors import JobFailedError, RefusedError, WaitTimeoutError
from dmioc.plans import file_based, run_workflow, start_daq, stop_daq


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory for data."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def nothing_left(ca: CaClient) -> Iterator[None]:
    """No DAQ and no job goes on after a test."""
    yield
    for slot, command in (("DAQ1", "Stop"), ("DAQ2", "Stop"), ("WF1", "Abort"), ("WF2", "Abort")):
        if ca.get(f"{slot}:Status") in {"Pending", "Running"}:
            ca.command(f"{slot}:{command}")


def scan(folder: Path, files: int, md: dict[str, Any] | None = None) -> Any:
    """An acquisition that writes a file for each point, and answers how many."""

    det, motor = simulated("det"), simulated("motor")

    @bpp.run_decorator(md={"plan_name": "scan", **(md or {})})
    def inner() -> Any:
        for number in range(files):
            yield from bps.mv(motor, number)
            yield from bps.trigger_and_read([det, motor])
            (folder / f"{number}.dat").write_bytes(bytes([number]) * 100)

    yield from inner()
    return files


def datasets(gateway: GatewayProcess, outcome: Any) -> list[dict[str, Any]]:
    """What DM's catalog holds of the runs."""
    return [GatewayDm(gateway).dataset("demo", one.dataset) for one in outcome.metadata]


def test_nine_steps(
    engine: Engine, ca: CaClient, gateway: GatewayProcess, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dmioc.plans")
    dest = secrets.token_hex(4)
    outcome = engine.run(
        file_based(
            scan(data, 3),
            workflow="example-01",
            file_path=str(data / "2.dat"),
            data_directory=str(data),
            dest_directory=dest,
            expect=3,
            file="2.dat",
            wait_for_jobs=True,
            metadata={"sample": "Si 111"},
            report_period=0.1,
            temperature=20,
        )
    )
    names = [name for name, _ in engine.documents]
    assert (names[0], names.count("event"), names[-1]) == ("start", 3, "stop")
    start, stop = engine.documents[0][1], engine.documents[-1][1]
    assert (start["sample"], start["dm_experiment"], start["dm_workflow"]) == ("Si 111", "demo", "example-01")
    assert stop["exit_status"] == "success"
    assert (outcome.plan_result, outcome.run_uids) == (3, (start["uid"],))
    assert outcome.daq is not None and (outcome.daq.files_done, outcome.daq.directory) == (3, str(data))
    assert outcome.job is not None and outcome.job.is_done
    assert json.loads(ca.get(f"{outcome.job.slot}:Args_RBV"))["temperature"] == 20
    assert GatewayDm(gateway).catalogued("demo", dest) == md5s(data)
    [stored] = datasets(gateway, outcome)
    metadata = stored["bluesky_metadata"]
    assert (stored["bluesky_run_uid"], stored["workflow_name"]) == (start["uid"], "example-01")
    assert metadata["start"]["sample"] == "Si 111" and metadata["stop"]["uid"] == stop["uid"]
    assert [sorted(one["data_keys"]) for one in metadata["descriptors"]] == [["det", "motor", "motor_setpoint"]]
    assert (metadata["dm"]["job_id"], metadata["dm"]["daq_id"]) == (outcome.job.job_id, outcome.daq.id)


def test_the_daq_of_the_setup_counts_on(engine: Engine, data: Path) -> None:
    """A DAQ that has stored files before: only those of this acquisition are waited for."""
    daq = engine.run(start_daq(str(data), secrets.token_hex(4)))
    first = engine.run(file_based(scan(data, 2), expect=2, add_run_metadata=False))
    assert first.daq is not None and (first.daq.id, first.daq.files_done, first.metadata) == (daq.id, 2, ())
    (data / "more").mkdir()
    second = engine.run(file_based(scan(data / "more", 2), expect=2, daq=daq))
    assert second.daq is not None and second.daq.files_done == 4
    with pytest.raises(WaitTimeoutError, match="4 of 4 files stored"):
        engine.run(file_based(scan(data / "more", 0), expect=1, daq_timeout=1.0))
    engine.run(stop_daq(daq))


def test_acquisition_alone(engine: Engine, det: Any) -> None:
    outcome = engine.run(file_based(bp.count([det], 2)))
    assert (outcome.daq, outcome.job, outcome.stream) == (None, None, None)
    assert [one.run_uid for one in outcome.metadata] == [engine.documents[0][1]["uid"]] == [outcome.plan_result]


def test_several_runs_and_plans_of_ours_inside(
    engine: Engine, gateway: GatewayProcess, det: Any, motor: Any, file: Path
) -> None:
    def inside() -> Any:
        yield from bp.count([det])
        job = yield from run_workflow("example-01", file_path=str(file))
        yield from bp.scan([det], motor, 0, 1, 2)
        return job.status

    outcome = engine.run(file_based(inside()))
    assert (outcome.plan_result, len(outcome.run_uids)) == ("Done", 2)
    assert [one["bluesky_metadata"]["start"]["plan_name"] for one in datasets(gateway, outcome)] == ["count", "scan"]


def test_an_acquisition_that_fails(engine: Engine, ca: CaClient, gateway: GatewayProcess, det: Any) -> None:
    @bpp.run_decorator()
    def fails() -> Any:
        yield from bps.trigger_and_read([det])
        raise ValueError("no beam")

    before = ca.get("WF1:JobID")
    with pytest.raises(ValueError, match="no beam"):
        engine.run(file_based(fails(), workflow="example-01", file_path="/dev/null"))
    assert ca.get("WF1:JobID") == before, "no workflow without data"
    uid = engine.documents[0][1]["uid"]
    metadata = GatewayDm(gateway).dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"]
    assert (metadata["stop"]["exit_status"], metadata["dm"]["error"]) == ("fail", "no beam")


@pytest.mark.parametrize("on_failure", ["raise", "report"])
def test_a_job_that_fails(engine: Engine, gateway: GatewayProcess, det: Any, on_failure: str) -> None:
    plan = file_based(bp.count([det]), workflow="example-01", on_failure=on_failure)  # it needs a file
    if on_failure == "raise":
        with pytest.raises(JobFailedError, match="of example-01 is Failed: Invalid input file specification"):
            engine.run(plan)
        uid = engine.documents[0][1]["uid"]
        metadata = GatewayDm(gateway).dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"]
        assert "is Failed: Invalid input file" in metadata["dm"]["error"]
    else:
        outcome = engine.run(plan)
        assert outcome.job is not None and outcome.job.status == "Failed"
        [stored] = datasets(gateway, outcome)
        assert stored["bluesky_metadata"]["dm"]["job_status"] == "Failed"


def test_files_that_do_not_come(engine: Engine, ca: CaClient, data: Path) -> None:
    before = ca.get("WF1:JobID")
    plan = file_based(scan(data, 1), data_directory=str(data), expect=2, daq_timeout=1.0, workflow="example-01")
    with pytest.raises(WaitTimeoutError, match=r"of . files stored"):
        engine.run(plan)
    assert ca.get("WF1:JobID") == before


def test_catalog_that_does_not_take_the_metadata(
    engine: Engine, ca: CaClient, det: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ca.put("Control", "Disabled")
    try:
        with pytest.raises(RefusedError, match="Control is Disabled"):
            engine.run(file_based(bp.count([det])))
        outcome = engine.run(file_based(bp.count([det]), on_failure="report"))
    finally:
        ca.put("Control", "Enabled")
    assert [("Control is Disabled" in one.error, one.id) for one in outcome.metadata] == [(True, "")]
    assert "its metadata are not in DM" in caplog.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workflow": "example-01", "if_running": "maybe"}, "if_running takes"),
        ({"workflow": "example-01", "args": {"a": 1}, "a": 2}, "as a keyword: a"),
        ({"on_failure": "ignore"}, "on_failure takes"),
        ({"expects": 3}, "no workflow is given that could take expects"),
    ],
)
def test_arguments_are_checked_before_data_are_taken(
    engine: Engine, det: Any, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        engine.run(file_based(bp.count([det]), **given))
    assert engine.documents == []


def test_what_is_no_plan(engine: Engine) -> None:
    with pytest.raises(TypeError, match="was it called"):
        engine.run(file_based(bp.count))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("how", ["abort", "stop"])
@pytest.mark.parametrize("where", ["plan", "daq", "job"])
def test_left_at_any_step(
    engine: Engine,
    ca: CaClient,
    gateway: GatewayProcess,
    gated: str,
    det: Any,
    data: Path,
    tmp_path: Path,
    how: str,
    where: str,
) -> None:
    """What was told until then is in DM, nothing more is begun, DAQ and job go on."""
    before = ca.get("WF1:JobID")
    pause = [bps.sleep(30)] if where == "plan" else []

    @bpp.run_decorator()
    def acquire() -> Any:
        yield from bps.trigger_and_read([det])
        (data / "1.dat").write_bytes(b"1")
        for plan in pause:
            yield from plan

    engine.start(
        file_based(
            acquire(),
            data_directory=str(data),
            dest_directory=secrets.token_hex(4),
            expect=1 if where == "job" else 2,
            workflow=gated,
            file_path="/dev/null",
            gate=str(tmp_path / "gate"),
        )
    )
    if where == "plan":
        wait_until(lambda: [name for name, _ in engine.documents].count("event") == 1, what="data")
    elif where == "daq":
        ca.wait_for("DAQ1:DataDirectory_RBV", str(data))
        ca.wait_for("DAQ1:FilesDone", 1)
    else:
        ca.wait_for("WF1:Status", "Running")
    engine.leave(how)
    assert ca.get("DAQ1:Status") == "Running"
    assert (ca.get("WF1:JobID") != before) == (where == "job")
    uid = engine.documents[0][1]["uid"]
    metadata = GatewayDm(gateway).dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"]
    assert metadata["start"]["uid"] == uid
