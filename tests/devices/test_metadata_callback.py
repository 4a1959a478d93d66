"""DMMetadata with a real RunEngine, gateway and local DM: what a session's users see of it."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.plans import count
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engines import run, run_engine
from waiting import wait_until

from dmioc.devices import DMMetadata
from dmioc.devices.json_values import LEFT_OUT

SENT_S = 10.0


@pytest.fixture
def engine() -> Iterator[RunEngine]:
    with run_engine() as one:
        yield one


@pytest.fixture
def det() -> Any:
    """A detector; ophyd starts libca, so it must not be imported before the environment is right."""
    return import_module("ophyd.sim").det


@pytest.fixture
def motor() -> Any:
    return import_module("ophyd.sim").motor


@pytest.fixture
def callback(ca: CaClient, engine: RunEngine, tmp_path: Path) -> Iterator[DMMetadata]:
    """Subscribed, with a spool of its own and quick retries."""
    one = DMMetadata(ca.prefix, spool_directory=tmp_path / "spool", retry_period_s=0.2, timeout_s=2.0)
    engine.subscribe(one)
    with one:
        yield one


@pytest.fixture
def dm(gateway: GatewayProcess) -> GatewayDm:
    return GatewayDm(gateway)


def metadata_of(dm: GatewayDm, run_uid: str, experiment: str = "demo") -> dict[str, Any]:
    """What DM has of a run."""
    dataset = dm.dataset(experiment, f"run_uid8_{run_uid[:8]}")
    assert dataset["bluesky_run_uid"] == run_uid
    return dict(dataset["bluesky_metadata"])


def new_experiment(ca: CaClient) -> str:
    name = f"run-metadata-{secrets.token_hex(4)}"
    ca.put("EXP:New:Name", name)
    assert ca.command("EXP:New:Create")[0] == "OK"
    return name


def files_in(callback: DMMetadata) -> list[Path]:
    return sorted(callback.spool_directory.glob("*.json"))


def test_a_run_is_a_dataset_after_its_stop(
    engine: RunEngine, callback: DMMetadata, dm: GatewayDm, det: Any, motor: Any
) -> None:
    (uid,) = run(engine, bpp.baseline_wrapper(count([det], num=3), [motor]), sample="copper")
    assert callback.flush(SENT_S)
    found = metadata_of(dm, uid)
    assert set(found) == {"start", "descriptors", "stop"}
    assert (found["start"]["uid"], found["start"]["sample"]) == (uid, "copper")
    assert {descriptor["name"] for descriptor in found["descriptors"]} == {"baseline", "primary"}
    assert "det" in found["descriptors"][1]["data_keys"]
    assert (found["stop"]["exit_status"], found["stop"]["num_events"]["primary"]) == ("success", 3)
    assert callback.pending == 0
    assert files_in(callback) == []


def test_interleaved_runs_are_told_apart(
    engine: RunEngine, callback: DMMetadata, dm: GatewayDm, det: Any, motor: Any
) -> None:
    def plan() -> Any:
        for key in ("outer", "inner"):
            yield from bpp.set_run_key_wrapper(bps.open_run(md={"which": key}), key)
        for key, detector in (("inner", det), ("outer", motor), ("outer", det)):
            name = f"{key}-{detector.name}"
            yield from bpp.set_run_key_wrapper(bps.trigger_and_read([detector], name=name), key)
        for key in ("outer", "inner"):
            yield from bpp.set_run_key_wrapper(bps.close_run(), key)

    uids = run(engine, plan())
    assert callback.flush(SENT_S)
    found = {which["start"]["which"]: which for which in (metadata_of(dm, uid) for uid in uids)}
    streams = {key: [one["name"] for one in which["descriptors"]] for key, which in found.items()}
    assert streams == {"outer": ["outer-motor", "outer-det"], "inner": ["inner-det"]}


def test_a_failed_run_is_sent_too(engine: RunEngine, callback: DMMetadata, dm: GatewayDm) -> None:
    uids: list[str] = []

    def plan() -> Any:
        uids.append((yield from bps.open_run()))
        raise ValueError("the sample fell off")

    with pytest.raises(ValueError, match="fell off"):
        run(engine, plan())
    assert callback.flush(SENT_S)
    stop = metadata_of(dm, uids[0])["stop"]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "the sample fell off")


@pytest.mark.parametrize("named_by", ["argument", "start document", "station"])
def test_which_experiment(
    named_by: str,
    engine: RunEngine,
    ca: CaClient,
    dm: GatewayDm,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    det: Any,
) -> None:
    """The argument before the run's own key before the station's."""
    name, other = new_experiment(ca), "demo"
    request.addfinalizer(lambda: ca.put("EXP:Name", "demo"))
    ca.put("EXP:Name", name if named_by == "station" else other)
    start = {"argument": {"dm_experiment": other}, "start document": {"dm_experiment": name}, "station": {}}[named_by]
    argument = name if named_by == "argument" else ""
    with DMMetadata(ca.prefix, experiment=argument, workflow="example-01", spool_directory=tmp_path) as callback:
        engine.subscribe(callback)
        (uid,) = run(engine, count([det], md=start))
        assert callback.flush(SENT_S)
    assert metadata_of(dm, uid, name)["start"]["uid"] == uid
    assert dm.dataset(name, f"run_uid8_{uid[:8]}")["workflow_name"] == "example-01"


def test_a_run_belongs_to_the_experiment_in_use_at_its_end(
    engine: RunEngine, ca: CaClient, dm: GatewayDm, tmp_path: Path, request: pytest.FixtureRequest, det: Any
) -> None:
    """It is refused at first; that the next users come in the meantime does not change whose it is."""
    request.addfinalizer(lambda: ca.put("EXP:Name", "demo"))
    name = f"not-yet-{secrets.token_hex(4)}"
    ca.put("EXP:Name", name)
    with DMMetadata(ca.prefix, spool_directory=tmp_path, retry_period_s=0.1) as callback:
        engine.subscribe(callback)
        (uid,) = run(engine, count([det]))
        assert not callback.flush(SENT_S)
        ca.put("EXP:Name", "demo")
        ca.put("EXP:New:Name", name)
        assert ca.command("EXP:New:Create")[0] == "OK"
        wait_until(lambda: callback.pending == 0, what="the run is sent by itself")
    assert metadata_of(dm, uid, name)["start"]["uid"] == uid


def test_no_experiment_at_all_waits_for_one(
    engine: RunEngine, callback: DMMetadata, ca: CaClient, dm: GatewayDm, caplog: pytest.LogCaptureFixture, det: Any
) -> None:
    ca.put("EXP:Name", "")
    try:
        (uid,) = run(engine, count([det]))
        assert not callback.flush(SENT_S)
        assert len(files_in(callback)) == 1
        assert f"no experiment: give one to DMMetadata, or put {ca.prefix}EXP:Name" in caplog.text
    finally:
        ca.put("EXP:Name", "demo")
    wait_until(lambda: callback.pending == 0, what="the run is sent by itself")
    assert metadata_of(dm, uid)["start"]["uid"] == uid


def test_what_dm_refuses_holds_up_nothing_and_is_named_once(
    engine: RunEngine, callback: DMMetadata, dm: GatewayDm, caplog: pytest.LogCaptureFixture, det: Any
) -> None:
    (refused,) = run(engine, count([det], md={"dm_experiment": "nobody-knows"}))
    (good,) = run(engine, count([det]))
    assert not callback.flush(SENT_S)
    assert metadata_of(dm, good)["start"]["uid"] == good
    assert callback.pending == 1
    [waiting] = files_in(callback)
    assert refused in waiting.name
    wait_until(lambda: callback._threads is not None and callback._threads.sender._setbacks[waiting.name].attempts > 2)
    lines = [record.getMessage() for record in caplog.records if str(waiting) in record.getMessage()]
    assert len(lines) <= 2 and "is not sent and is tried again: nobody-knows: " in lines[0]  # twice: flush tries anew


def test_a_name_in_use_by_another_run_loses_neither(callback: DMMetadata, dm: GatewayDm) -> None:
    """Datasets are named by 8 characters of the uid; and sending the same run again adds nothing."""
    head = secrets.token_hex(4)
    first, second = f"{head}-1", f"{head}-2"
    for uid in (first, second, second):
        callback("start", {"uid": uid, "time": 0.0})
        callback("stop", {"uid": "x", "run_start": uid, "time": 1.0})
        assert callback.flush(SENT_S)
    assert metadata_of(dm, first)["start"]["uid"] == first
    assert dm.dataset("demo", f"run_uid_{second}")["bluesky_metadata"]["start"]["uid"] == second
    assert len([one for one in dm.datasets("demo") if one["bluesky_run_uid"] == second]) == 1


def test_values_that_json_does_not_know(engine: RunEngine, callback: DMMetadata, dm: GatewayDm) -> None:
    odd = {
        "array": np.arange(3), "number": np.float32(0.5), "set": {"b", "a"}, "nothing": float("nan"),
        "when": datetime(2026, 11, 21, 9, 30), "path": Path("/data"), "name": "Sonja Köhler 試料", "raw": b"\xff",
        "big": 2**70, 3: "three",
    }  # fmt: skip
    uid = secrets.token_hex(16)
    callback("start", {"uid": uid, "time": 0.0, "odd": odd})
    callback("stop", {"uid": "x", "run_start": uid, "time": 1.0})
    assert callback.flush(SENT_S)
    assert metadata_of(dm, uid)["start"]["odd"] == {
        "array": [0, 1, 2], "number": 0.5, "set": ["a", "b"], "nothing": "NaN", "when": "2026-11-21T09:30:00",
        "path": "/data", "name": "Sonja Köhler 試料", "raw": "\\xff", "big": str(2**70), "3": "three",
    }  # fmt: skip


def test_metadata_that_are_too_long_are_shortened_in_words_and_kept_whole(
    engine: RunEngine, callback: DMMetadata, dm: GatewayDm, det: Any
) -> None:
    (uid,) = run(engine, count([det]), positions=list(range(300_000)), sample="copper")
    assert callback.flush(SENT_S)
    found = metadata_of(dm, uid)
    assert found["start"]["sample"] == "copper" and found["stop"]["exit_status"] == "success"
    assert found["start"]["positions"].startswith("(left out: ")
    assert (found[LEFT_OUT]["count"], found[LEFT_OUT]["values"]) == (1, ["start.positions"])
    whole = json.loads(Path(found[LEFT_OUT]["kept"]).read_text("utf-8"))
    assert whole["start"]["positions"][-1] == 299_999
    assert callback.pending == 0


def test_nothing_is_started_before_the_first_document(tmp_path: Path) -> None:
    before = threading.active_count()
    callback = DMMetadata("H5:NOBODY:", spool_directory=tmp_path / "spool")
    assert (callback.pending, threading.active_count(), list(tmp_path.iterdir())) == (0, before, [])
    callback("event", {"descriptor": "x"})
    assert threading.active_count() == before
    assert callback.close()


@pytest.mark.parametrize("state", ["", "relative", "/absolute/state"])
def test_the_spool_is_where_users_state_belongs(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("DMIOC_PREFIX", "25IDC:DM:")
    root = state if state.startswith("/") else "/home/somebody/.local/state"
    assert str(DMMetadata().spool_directory) == f"{root}/dmioc/metadata/25IDC%3ADM%3A"
