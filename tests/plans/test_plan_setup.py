"""``setup_user`` and ``send_metadata``: what DM then holds, and what happens while DM is away."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

import numpy
import pytest
from dm_control import DmControl
from gateway_dm import GatewayDm, md5s
from gateway_process import CaClient, GatewayProcess
from run_engine import Engine

from dmioc.errors import CommandFailedError, RefusedError
from dmioc.plans import send_metadata, setup_user, stop_daq, wait_daq


def test_all_of_it(engine: Engine, ca: CaClient, gateway: GatewayProcess, tmp_path: Path, file: Path) -> None:
    ca.put("EXP:Name", "")
    data, dest = tmp_path / "data", secrets.token_hex(4)
    data.mkdir()
    outcome = engine.run(setup_user("demo", str(data), dest, str(file), upload_directory=f"{dest}/setup"))
    assert (outcome.experiment, outcome.state, outcome.warnings) == ("demo", "Loaded", ())
    assert (ca.get("EXP:Name"), ca.get("EXP:State")) == ("demo", "Loaded")
    assert outcome.daq is not None and (outcome.daq.directory, outcome.daq.status) == (str(data), "Running")
    assert outcome.upload is not None and outcome.upload.is_done
    (data / "1.dat").write_bytes(b"1")
    engine.run(wait_daq(1))
    engine.run(stop_daq())
    stored = GatewayDm(gateway).catalogued("demo", dest)
    assert stored == {**md5s(data), f"setup/{file.name}": md5s(file.parent)[file.name]}
    assert engine.documents == [], "it opens no run"


def test_experiment_alone(engine: Engine, ca: CaClient) -> None:
    ca.put("EXP:Name", "")
    assert engine.run(setup_user(" demo ")).state == "Loaded"
    assert ca.get("EXP:Name") == "demo"


def test_unknown_experiment(engine: Engine, ca: CaClient, tmp_path: Path) -> None:
    with pytest.raises(
        RefusedError, match="DM does not know the experiment nobodys: create it in DM, or correct the name"
    ):
        engine.run(setup_user("nobodys", str(tmp_path)))
    assert ca.get("DAQ:Active") == 0
    with pytest.raises(ValueError, match="not an empty text"):
        engine.run(setup_user(""))
    engine.run(setup_user("demo"))
    with pytest.raises(RefusedError, match="/does/not/exist"):
        engine.run(setup_user("demo", "/does/not/exist"))


def test_dm_is_away(
    engine: Engine, ca: CaClient, dm: DmControl, tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """DM down at setup must not stop the run (``field-notes.md §2.1``)."""
    with dm.hanging():
        ca.wait_for("DS:State", "Disconnected", timeout_s=60)
        outcome = engine.run(setup_user("demo", str(tmp_path), upload_file=str(file)))
        assert engine.took_s < 15.0
        assert (outcome.state, outcome.daq, outcome.upload) == ("Unverified", None, None)
        assert [line.split(":")[0] for line in outcome.warnings] == [
            "the experiment demo is not checked",
            f"no DAQ was started for {tmp_path}",
            f"{file} was not uploaded",
        ]
        assert f"DM does not answer: no DAQ was started for {tmp_path}" in caplog.text
        with pytest.raises(CommandFailedError, match="DM does not answer: the experiment demo is not checked"):
            engine.run(setup_user("demo", must_reach_dm=True))
    ca.wait_for("EXP:State", "Loaded", timeout_s=60)


def test_metadata(engine: Engine, gateway: GatewayProcess) -> None:
    uid = secrets.token_hex(16)
    metadata = {"numbers": numpy.arange(3), "when": datetime(2026, 11, 21), "sample": "Grünerit", "nan": float("nan")}
    outcome = engine.run(send_metadata(uid, metadata, workflow="example-01"))
    assert (outcome.run_uid, outcome.experiment, outcome.dataset) == (uid, "demo", f"run_uid8_{uid[:8]}")
    stored = GatewayDm(gateway).dataset("demo", outcome.dataset)
    assert (stored["bluesky_run_uid"], stored["workflow_name"]) == (uid, "example-01")
    assert stored["bluesky_metadata"]["sample"] == "Grünerit"
    assert stored["bluesky_metadata"]["numbers"] == [0, 1, 2]
    # Another run whose uid begins alike.
    other = uid[:8] + secrets.token_hex(12)
    assert engine.run(send_metadata(other, {"a": 1})).dataset == f"run_uid_{other}"
    with pytest.raises(RefusedError, match="nobodys"):
        engine.run(send_metadata(uid, {"a": 1}, experiment="nobodys"))
