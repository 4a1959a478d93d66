"""DAQs and uploads by plans: files of the local DM."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest
from gateway_dm import GatewayDm, md5s
from gateway_process import CaClient, GatewayProcess
from run_engine import Engine

from dmioc.errors import CommandFailedError, JobFailedError, RefusedError, WaitTimeoutError
from dmioc.plans import start_daq, stop_daq, upload, wait_daq


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory for data."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def dest() -> str:
    """A subdirectory of the experiment that no other test uses."""
    return secrets.token_hex(4)


def test_daq_from_start_to_stop(engine: Engine, ca: CaClient, gateway: GatewayProcess, data: Path, dest: str) -> None:
    daq = engine.run(start_daq(str(data), dest, options={"skipFilePathPattern": "*.tmp"}))
    assert (daq.slot, daq.status, daq.experiment, daq.attached) == ("DAQ1", "Running", "demo", False)
    assert (daq.directory, daq.dest_directory, daq.id) == (str(data), dest, ca.get("DAQ1:ID"))
    again = engine.run(start_daq(f"{data}/", dest))
    assert (again.id, again.slot, again.attached) == (daq.id, "DAQ1", True)
    (data / "é 1.dat").write_bytes(b"one")
    (data / "left.tmp").write_bytes(b"not this")
    found = engine.run(wait_daq(1, "é 1.dat"))
    assert (found.files_done, found.files_waiting, found.files_failed) == (1, 0, 0)
    (data / "2.dat").write_bytes(b"two")
    assert engine.run(wait_daq(2, str(data / "2.dat"), daq=daq)).files_done == 2
    stopped = engine.run(stop_daq())
    assert (stopped.id, stopped.status) == (daq.id, "Done")
    (data / "left.tmp").unlink()
    assert GatewayDm(gateway).catalogued("demo", dest) == md5s(data)


def test_waiting_has_an_end(engine: Engine, data: Path, dest: str) -> None:
    daq = engine.run(start_daq(str(data), dest))
    words = rf"files of DAQ {daq.id}: not within 1 s \(timeout\): Running, 0 of 0 files stored"
    with pytest.raises(WaitTimeoutError, match=words):
        engine.run(wait_daq(5, timeout=1.0))
    assert 1.0 <= engine.took_s < 4.0
    with pytest.raises(WaitTimeoutError, match="files of DAQ"):
        engine.run(wait_daq(file="never.dat", timeout=1.0))
    engine.run(stop_daq(daq))
    with pytest.raises(CommandFailedError, match=r"Wait: DAQ .* is Done: 0 of 1"):
        engine.run(wait_daq(1, daq=daq))
    with pytest.raises(RefusedError, match=r"which DAQ\? none is active: give its id"):
        engine.run(wait_daq(1))


def test_files_that_fail(engine: Engine, ca: CaClient, data: Path, dest: str) -> None:
    (Path(ca.get("EXP:DataDirectory")) / dest / "bad.dat").mkdir(parents=True)  # a directory where the file should go
    daq = engine.run(start_daq(str(data), dest))
    (data / "bad.dat").write_bytes(b"never arrives")
    with pytest.raises(CommandFailedError, match=r"Wait: 1 of 1 files failed: .*bad\.dat"):
        engine.run(wait_daq(1))
    assert engine.took_s < 10.0
    engine.run(stop_daq(daq))


def test_daqs_are_told_apart(engine: Engine, tmp_path: Path, dest: str) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    first, second = (engine.run(start_daq(str(folder), f"{dest}/{folder.name}")) for folder in folders[:2])
    assert (first.slot, second.slot) == ("DAQ1", "DAQ2")
    with pytest.raises(RefusedError, match="no slot is free, each of DAQ1, DAQ2 holds something"):
        engine.run(start_daq(str(folders[2])))
    with pytest.raises(RefusedError, match=r"which DAQ\? active are "):
        engine.run(stop_daq())
    with pytest.raises(RefusedError, match="no DAQ slot holds DAQ nothing"):
        engine.run(stop_daq("nothing"))
    (folders[1] / "file").write_bytes(b"b")
    assert engine.run(wait_daq(1, daq=second)).slot == "DAQ2"
    assert engine.run(stop_daq(slot=1)).id == first.id
    assert engine.run(stop_daq()).id == second.id


def test_refused(engine: Engine) -> None:
    with pytest.raises(RefusedError, match=r"Start: .*/does/not/exist"):
        engine.run(start_daq("/does/not/exist"))


@pytest.mark.parametrize("directory_mode", [False, True])
def test_upload(engine: Engine, gateway: GatewayProcess, data: Path, dest: str, directory_mode: bool) -> None:
    for number in range(3):
        (data / f"{number}.dat").write_bytes(bytes([number]))
    outcome = engine.run(upload(str(data), dest, directory_mode=directory_mode))
    assert (outcome.status, outcome.files_done, outcome.files_failed, outcome.error) == ("Done", 3, 0, "")
    assert (outcome.directory, outcome.experiment, outcome.slot) == (str(data), "demo", "UPL1")
    assert GatewayDm(gateway).catalogued("demo", dest) == md5s(data)
    one = engine.run(upload(str(data / "1.dat"), f"{dest}/one"))
    assert (one.files_total, one.directory) == (1, str(data / "1.dat"))


def test_upload_that_fails(engine: Engine, data: Path, dest: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(JobFailedError, match=f"upload .* of {data} is Failed: .+"):
        engine.run(upload(str(data), dest))  # there is nothing in it
    outcome = engine.run(upload(str(data), dest, on_failure="report"))
    assert (outcome.status, outcome.files_total) == ("Failed", 0)
    assert f"of {data} is Failed" in caplog.text
    with pytest.raises(RefusedError, match=r"/does/not.*does not exist"):
        engine.run(upload("/does/not/exist.dat"))


def test_upload_not_waited_for(engine: Engine, ca: CaClient, data: Path, dest: str) -> None:
    (data / "big.dat").write_bytes(bytes(5_000_000))
    began_s = time.monotonic()
    outcome = engine.run(upload(str(data), dest, wait=False))
    assert outcome.id == ca.get("UPL1:ID") and time.monotonic() - began_s < 5.0
    ca.wait_for("UPL1:Status", "Done")
