"""The connector beside others, over restarts, and in the hands of a RunEngine that pauses and aborts."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engines import run_engine
from waiting import wait_until

from dmioc.errors import GatewayLostError, RefusedError

POLLING_S = 0.1


@pytest.fixture(scope="module")
def dm(gateway: GatewayProcess, ca: CaClient) -> DmControl:
    """The local DM, with a workflow that ends when the file named by its argument ``gate`` appears."""
    control = DmControl(gateway.state / "localdm")
    control.add_workflow("gated", 'while [ ! -e "$gate" ]; do /bin/sleep 0.05; done; /bin/echo opened')
    return control


@pytest.fixture
def connector(gateway: GatewayProcess, dm: DmControl) -> Iterator[Callable[..., Any]]:
    """Makes connectors; none leaves a thread."""
    from dmioc.devices import DM_WorkflowConnector

    made: list[Any] = []

    def make(name: str = "wf", **arguments: Any) -> Any:
        device = DM_WorkflowConnector(name=name, prefix=gateway.prefix, **{"filePath": "/dev/null", **arguments})
        device.polling_period.put(POLLING_S)
        made.append(device)
        return device

    yield make
    for device in made:
        device.destroy()
    wait_until(lambda: not followers(), 10.0, what="no thread is left")


def followers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if " follows " in thread.name]


def runs(device: Any) -> bool:
    return device.status.get() == "running" and device.stage_id.get() == "01-STAGE"


def test_several_at_once_each_with_its_own_arguments(
    connector: Callable[..., Any], gateway: GatewayProcess, tmp_path: Path
) -> None:
    devices = {name: connector(name, workflow="gated", gate=str(tmp_path / name)) for name in ("one", "two", "three")}
    for device in devices.values():
        device.start_workflow()
    ids = {name: device.job_id.get() for name, device in devices.items()}
    assert len(set(ids.values())) == 3
    (tmp_path / "two").touch()
    wait_until(lambda: devices["two"].idle, 10.0, what="the second has ended")
    assert [device.idle for device in devices.values()] == [False, True, False]
    for name in ("one", "three"):
        (tmp_path / name).touch()
    wait_until(lambda: all(device.status.get() == "done" for device in devices.values()), 10.0, what="all are done")
    jobs = {job["id"]: job["gate"] for job in GatewayDm(gateway).jobs() if job["id"] in ids.values()}
    assert jobs == {ids[name]: str(tmp_path / name) for name in devices}
    plain = connector("plain")
    assert plain.workflow_args == {"filePath": "/dev/null"}, "nothing is inherited from other instances"


def test_a_restart_of_the_gateway_loses_nothing_and_starts_nothing_twice(
    connector: Callable[..., Any], gateway: GatewayProcess, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    device, late = connector(workflow="gated", gate=str(gate)), connector("late", workflow="gated", gate=str(gate))
    before = len(GatewayDm(gateway).jobs())
    device.start_workflow()
    gateway.kill()
    starter = threading.Thread(target=late.start_workflow)
    starter.start()
    gateway.start()
    starter.join(30.0)
    wait_until(lambda: runs(device) and runs(late), 20.0, what="both jobs run")
    gate.touch()
    wait_until(lambda: device.idle and late.idle, 10.0, what="both have ended")
    assert (device.status.get(), late.status.get()) == ("done", "done")
    assert len(GatewayDm(gateway).jobs()) == before + 2


def test_a_start_is_given_up_when_there_is_no_gateway() -> None:
    from dmioc.devices import DM_WorkflowConnector

    device = DM_WorkflowConnector(name="wf", prefix="no-such-gateway:")
    device._rpc.timeout_s = device.lost_after_s = 0.2
    with pytest.raises(GatewayLostError, match="no gateway no-such-gateway:"):
        device.start_workflow("example-01")
    assert (device.status.get(), device.job_id.get(), device.idle) == ("unknown", "not_run", True)
    assert "no gateway no-such-gateway:" in device.error.get()
    device.destroy()


def test_a_refused_start_raises_and_a_workflow_must_be_named(connector: Callable[..., Any]) -> None:
    device = connector()
    with pytest.raises(RefusedError, match="does not know workflow none"):
        device.start_workflow("none")
    assert (device.status.get(), device.job_id.get(), device.idle) == ("failed", "not_run", True)
    with pytest.raises(AttributeError, match="workflow name"):
        connector("unnamed").start_workflow()
    with pytest.raises(KeyError, match="name"):
        type(device)()
    with run_engine() as engine, pytest.raises(RefusedError):
        engine(device.run_as_plan("none", wait=False))


def test_the_run_engine_goes_on_while_dm_does_not_answer(connector: Callable[..., Any], dm: DmControl) -> None:
    device = connector(workflow="example-01")

    async def turn() -> str:
        return "turned"

    with run_engine() as engine:
        turned: list[str] = []

        def act() -> None:
            wait_until(lambda: device.status.get() == "running", 10.0, what="the start is asked for")
            turned.append(asyncio.run_coroutine_threadsafe(turn(), engine.loop).result(5.0))
            assert device.job_id.get() == "not_run", "the start is not answered yet"
            hanging.__exit__(None, None, None)

        hanging = dm.hanging()
        hanging.__enter__()
        actor = threading.Thread(target=act)
        actor.start()
        engine(device.run_as_plan())
        actor.join()
    assert turned == ["turned"]
    assert device.status.get() == "done"


def test_abort_leaves_the_job_running(connector: Callable[..., Any], tmp_path: Path) -> None:
    from bluesky.utils import RunEngineInterrupted

    gate = tmp_path / "gate"
    device = connector(workflow="gated", gate=str(gate))
    with run_engine() as engine:
        actor = threading.Thread(
            target=lambda: (wait_until(lambda: runs(device), 10.0, what="the job runs"), engine.abort())
        )
        actor.start()
        with pytest.raises(RunEngineInterrupted):
            engine(device.run_as_plan())
        actor.join()
        assert engine.state == "idle"
    assert device.getJob()["status"] == "running"
    assert not device.idle, "it is followed in the background"
    gate.touch()
    wait_until(lambda: device.idle, 10.0, what="the job has ended")
    assert device.status.get() == "done"
    wait_until(lambda: not followers(), 5.0, what="no thread is left")


def test_pause_and_resume_start_nothing_again(
    connector: Callable[..., Any], gateway: GatewayProcess, tmp_path: Path
) -> None:
    from bluesky.utils import RunEngineInterrupted

    gate = tmp_path / "gate"
    device = connector(workflow="gated", gate=str(gate))
    before = len(GatewayDm(gateway).jobs())
    with run_engine() as engine:
        actor = threading.Thread(
            target=lambda: (wait_until(lambda: runs(device), 10.0, what="the job runs"), engine.request_pause())
        )
        actor.start()
        with pytest.raises(RunEngineInterrupted):
            engine(device.run_as_plan())
        actor.join()
        assert engine.state == "paused"
        gate.touch()
        engine.resume()
    assert device.status.get() == "done"
    assert len(GatewayDm(gateway).jobs()) == before + 1


def test_a_plan_that_nobody_runs_says_so(connector: Callable[..., Any], dm: DmControl) -> None:
    with dm.hanging(), pytest.raises(RuntimeError, match="unless a RunEngine runs it"):
        list(connector(workflow="example-01").run_as_plan())


def test_a_second_start_follows_the_new_job(connector: Callable[..., Any], tmp_path: Path) -> None:
    device = connector(workflow="gated")
    device.start_workflow(gate=str(tmp_path / "first"))
    first = device.job_id.get()
    device.start_workflow(gate=str(tmp_path / "second"))
    (tmp_path / "second").touch()
    wait_until(lambda: device.idle, 10.0, what="the second has ended")
    assert (device.status.get(), device.job_id.get() != first) == ("done", True)
    assert device._rpc.call("jobStatus", id=first)["status"] == "Running"
    (tmp_path / "first").touch()


def test_a_slot_shows_the_job_for_screens(connector: Callable[..., Any], ca: CaClient, tmp_path: Path) -> None:
    device = connector(workflow="gated", slot=2, gate=str(tmp_path / "gate"))
    device.start_workflow()
    assert ca.wait_for("WF2:JobID", device.job_id.get()) == device.job_id.get()
    other = connector("other", workflow="example-01", slot=2)
    with pytest.raises(RefusedError, match=r"slot 2 shows job .* which is (Pending|Running): give another slot"):
        other.start_workflow()
    assert ca.command("WF2:Abort")[0] == "OK"
    wait_until(lambda: device.idle, 10.0, what="the abort of the screen is seen")
    assert device.status.get() == "aborted"
    with pytest.raises(RefusedError, match="slot takes 1 to 4"):
        connector("beyond", slot=9).start_workflow("example-01")


@pytest.mark.parametrize("concise", [True, False])
def test_reports_go_to_the_log(connector: Callable[..., Any], caplog: pytest.LogCaptureFixture, concise: bool) -> None:
    device = connector(workflow="example-01", labels=["DM"])
    device.concise_reporting.put(concise)
    device.report_processing_stages()
    with caplog.at_level(logging.INFO), run_engine() as engine:
        engine(device.run_as_plan(filePath="/etc/hostname"))
    reports = [record.getMessage() for record in caplog.records if record.name == "dmioc.devices.job_signals"]
    assert reports
    assert all(("04-MD5SUM 3" in report) != concise for report in reports if "'done'" in report)
    assert device._ophyd_labels_ == {"DM"}
    assert device.job.getWorkflowStage("06-DONE")["childProcesses"]["5"]["exitStatus"] == 0
    assert device.job_id.get() in repr(device)


def test_what_dm_knows(connector: Callable[..., Any]) -> None:
    device = connector(workflow="example-01")
    with run_engine() as engine:
        engine(device.run_as_plan(filePath="/etc/hostname"))
    newest = device.processing_jobs[-1]
    assert (newest["id"], newest["status"], newest["workflow"]["name"]) == (device.job_id.get(), "done", "example-01")
    assert newest["submissionTime"] <= newest["startTime"] <= newest["endTime"]
    assert {"example-01", "progress-01", "gated"} <= {workflow["name"] for workflow in device.workflows}
    assert device.owner.get() == "dmioc"


def test_it_can_be_read_into_a_run(connector: Callable[..., Any]) -> None:
    from bluesky import plan_stubs as bps

    device = connector(workflow="example-01")
    documents: list[tuple[str, Any]] = []

    def plan() -> Any:
        yield from bps.open_run()
        yield from bps.create("primary")
        yield from bps.read(device)
        yield from bps.save()
        yield from device.run_as_plan(filePath="/etc/hostname")
        yield from bps.create("primary")
        yield from bps.read(device)
        yield from bps.save()
        yield from bps.close_run()

    with run_engine() as engine:
        engine(plan(), lambda name, document: documents.append((name, document)))
    events = [document["data"] for name, document in documents if name == "event"]
    assert [event["wf_status"] for event in events] == ["not_run", "done"]
    (descriptor,) = (document for name, document in documents if name == "descriptor")
    assert descriptor["data_keys"]["wf_run_time"]["dtype"] == "number"
    assert set(descriptor["data_keys"]) == {
        f"wf_{name}" for name in ("workflow", "job_id", "run_time", "stage_id", "status")
    }


def test_a_session_may_end_while_a_job_runs(
    connector: Callable[..., Any], gateway: GatewayProcess, tmp_path: Path
) -> None:
    script = (
        "import sys, time; from dmioc.devices import DM_WorkflowConnector\n"
        "device = DM_WorkflowConnector(name='wf', workflow='gated', filePath='/dev/null', gate=sys.argv[1])\n"
        "device.polling_period.put(0.02)\n"
        "device.start_workflow()\n"
        "while device.stage_id.get() == 'not_run': time.sleep(0.02)\n"
        "print(device.job_id.get())\n"
    )
    gate = tmp_path / "gate"
    done = subprocess.run(
        [sys.executable, "-c", script, str(gate)],
        env=os.environ | {"DMIOC_PREFIX": gateway.prefix},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rpc = connector()._rpc
    assert rpc.call("jobStatus", id=done.stdout.strip())["status"] == "Running"
    gate.touch()
