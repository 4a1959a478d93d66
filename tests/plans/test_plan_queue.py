"""bluesky-queueserver runs the plans as its users do: the example's startup script, a real manager, a real worker."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_dm import GatewayDm, md5s
from gateway_process import CaClient, GatewayProcess
from queue_server import QueueServer, queue_server

EXAMPLES = Path(__file__).parents[2] / "dmioc" / "examples"


@pytest.fixture(scope="module")
def queue(gateway: GatewayProcess, ca: CaClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServer]:
    folder = tmp_path_factory.mktemp("queue")
    for name in ("queueserver.py", "queueserver_permissions.yaml"):
        shutil.copy(EXAMPLES / name, folder)
    with queue_server(folder, {"DMIOC_PREFIX": gateway.prefix}) as server:
        yield server


@pytest.fixture(autouse=True)
def empty(queue: QueueServer) -> None:
    """Nothing is left of the last test; a plan that failed stays in the queue."""
    queue.ask("queue_clear")
    queue.ask("history_clear")


def test_plans_are_listed(queue: QueueServer) -> None:
    plans = queue.ask("plans_allowed", user_group="primary")["plans_allowed"]
    assert set(plans) == {
        *("setup_user", "start_daq", "stop_daq", "wait_daq", "upload", "run_workflow", "wait_jobs", "scan_and_process")
    }
    parameters = {one["name"]: one for one in plans["run_workflow"]["parameters"]}
    assert parameters["workflow"]["annotation"]["type"] == "str"
    assert parameters["slot"]["annotation"]["type"] == "int | str | None"
    assert plans["run_workflow"]["description"].startswith("Start a DM workflow")


def test_a_queue_of_plans(
    queue: QueueServer, ca: CaClient, gateway: GatewayProcess, tmp_path: Path, file: Path
) -> None:
    ca.put("EXP:Name", "")
    data = tmp_path / secrets.token_hex(4)
    queue.add("setup_user", "demo", upload_file=str(file), upload_directory=f"{data.name}-setup")
    queue.add("run_workflow", "example-01", file_path=str(file), sample="Si 111", report_period=1)
    queue.add("scan_and_process", str(data), num=2, sample="Ge")
    queue.add("wait_jobs")
    queue.add("stop_daq")
    results = queue.run()
    assert [one["exit_status"] for one in results] == ["completed"] * 5, queue.log()
    assert ca.get("EXP:Name") == "demo"
    assert GatewayDm(gateway).catalogued("demo", data.name) == md5s(data)
    [uid] = results[2]["run_uids"]
    metadata = GatewayDm(gateway).dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"]
    assert (metadata["start"]["sample"], metadata["dm"]["job_status"]) == ("Ge", "Done")
    assert "of example-01 is Done after" in queue.log()


def test_what_fails_is_told(queue: QueueServer, file: Path) -> None:
    queue.add("run_workflow", "example-01")
    [result] = queue.run()
    assert result["exit_status"] == "failed"
    assert "of example-01 is Failed: Invalid input file specification." in result["msg"], result


def test_a_plan_that_is_stopped(queue: QueueServer, ca: CaClient, gated: str, tmp_path: Path) -> None:
    """Pause, resume and abort as the queue's clients do."""
    queue.add("run_workflow", gated, {"gate": str(tmp_path / "gate")}, file_path="/dev/null", abort_on_exit=True)
    queue.ask("queue_start")
    ca.wait_for("WF1:Status", "Running")
    queue.ask("re_pause", option="immediate")
    queue.wait_for("manager_state", "paused")
    queue.ask("re_resume")
    queue.wait_for("re_state", "running")
    assert ca.get("WF1:Status") == "Running"
    queue.ask("re_pause", option="immediate")
    queue.wait_for("manager_state", "paused")
    queue.ask("re_abort")
    queue.wait_for("manager_state", "idle")
    assert ca.get("WF1:Status") == "Aborted"
