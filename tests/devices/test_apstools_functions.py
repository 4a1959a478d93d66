"""The functions under apstools' names against a real gateway and its DM."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dm_control import DmControl
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engines import run_engine
from waiting import wait_until

from dmioc.errors import CommandFailedError, GatewayLostError, RefusedError, WaitTimeoutError

EXPERIMENT = "demo"


@pytest.fixture(autouse=True)
def station(gateway: GatewayProcess, ca: CaClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaClient]:
    """The station that the environment names."""
    monkeypatch.setenv("DMIOC_PREFIX", gateway.prefix)
    yield ca
    assert not waiting(), "no thread is left"


def waiting() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("wait for")]


def run(plan: Any) -> None:
    with run_engine() as engine:
        engine(plan)


def stored(gateway: GatewayProcess, below: str) -> list[str]:
    return sorted(GatewayDm(gateway).catalogued(EXPERIMENT, below))


def test_a_daq_from_its_start_to_its_end(gateway: GatewayProcess, data: Path) -> None:
    from dmioc.devices import dm_get_daqs, dm_get_experiment_datadir_active_daq, dm_start_daq, dm_stop_daq

    below = secrets.token_hex(4)
    (data / "one.dat").write_bytes(b"1")
    assert dm_get_experiment_datadir_active_daq(EXPERIMENT, str(data)) is None
    with pytest.raises(RefusedError, match=f"no active DAQ of demo watches {data}; watched are: none"):
        dm_stop_daq(EXPERIMENT, str(data))
    daq = dm_start_daq(
        EXPERIMENT, f"{data}/", destDirectory=below, processExistingFiles=True, skipFilePathPattern="*.tmp"
    )
    assert (daq["experimentName"], daq["dataDirectory"], daq["status"]) == (EXPERIMENT, str(data), "running")
    assert daq["skipFilePathPattern"] == "*.tmp"
    wait_until(lambda: stored(gateway, below) == ["one.dat"], 20.0, what="the file that was there")
    assert dm_start_daq(EXPERIMENT, str(data))["id"] == daq["id"], "the active one"
    for spelling in (str(data), f"{data}/", f"{data}/sub/.."):
        found = dm_get_experiment_datadir_active_daq(EXPERIMENT, spelling)
        assert found is not None and found["id"] == daq["id"]
    assert dm_get_experiment_datadir_active_daq(EXPERIMENT, f"@host:{data}") is None
    assert dm_get_experiment_datadir_active_daq("other", str(data)) is None
    dm_stop_daq(EXPERIMENT, str(data))
    wait_until(lambda: dm_get_experiment_datadir_active_daq(EXPERIMENT, str(data)) is None, 20.0, what="it has stopped")
    (ended,) = (one for one in dm_get_daqs(EXPERIMENT) if one["id"] == daq["id"])
    assert (ended["status"], ended["nProcessedFiles"], ended.getDictRep("DEFAULT")["id"]) == ("done", 1, daq["id"])
    assert dm_get_daqs("other") == []


def test_a_refused_daq_says_why(data: Path) -> None:
    from dmioc.devices import dm_start_daq

    with pytest.raises(RefusedError, match="none-such"):
        dm_start_daq("none-such", str(data))
    with pytest.raises(RefusedError, match="dataDirectory takes an absolute path"):
        dm_start_daq(EXPERIMENT, "relative/path")


def test_uploads_of_a_file_and_of_a_directory(gateway: GatewayProcess, data: Path) -> None:
    from dmioc.devices import dm_daq_wait_upload_plan, dm_get_experiment_file, dm_upload, wait_dm_upload

    tree = data / "run.1"  # a directory with an extension
    tree.mkdir()
    for name in ("one.dat", "two.dat"):
        (tree / name).write_bytes(secrets.token_bytes(50))
    below = secrets.token_hex(4)
    dm_upload(EXPERIMENT, str(tree), experimentFilePath="one.dat", destDirectory=below)
    run(wait_dm_upload(EXPERIMENT, f"{below}/one.dat", timeout=60, poll_period=0.1))
    entry = dm_get_experiment_file(EXPERIMENT, f"{below}/one.dat")
    assert (entry["experimentFilePath"], entry["fileSize"]) == (f"{below}/one.dat", 50)
    assert stored(gateway, below) == ["one.dat"]
    upload = dm_upload(
        EXPERIMENT, str(tree), destDirectory=f"{below}/all", processingMode="directory", reprocessFiles=True
    )
    run(dm_daq_wait_upload_plan(upload["id"], period=0.1))
    assert stored(gateway, f"{below}/all") == ["one.dat", "two.dat"]


def test_an_upload_of_nothing_is_no_success(data: Path) -> None:
    from dmioc.devices import UploadFailedError, dm_daq_wait_upload_plan, dm_upload

    upload = dm_upload(EXPERIMENT, str(data), destDirectory=secrets.token_hex(4))
    with pytest.raises(UploadFailedError, match="no new files for upload") as caught:
        run(dm_daq_wait_upload_plan(upload["id"], period=0.1))
    assert isinstance(caught.value, ValueError), "as apstools raises"
    with pytest.raises(RefusedError, match="does not know upload none"):
        run(dm_daq_wait_upload_plan("none", period=0.1))


def test_waits_end_at_their_time_and_when_dm_or_the_plan_is_away(
    gateway: GatewayProcess, station: CaClient, data: Path
) -> None:
    from bluesky.utils import RunEngineInterrupted

    from dmioc.devices import wait_dm_upload

    with pytest.raises(TimeoutError, match=r"file none\.dat in experiment demo: not within 0\.3 s") as caught:
        run(wait_dm_upload(EXPERIMENT, "none.dat", timeout=0.3, poll_period=0.1))
    assert isinstance(caught.value, WaitTimeoutError)
    with run_engine() as engine:
        actor = threading.Thread(target=lambda: (wait_until(waiting, 10.0), engine.abort()))
        actor.start()
        with pytest.raises(RunEngineInterrupted):
            engine(wait_dm_upload(EXPERIMENT, "none.dat", timeout=999_999, poll_period=999_999))
        actor.join()
    wait_until(lambda: not waiting(), 5.0, what="the thread ends with the plan")


@pytest.mark.parametrize("away", ["gateway", "DM"])
def test_a_wait_ends_when_nobody_has_answered_for_too_long(
    gateway: GatewayProcess, station: CaClient, away: str
) -> None:
    from dmioc.devices import StationRpc
    from dmioc.devices.polled import polled

    station.put("LostAfter", 0.5)
    rpc = StationRpc(gateway.prefix, timeout_s=5.0)
    hanging = DmControl(gateway.state / "localdm").hanging()
    answered: list[int] = []

    def look() -> None:
        rpc.call("experiment", name=EXPERIMENT)
        answered.append(1)
        if len(answered) == 2:
            rpc.timeout_s = 0.3 if away == "gateway" else 3.0  # in which the gateway itself answers, however busy it is
            gateway.kill() if away == "gateway" else hanging.__enter__()

    # The gateway may say first that DM does not answer, or the caller's own time may end first.
    expected = (GatewayLostError,) if away == "gateway" else (WaitTimeoutError, CommandFailedError)
    try:
        with pytest.raises(expected, match=r"experiment|DM"):
            polled(rpc, look, left=threading.Event(), period_s=0.1, timeout_s=999_999, what="nothing")
    finally:
        if away == "gateway":
            gateway.start()
            station.close(clear_channels=True)
        else:
            hanging.__exit__(None, None, None)
        station.put("LostAfter", 60.0)


def test_experiments() -> None:
    from dmioc.devices import (
        dm_get_experiment_path,
        dm_get_experiments,
        dm_station_name,
        validate_experiment_dataDirectory,
    )

    (demo,) = dm_get_experiments()
    assert (demo["name"], demo.data["experimentStation"]["name"]) == (EXPERIMENT, "DEMO")
    table = dm_get_experiments(table=True)
    assert list(table.labels) == ["id", "name", "startDate", "experimentType", "experimentStation"]
    assert table.rows[0][:2] == [demo["id"], EXPERIMENT]
    assert EXPERIMENT in str(dm_get_experiments(keys=["name", "nonsense"], table=True, default_value="?"))
    assert list(dm_get_experiments(keys=[], table=True).labels)[:2] == ["id", "name"]
    path = dm_get_experiment_path(EXPERIMENT)
    assert path is not None and path.name == EXPERIMENT
    validate_experiment_dataDirectory(EXPERIMENT)
    with pytest.raises(RefusedError, match="does not know Experiment none"):
        validate_experiment_dataDirectory("none")
    assert dm_station_name() == "demo"


def test_workflows() -> None:
    from dmioc.devices import dm_get_workflow, get_workflow_last_stage

    workflow = dm_get_workflow("example-01")
    assert (workflow["owner"], workflow["stages"]["02-MKDIR"]["command"][:10]) == ("dmioc", "/bin/mkdir")
    assert get_workflow_last_stage("example-01") == "06-DONE"
    with pytest.raises(RefusedError, match="does not know Workflow none"):
        dm_get_workflow("none")


def test_a_file_is_ready_when_it_is_stored(data: Path) -> None:
    from dmioc.devices import dm_file_ready_to_process, dm_upload, wait_dm_upload

    below = secrets.token_hex(4)
    (data / "one.dat").write_bytes(b"1")
    assert dm_file_ready_to_process(f"{below}/one.dat", EXPERIMENT) is False
    dm_upload(EXPERIMENT, str(data), destDirectory=below)
    run(wait_dm_upload(EXPERIMENT, f"{below}/one.dat", timeout=60, poll_period=0.1))
    assert dm_file_ready_to_process(f"{below}/one.dat", EXPERIMENT, retrieveMd5Sum=True) is True
    with pytest.raises(RefusedError, match="compression='zip'"):
        dm_file_ready_to_process("one.dat", EXPERIMENT, "zip")


class Run(dict[str, Any]):
    """A run as databroker gives it: streams by name, each an attribute too, each with metadata."""

    def __init__(self, uid: str) -> None:
        stream = SimpleNamespace(metadata={"descriptors": [{"data_keys": {"det": {"shape": np.array([2, 3])}}}]})
        super().__init__(primary=stream)
        self.primary = stream
        self.metadata = {"start": {"uid": uid, "time": 1795000000.25}, "stop": {}}


def test_metadata_of_a_run(gateway: GatewayProcess, caplog: pytest.LogCaptureFixture) -> None:
    from dmioc.devices import build_run_metadata_dict, share_bluesky_metadata_with_dm

    uid = secrets.token_hex(16)
    added = share_bluesky_metadata_with_dm(EXPERIMENT, "example-01", Run(uid))
    assert added is not None and added["datasetName"] == f"run_uid8_{uid[:8]}"
    dataset = GatewayDm(gateway).dataset(EXPERIMENT, f"run_uid8_{uid[:8]}")
    assert (dataset["bluesky_run_uid"], dataset["workflow_name"]) == (uid, "example-01")
    assert dataset["time_iso8601"] == added["time_iso8601"]
    assert dataset["time_iso8601"].startswith("2026-11-1")
    assert dataset["bluesky_metadata"]["primary"]["descriptors"][0]["data_keys"]["det"]["shape"] == [2, 3]
    with caplog.at_level(logging.ERROR):
        assert share_bluesky_metadata_with_dm(EXPERIMENT, "example-01", Run(uid)) is None, "the name is in use"
    assert "metadata of run" in caplog.text
    with pytest.raises(RefusedError, match="run_uid8"):
        share_bluesky_metadata_with_dm(EXPERIMENT, "example-01", Run(uid), should_raise=True)
    assert build_run_metadata_dict({"title": "mine"}, filePath="x")["data_management"] == {"filePath": "x"}


def test_a_cache_waits_for_all_and_reports(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    from dmioc.devices import DM_WorkflowCache, DM_WorkflowConnector

    (data / "one.dat").write_bytes(b"1")
    cache, empty = DM_WorkflowCache(), DM_WorkflowCache()
    for key in ("first", "second"):
        connector = DM_WorkflowConnector(name=key, workflow="example-01", filePath=str(data / "one.dat"))
        connector.polling_period.put(0.1)
        connector.start_workflow()
        cache.define_workflow(key, connector)
    assert not empty.cache, "each has its own"
    with pytest.raises(KeyError, match="first"):
        cache.define_workflow("first", None)  # pyright: ignore[reportArgumentType]
    with caplog.at_level(logging.INFO):
        run(cache.wait_workflows(period=0.2))
        summary = cache.print_cache_summary("All")
        output = cache.report_dm_workflow_output("04-MD5SUM")
    assert [line.split()[1:3] for line in summary.splitlines()[4:6]] == [["first", "done"], ["second", "done"]]
    assert output.count("c4ca4238a0b923820dcc509a6f75849b") == 2
    assert summary in caplog.text
    cache._update_processing_data()
    for connector in cache.cache.values():
        connector.destroy()
