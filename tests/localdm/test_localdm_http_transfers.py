"""DAQs and uploads over HTTP, against a real localdm process (dm-protocol.md §4, §5)."""

from __future__ import annotations

import hashlib
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localdm_process import DmSaidNoError, LocalDmProcess, VendorSession, encoded, encoded_json, running_localdm
from waiting import wait_until

ENDED = ("done", "failed", "aborted")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture(scope="module")
def daq(localdm: LocalDmProcess) -> VendorSession:
    return localdm.session("DAQ")


@pytest.fixture
def experiment(localdm: LocalDmProcess) -> str:
    name = f"daq-{uuid.uuid4().hex[:10]}"
    query = {"experiment": encoded_json({"name": name})}
    localdm.session("DS").call("POST", "experiments", "addExperiment", query=query)
    return name


def send(daq: VendorSession, experiment: str, method: str, directory: Path, **info: object) -> Any:
    path = ("experimentsByName", encoded(experiment), method, encoded(str(directory)))
    return daq.call("POST", *path, query={"taskInfo": encoded_json(info)})


def ended(daq: VendorSession, kind: str, one_id: str) -> Any:
    return wait_until(lambda: (one := daq.call("GET", kind, one_id))["status"] in ENDED and one, 20.0)


def test_daq_stores_catalogues_stops_and_is_cleared(
    daq: VendorSession, localdm: LocalDmProcess, experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "old.h5").write_bytes(b"old")
    record = send(daq, experiment, "startDaq", tmp_path, processExistingFiles=True, destDirectory="run1")
    assert (record["status"], record["experimentName"], record["dataDirectory"]) == (
        "running",
        experiment,
        str(tmp_path),
    )
    (tmp_path / "new.h5").write_bytes(b"new")
    here = ("daqs", record["id"])
    wait_until(lambda: daq.call("GET", *here)["nProcessedFiles"] == 2, 20.0)
    assert record["id"] in [one["id"] for one in daq.call("GET", "daqs")]
    entry = localdm.session("CAT").call("GET", "experimentFiles", encoded(experiment), encoded("run1/sub/old.h5"))
    assert (entry["fileSize"], entry["md5Sum"]) == (3, hashlib.md5(b"old").hexdigest())
    with pytest.raises(DmSaidNoError, match="stop it first") as error:
        localdm.session("DS").call("DELETE", "experimentsByName", encoded(experiment), "DEMO")
    assert error.value.kind == "InvalidObjectState"
    send(daq, experiment, "stopDaq", tmp_path)
    assert ended(daq, "daqs", record["id"])["status"] == "done"
    daq.call("DELETE", *here)
    with pytest.raises(DmSaidNoError, match="ObjectNotFound 14"):
        daq.call("GET", *here)


def test_upload_and_nothing_new_to_upload(daq: VendorSession, experiment: str, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"a")
    first = ended(daq, "uploads", send(daq, experiment, "upload", tmp_path)["id"])
    assert (first["status"], first["countFiles"], first["nProcessedFiles"]) == ("done", 1, 1)
    second = ended(daq, "uploads", send(daq, experiment, "upload", tmp_path)["id"])
    assert (second["status"], second["countFiles"], second["errorMessage"]) == ("done", 0, "no new files for upload")
    assert {first["id"], second["id"]} <= {one["id"] for one in daq.call("GET", "uploads")}
    query = {"queryDict": encoded_json({"experimentName": experiment})}
    assert len(daq.call("GET", "uploadRecords", query=query)) == 2
    daq.call("DELETE", "uploads", first["id"])


def test_unknown_things_are_refused(daq: VendorSession, tmp_path: Path) -> None:
    for call in (
        lambda: send(daq, "none", "startDaq", tmp_path),
        lambda: send(daq, "none", "upload", tmp_path),
        lambda: send(daq, "demo", "stopDaq", tmp_path / "none"),
        lambda: daq.call("GET", "daqs", "none"),
        lambda: daq.call("POST", "uploads", "none", "stopUpload"),
    ):
        with pytest.raises(DmSaidNoError, match="ObjectNotFound 14"):
            call()
    with pytest.raises(DmSaidNoError, match="startDaq needs directory"):
        daq.call("POST", "experimentsByName", encoded("demo"), "startDaq")


def test_task_info_must_be_an_object(daq: VendorSession, tmp_path: Path) -> None:
    path = ("experimentsByName", encoded("demo"), "startDaq", encoded(str(tmp_path)))
    with pytest.raises(DmSaidNoError, match="taskInfo must be a JSON object, not '5'"):
        daq.call("POST", *path, query={"taskInfo": encoded_json(5)})


def test_plugins_and_isolation_are_none(daq: VendorSession) -> None:
    assert daq.call("GET", "processingPlugins") == []
    assert daq.call("GET", "isolation", encoded("25-ID-C")) is False
    with pytest.raises(DmSaidNoError, match="Beamline 25-ID-C is not configured for isolation"):
        daq.call("POST", "isolation", "initialize", encoded("25-ID-C"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_daq_goes_on_after_a_restart(tmp_path: Path, number: int) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with running_localdm(tmp_path / "dm") as first:
        record = send(first.session("DAQ"), "demo", "startDaq", source)
        (source / "one").write_text("1")
        wait_until(lambda: first.session("DAQ").call("GET", "daqs", record["id"])["nProcessedFiles"] == 1, 20.0)
        first.stop(number)
        assert first.stopped_in_s < 3.0
    (source / "two").write_text("2")
    with running_localdm(tmp_path / "dm") as second:
        stored = second.directory / "storage" / "DEMO" / "demo" / "data" / "two"
        wait_until(stored.exists, 20.0)
        assert second.session("DAQ").call("GET", "daqs", record["id"])["status"] == "running"
