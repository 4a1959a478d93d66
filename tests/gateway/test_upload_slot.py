"""Upload slots through Channel Access: real files, a real local DM."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_dm import GatewayDm, md5s
from gateway_monitor import values, watched
from gateway_process import CaClient, GatewayProcess
from waiting import wait_until

IDLE = {"Mode": "Files", "Reprocess": "No", "Workflow": "", "WorkflowArgs": "", "Options": "", "WaitTimeout": 60.0}
ENDED = {"FilesWaiting": 0, "FilesFailed": 0, "Percent": 100.0, "Status": "Done", "StatusText": "done", "Rate": 0.0}


@pytest.fixture
def dm(gateway: GatewayProcess) -> GatewayDm:
    return GatewayDm(gateway)


@pytest.fixture
def dest() -> str:
    """A new subdirectory in the experiment."""
    return f"up-{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
def stopped(ca: CaClient) -> Iterator[None]:
    """No test leaves an upload behind."""
    yield
    for slot in ("UPL1:", "UPL2:"):
        if ca.get(f"{slot}Status") == "Running":
            ca.command(f"{slot}Stop")
        ca.wait_for(f"{slot}Run", "Idle", timeout_s=60)


def prepare(ca: CaClient, path: Path | str, dest: str, slot: str = "UPL1:", **more: object) -> None:
    ca.puts(slot, **(IDLE | {"SourcePath": str(path), "DestDirectory": dest} | more))


def stored(ca: CaClient, dest: str) -> Path:
    return Path(ca.get("EXP:DataDirectory")) / dest


def tree(directory: Path, files: int) -> int:
    """Make a tree of files; answers their size in bytes."""
    for index in range(files):
        path = directory / f"folder {index % 3}" / f"f{index}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"file {index}".encode() * index)
    (directory / "äö").mkdir()
    (directory / "äö" / "übung.txt").write_bytes(b"names in UTF-8")
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_one_file(ca: CaClient, dm: GatewayDm, data: Path, dest: str) -> None:
    (data / "other.dat").write_bytes(b"not asked for")
    path = data / "one file.dat"
    path.write_bytes(b"asked for")
    prepare(ca, path, dest)
    state, message = ca.command("UPL1:Run")
    assert (state, message) == ("OK", f"Run: upload {ca.get('UPL1:ID')} is Done, 1 of 1 files")
    assert md5s(stored(ca, dest)) == dm.catalogued("demo", dest) == {"one file.dat": md5s(data)["one file.dat"]}
    assert {name: ca.get(f"UPL1:{name}") for name in ENDED} == ENDED
    readbacks = ("SourcePath_RBV", "DataDirectory_RBV", "DestDirectory_RBV", "Experiment_RBV", "LastFile")
    expected = [str(path), str(data), dest, "demo", f"{dest}/one file.dat"]
    assert [ca.get(f"UPL1:{name}") for name in readbacks] == expected
    assert (ca.get("UPL1:FilesTotal"), ca.get("UPL1:Bytes"), ca.get("UPL1:Error")) == (1, 9.0, "")
    assert ca.get("UPL1:StartTime") <= ca.get("UPL1:EndTime")
    assert ca.severity("UPL1:Status") == 0
    assert ca.command("UPL1:Wait")[0] == "OK", "Wait on an upload that is done ends at once"


@pytest.mark.parametrize(("mode", "ending"), [("Files", ""), ("Directory", "/")])
def test_directory(ca: CaClient, dm: GatewayDm, data: Path, dest: str, mode: str, ending: str) -> None:
    size = tree(data, 30)
    prepare(ca, f"{data}{ending}", dest, Mode=mode)
    assert ca.command("UPL1:Run")[0] == "OK", ca.outcome("UPL1:")
    assert md5s(stored(ca, dest)) == md5s(data) == dm.catalogued("demo", dest)
    assert {name: ca.get(f"UPL1:{name}") for name in ENDED} == ENDED
    assert (ca.get("UPL1:FilesTotal"), ca.get("UPL1:FilesDone"), ca.get("UPL1:Bytes")) == (31, 31, size)
    assert ca.get("UPL1:SourcePath_RBV") == f"{data}{ending}"
    ca.put("UPL1:SourcePath", "/other")
    assert ca.get("UPL1:SourcePath_RBV") == f"{data}{ending}", "the readback is the upload's"


def test_unchanged_files_again(ca: CaClient, data: Path, dest: str) -> None:
    tree(data, 5)
    prepare(ca, data, dest)
    assert ca.command("UPL1:Run")[0] == "OK"
    state, message = ca.command("UPL1:Run")
    assert state == "Failed" and "no new files" in message, message
    ca.put("UPL1:Reprocess", "Yes")
    assert ca.command("UPL1:Run")[0] == "OK"
    assert ca.get("UPL1:FilesDone") == 6
    ca.put("UPL1:Reprocess", "No")
    (data / "new.dat").write_bytes(b"only this one is new")
    assert ca.command("UPL1:Run")[0] == "OK"
    assert ca.get("UPL1:FilesDone") == 1
    assert md5s(stored(ca, dest)) == md5s(data)


def test_empty_upload_has_failed(ca: CaClient, data: Path, dest: str) -> None:
    prepare(ca, data, dest)
    state, message = ca.command("UPL1:Run")
    assert state == "Failed" and "no new files for upload" in message, message
    assert (ca.get("UPL1:Status"), ca.get("UPL1:Error")) == ("Failed", "no new files for upload")
    assert ca.get("UPL1:StatusText") == "done", "DM's own word"
    assert (ca.severity("UPL1:Status"), ca.get("UPL1:FilesTotal")) == (2, 0)
    assert ca.command("UPL1:Wait")[0] == "Failed"


@pytest.mark.parametrize("mode", ["Files", "Directory"])
def test_upload_with_a_file_that_cannot_be_stored(ca: CaClient, data: Path, dest: str, mode: str) -> None:
    (stored(ca, dest) / "bad.dat" / "in the way").mkdir(parents=True)
    (data / "bad.dat").write_bytes(b"never arrives")
    (data / "good.dat").write_bytes(b"arrives")
    prepare(ca, data, dest, Mode=mode)
    state, message = ca.command("UPL1:Run")
    assert state == "Failed" and "is Failed" in message, message
    assert (ca.get("UPL1:Status"), ca.severity("UPL1:Status")) == ("Failed", 2)
    assert ca.get("UPL1:Error") != ""
    if mode == "Files":
        assert [ca.get(f"UPL1:Files{name}") for name in ("Total", "Done", "Failed")] == [2, 1, 1]
        assert ca.severity("UPL1:FilesFailed") == 1
        assert "bad.dat" in ca.get("UPL1:Error") and "bad.dat" in message
        assert (stored(ca, dest) / "good.dat").read_bytes() == b"arrives"


def big_files(directory: Path, files: int, size_bytes: int) -> None:
    for index in range(files):
        with (directory / f"big{index:02d}").open("wb") as file:
            file.truncate(size_bytes)


def test_progress_is_seen_and_stop_aborts(ca: CaClient, data: Path, dest: str) -> None:
    big_files(data, 60, 30_000_000)
    prepare(ca, data, dest)
    with watched(f"{ca.prefix}UPL1:FilesDone") as done, watched(f"{ca.prefix}UPL1:Status") as status:
        ca.put("UPL1:Run", 1, wait=False)
        ca.wait_for("UPL:Active", 1)
        ca.wait_for("UPL1:FilesDone", lambda count: count >= 2, timeout_s=60)
        assert ca.get("UPL1:Run") == "Busy"
        assert ca.get("UPL1:Status") == "Running"
        assert 0.0 < ca.get("UPL1:Percent") < 100.0
        assert ca.get("UPL1:Bytes") >= 60_000_000
        ca.put("UPL1:Stop", 1, timeout_s=60)
        ca.wait_for("UPL1:Run", "Idle")
        wait_until(lambda: status[-1].value == 6, what="the monitor sees Aborted")
        assert status[-1].severity == 1
        counts = values(done)
        assert counts[-1] < 60 and len(set(counts)) >= 2
        assert counts[counts.index(0) :] == sorted(counts[counts.index(0) :])
    assert (ca.get("UPL1:Status"), ca.severity("UPL1:Status")) == ("Aborted", 1)
    state, message = ca.outcome("UPL1:")
    assert (state, message.split(":")[0]) in {("Failed", "Run"), ("OK", "Stop")} and "is Aborted" in message
    kept = md5s(stored(ca, dest))
    assert len(kept) == ca.get("UPL1:FilesDone"), "what counts as done is stored, and nothing else"
    assert {path.stat().st_size for path in stored(ca, dest).iterdir()} == {30_000_000}
    ca.wait_for("UPL:Active", 0)
    assert ca.command("UPL1:Stop")[0] == "Refused"


def test_busy_slot_refuses_another_upload(ca: CaClient, data: Path, dest: str) -> None:
    big_files(data, 20, 30_000_000)
    prepare(ca, data, dest)
    assert ca.command("UPL1:Start")[0] == "OK"
    upload = ca.get("UPL1:ID")
    state, message = ca.command("UPL1:Start")
    assert state == "Refused" and upload in message
    ca.put("UPL1:WaitTimeout", 0.1)
    state, message = ca.command("UPL1:Wait")
    assert state == "Failed" and "0.1 s" in message
    assert ca.get("UPL1:Status") == "Running", "a wait that ends does not end the upload"
    ca.put("UPL1:WaitTimeout", 60.0)
    assert ca.command("UPL1:Stop")[0] == "OK"
    assert ca.get("UPL1:ID") == upload


def test_two_slots_upload_side_by_side(ca: CaClient, data: Path, dest: str) -> None:
    big_files(data, 20, 30_000_000)
    prepare(ca, data, dest)
    small = data.with_name("small.dat")
    small.write_bytes(b"small")
    prepare(ca, small, dest, slot="UPL2:")
    ca.put("UPL1:Start", 1, wait=False)
    assert ca.command("UPL2:Run")[0] == "OK"
    ca.wait_for("UPL1:Start", "Idle")
    assert ca.command("UPL1:Wait", timeout_s=60)[0] == "OK"
    assert ca.get("UPL1:FilesDone") == 20 and ca.get("UPL2:FilesDone") == 1


@pytest.mark.parametrize(
    ("setpoints", "words"),
    [
        ({"SourcePath": ""}, ["SourcePath", "empty"]),
        ({"SourcePath": "/does/not/exist"}, ["/does/not/exist"]),
        ({"SourcePath": "/does/not/exist.h5"}, ["/does/not", "not exist"]),
        ({"SourcePath": "relative.h5"}, ["absolute"]),
        ({"Options": '{"processingMode": "files"}'}, ["processingMode", "Options"]),
        ({"Options": "nonsense"}, ["Options", "JSON"]),
        ({"DestDirectory": "/absolute"}, ["destDirectory"]),
        ({"WorkflowArgs": "{}", "Workflow": ""}, []),
    ],
)
def test_what_is_refused(ca: CaClient, data: Path, setpoints: dict[str, str], words: list[str]) -> None:
    prepare(ca, data, "", slot="UPL2:", **setpoints)
    state, message = ca.command("UPL2:Run")
    if words:
        assert state == "Refused" and all(word in message for word in words), message
    else:
        assert "no new files" in message, message


def test_options_reach_dm(ca: CaClient, data: Path, dest: str) -> None:
    tree(data, 3)
    (data / "skip.tmp").write_bytes(b"x")
    prepare(ca, data, dest, Options=json.dumps({"excludeFileExtensions": "tmp"}))
    assert ca.command("UPL1:Run")[0] == "OK"
    assert ca.get("UPL1:FilesTotal") == 4
    assert not (stored(ca, dest) / "skip.tmp").exists()


def test_without_an_experiment_nothing_starts(ca: CaClient, data: Path) -> None:
    prepare(ca, data, "", slot="UPL2:")
    for name, word in (("", "EXP:Name"), ("unknown experiment", "unknown experiment")):
        ca.put("EXP:Name", name)
        try:
            state, message = ca.command("UPL2:Start")
            assert state == "Refused" and word in message, message
        finally:
            ca.put("EXP:Name", "demo")
