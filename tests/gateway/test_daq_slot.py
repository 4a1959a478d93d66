"""DAQ slots through Channel Access: real files, a real local DM, every byte compared."""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from gateway_dm import GatewayDm, md5s
from gateway_monitor import values, watched
from gateway_process import CaClient, GatewayProcess
from localdm_process import encoded, encoded_json
from waiting import wait_until

FILES = 2000
FOLDERS = 25
IDLE = {"Workflow": "", "WorkflowArgs": "", "Options": "", "Expect": 0, "ExpectFile": "", "WaitTimeout": 60.0}


@pytest.fixture
def dm(gateway: GatewayProcess) -> GatewayDm:
    return GatewayDm(gateway)


@pytest.fixture
def dest() -> str:
    """A new subdirectory in the experiment."""
    return f"run-{secrets.token_hex(4)}/raw data"


@pytest.fixture(autouse=True)
def stopped(ca: CaClient) -> Iterator[None]:
    """No test leaves a DAQ behind."""
    yield
    for slot in ("DAQ1:", "DAQ2:"):
        ca.wait_for(f"{slot}Stop", "Idle", timeout_s=60)
        if ca.get(f"{slot}Status") == "Running":
            ca.command(f"{slot}Stop")


def start(ca: CaClient, slot: str, directory: Path, dest: str, **more: object) -> None:
    ca.puts(slot, **(IDLE | {"DataDirectory": str(directory), "DestDirectory": dest} | more))
    assert ca.command(f"{slot}Start")[0] == "OK", ca.outcome(slot)
    assert ca.get(f"{slot}Status") == "Running"


def stored(ca: CaClient, dest: str) -> Path:
    return Path(ca.get("EXP:DataDirectory")) / dest


def content(index: int) -> bytes:
    """Bytes that differ from file to file, some files empty, one large."""
    source = random.Random(index)
    size = 5_000_000 if index == 7 else source.choice((0, 1, 100, 5_000, 20_000))
    return source.randbytes(size)


def relative(index: int) -> Path:
    folder = f"scan {index % FOLDERS:02d}"
    return Path(folder, "detector/é", f"im {index:05d}.tif") if index % 3 else Path(folder, f"im{index:05d}.tif")


def write_files(directory: Path, outside: Path, indices: range) -> None:
    """Write files: most in one go, some in several writes, some renamed into place from inside or outside of the tree."""
    for index in indices:
        path = directory / relative(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content(index)
        if index % 20 == 1:
            hidden = path.with_name(f".part-{path.name}")
            hidden.write_bytes(data)
            hidden.rename(path)
        elif index % 20 == 2:
            part = outside / path.name
            part.write_bytes(data)
            part.rename(path)
        elif index % 20 == 3:
            with path.open("wb", buffering=0) as file:
                for at in range(0, len(data), 2_000):
                    file.write(data[at : at + 2_000])
        else:
            path.write_bytes(data)


def check_counts(ca: CaClient, slot: str, files: int, directory: Path) -> None:
    """The counts of a DAQ that has stored every file of the directory."""
    names = ("FilesTotal", "FilesDone", "FilesWaiting", "FilesFailed", "Percent")
    assert {name: ca.get(slot + name) for name in names} == {
        "FilesTotal": files,
        "FilesDone": files,
        "FilesWaiting": 0,
        "FilesFailed": 0,
        "Percent": 100.0,
    }
    assert ca.get(f"{slot}Bytes") == sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert [ca.severity(slot + name) for name in ("Status", "FilesTotal", "FilesFailed")] == [0, 0, 0]


def test_every_byte_of_2000_files_arrives(ca: CaClient, dm: GatewayDm, data: Path, tmp_path: Path, dest: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    start(ca, "DAQ1:", data, dest, Expect=FILES, ExpectFile=str(relative(FILES - 2)))
    ca.put("DAQ1:Wait", 1, wait=False)
    with watched(f"{ca.prefix}DAQ1:FilesDone") as done, watched(f"{ca.prefix}DAQ1:Percent") as percent:
        write_files(data, outside, range(FILES))
        ca.wait_for("DAQ1:Wait", "Idle", timeout_s=30)
        assert ca.outcome("DAQ1:Wait") == ("OK", f"Wait: {FILES} files stored, none waiting, no errors")
        wait_until(lambda: values(done)[-1] == FILES, what="the monitor sees the last file")
        counts = values(done)
        assert counts == sorted(counts) and len(set(counts)) > 2, counts
        assert all(0.0 <= value <= 100.0 for value in values(percent))
    check_counts(ca, "DAQ1:", FILES, data)
    assert ca.get("DAQ1:LastFile").startswith(dest)
    expected = md5s(data)
    assert md5s(stored(ca, dest)) == expected
    assert dm.catalogued("demo", dest) == expected
    assert ca.command("DAQ1:Stop")[0] == "OK"
    assert (ca.get("DAQ1:Status"), ca.get("DAQ1:StatusText"), ca.get("DAQ1:Rate")) == ("Done", "done", 0.0)
    check_counts(ca, "DAQ1:", FILES, data)
    assert ca.get("DAQ1:StartTime") < ca.get("DAQ1:EndTime")
    ended = datetime.fromisoformat(ca.get("DAQ1:EndTime")).timestamp()
    assert ca.metadata("DAQ1:Status")["timestamp"] == pytest.approx(ended, abs=0.002)
    assert ca.get("DAQ1:RunTime") > 0
    readbacks = [ca.get(f"DAQ1:{name}_RBV") for name in ("Experiment", "DataDirectory", "DestDirectory")]
    assert readbacks == ["demo", str(data), dest]


def test_files_that_grow_or_change_later_end_as_they_are_now(ca: CaClient, data: Path, dest: str) -> None:
    start(ca, "DAQ1:", data, dest)
    names = [f"f{index}" for index in range(20)]
    for name in names:
        (data / name).write_bytes(b"first half, ")
    ca.wait_for("DAQ1:FilesDone", 20)
    for name in names[:10]:
        with (data / name).open("ab") as file:
            file.write(b"second half")
    for name in names[10:15]:
        (data / name).write_bytes(b"FIRST HALF, ")
    (data / "replacement").write_bytes(b"quite another text")
    (data / "replacement").rename(data / names[15])
    wait_until(lambda: md5s(stored(ca, dest)) == md5s(data), 15, what="storage is as the source")
    assert ca.command("DAQ1:Stop")[0] == "OK"
    assert md5s(stored(ca, dest)) == md5s(data)
    check_counts(ca, "DAQ1:", 20, data)


def test_kill_of_the_local_dm_loses_no_file(
    gateway: GatewayProcess, ca: CaClient, dm: GatewayDm, data: Path, tmp_path: Path, dest: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    start(ca, "DAQ1:", data, dest, Expect=FILES)
    daq = ca.get("DAQ1:ID")
    ca.put("DAQ1:Wait", 1, wait=False)
    with watched(f"{ca.prefix}DAQ1:FilesDone") as done:
        write_files(data, outside, range(FILES // 2))
        ca.wait_for("DAQ1:FilesDone", lambda count: count > 100, timeout_s=60)
        gateway.localdm().kill()
        write_files(data, outside, range(FILES // 2, FILES))
        wait_until(lambda: values(done, 3, 3), what="values are INVALID while DM is away")
        assert ca.get("DAQ1:FilesDone") >= 100, "the last good value is kept"
        assert ca.get("DAQ1:Wait") == "Busy"
        ca.wait_for("DAQ1:Wait", "Idle", timeout_s=60)
        assert ca.outcome("DAQ1:Wait") == ("OK", f"Wait: {FILES} files stored, none waiting, no errors")
        wait_until(lambda: done[-1].value == FILES and done[-1].severity == 0, what="the monitor sees the last file")
        assert values(done) == sorted(values(done))
    assert ca.get("DAQ1:ID") == daq
    check_counts(ca, "DAQ1:", FILES, data)
    expected = md5s(data)
    assert md5s(stored(ca, dest)) == expected
    assert dm.catalogued("demo", dest) == expected
    assert ca.get("DAQ:State") == "Connected"
    assert "ended by itself" in gateway.log()
    assert ca.command("DAQ1:Stop")[0] == "OK"
    assert [path.name for path in Path(ca.get("EXP:DataDirectory")).glob(".dmioc-*")] == [], "temporary names are left"


@pytest.mark.parametrize("form", ["relative", "absolute", "with DestDirectory", "./unnormal//", "UTF-8"])
def test_wait_for_one_file(ca: CaClient, data: Path, dest: str, form: str) -> None:
    start(ca, "DAQ1:", data, dest)
    name = "sub/letzte é.h5" if form == "UTF-8" else "sub/last.h5"
    wanted = {
        "relative": name,
        "absolute": str(data / name),
        "with DestDirectory": f"{dest}/{name}",
        "./unnormal//": "./sub//last.h5",
        "UTF-8": list(name.encode()),  # pyepics itself spoils a str that is not ASCII
    }[form]
    ca.put("DAQ1:ExpectFile", wanted)
    (data / "other.h5").write_bytes(b"other")
    ca.put("DAQ1:Wait", 1, wait=False)
    ca.wait_for("DAQ1:FilesDone", 1)
    assert ca.get("DAQ1:Wait") == "Busy"
    (data / "sub").mkdir()
    (data / name).write_bytes(b"last")
    ca.wait_for("DAQ1:Wait", "Idle")
    assert ca.outcome("DAQ1:Wait") == ("OK", "Wait: 2 files stored, none waiting, no errors")


def test_a_file_of_that_name_elsewhere_is_not_the_expected_one(ca: CaClient, data: Path, dest: str) -> None:
    """Scans write the same names into a new DestDirectory each: an older scan's file must not end the wait."""
    name = f"scan-{dest[4:12]}.h5"
    start(ca, "DAQ1:", data, "")
    (data / name).write_bytes(b"of an older scan")
    ca.wait_for("DAQ1:FilesDone", 1)
    ca.command("DAQ1:Stop")
    (data / name).unlink()
    start(ca, "DAQ1:", data, dest, ExpectFile=name, WaitTimeout=0.7)
    state, message = ca.command("DAQ1:Wait")
    assert (state, message) == ("Failed", "Wait: DAQ1:Wait: not within 0.7 s; it goes on in DM")


def test_wait_times_out_and_the_daq_goes_on(ca: CaClient, data: Path, dest: str) -> None:
    start(ca, "DAQ1:", data, dest, Expect=3, WaitTimeout=0.5)
    (data / "one").write_bytes(b"1")
    assert ca.command("DAQ1:Wait")[0] == "Failed"
    assert ca.get("DAQ1:Status") == "Running"
    (data / "two").write_bytes(b"2")
    (data / "three").write_bytes(b"3")
    ca.put("DAQ1:WaitTimeout", 30.0)
    assert ca.command("DAQ1:Wait")[0] == "OK"


def test_wait_on_a_daq_that_has_ended(ca: CaClient, data: Path, dest: str) -> None:
    start(ca, "DAQ1:", data, dest)
    (data / "here").write_bytes(b"1")
    ca.command("DAQ1:Stop")
    assert ca.get("DAQ1:FilesDone") == 1
    ca.puts("DAQ1:", Expect=1, ExpectFile="here", WaitTimeout=20.0)
    assert ca.command("DAQ1:Wait")[0] == "OK", ca.outcome("DAQ1:")
    ca.puts("DAQ1:", ExpectFile="elsewhere")
    state, message = ca.command("DAQ1:Wait")
    assert state == "Failed" and "elsewhere" in message and "Done" in message
    ca.puts("DAQ1:", Expect=2, ExpectFile="")
    state, message = ca.command("DAQ1:Wait")
    assert state == "Failed" and "1 of 2" in message


def test_stop_ends_a_wait(ca: CaClient, data: Path, dest: str) -> None:
    start(ca, "DAQ1:", data, dest, Expect=5)
    ca.put("DAQ1:Wait", 1, wait=False)
    ca.wait_for("DAQ1:Wait", "Busy")
    ca.put("DAQ1:Stop", 1)
    ca.wait_for("DAQ1:Wait", "Idle")
    assert ca.get("DAQ1:Status") == "Done"
    assert ca.command("DAQ1:Stop")[0] == "Refused"


@pytest.fixture
def rarely_polled(ca: CaClient) -> Iterator[None]:
    """What is right now is not right by the next regular poll."""
    ca.put("IdlePollPeriod", 600.0)
    yield
    ca.put("IdlePollPeriod", 1.0)


@pytest.mark.parametrize("ending", ["", "/"])
def test_second_start_attaches(ca: CaClient, rarely_polled: None, data: Path, dest: str, ending: str) -> None:
    start(ca, "DAQ1:", data, dest)
    assert ca.get("DAQ1:Attached") == 0
    ca.puts("DAQ2:", DataDirectory=f"{data}{ending}", DestDirectory=dest)
    state, message = ca.command("DAQ2:Start")
    assert state == "OK" and "attached" in message, message
    assert (ca.get("DAQ2:Attached"), ca.get("DAQ2:ID")) == (1, ca.get("DAQ1:ID"))
    ca.wait_for("DAQ:Active", 1)
    (data / "file").write_bytes(b"seen by both")
    ca.wait_for("DAQ1:FilesDone", 1)
    ca.wait_for("DAQ2:FilesDone", 1)
    assert ca.command("DAQ2:Stop")[0] == "OK"
    ca.wait_for("DAQ1:Status", "Done")
    ca.wait_for("DAQ:Active", 0)


def test_start_again_in_the_same_slot_keeps_the_daq(ca: CaClient, data: Path, dest: str, tmp_path: Path) -> None:
    start(ca, "DAQ1:", data, dest)
    daq = ca.get("DAQ1:ID")
    assert ca.command("DAQ1:Start")[0] == "OK"
    assert (ca.get("DAQ1:ID"), ca.get("DAQ1:Attached")) == (daq, 1)
    ca.put("DAQ1:DataDirectory", str(tmp_path))
    state, message = ca.command("DAQ1:Start")
    assert state == "Refused" and daq in message
    assert ca.get("DAQ1:DataDirectory_RBV") == str(data), "the readback follows the DAQ, not the setpoint"


def test_file_that_cannot_be_stored(ca: CaClient, data: Path, dest: str) -> None:
    target = stored(ca, dest)
    (target / "bad.dat").mkdir(parents=True)  # a directory where the file should go
    start(ca, "DAQ1:", data, dest, Expect=2)
    (data / "bad.dat").write_bytes(b"never arrives")
    (data / "good.dat").write_bytes(b"arrives")
    state, message = ca.command("DAQ1:Wait")
    assert state == "Failed" and "1 of" in message and "bad.dat" in message, message
    ca.wait_for("DAQ1:FilesDone", 1)
    assert [ca.get(f"DAQ1:Files{name}") for name in ("Total", "Waiting", "Failed")] == [2, 0, 1]
    assert [ca.severity(f"DAQ1:{name}") for name in ("Status", "FilesFailed", "FilesDone")] == [1, 1, 0]
    assert "bad.dat" in ca.get("DAQ1:Error")
    assert ca.get("DAQ1:Percent") == pytest.approx(50.0)
    ca.command("DAQ1:Stop")
    assert ca.severity("DAQ1:FilesFailed") == 1
    assert ca.severity("DAQ1:Status") == 1
    assert (target / "good.dat").read_bytes() == b"arrives"


def test_failed_file_that_is_made_good(ca: CaClient, data: Path, dest: str) -> None:
    target = stored(ca, dest)
    (target / "bad.dat").mkdir(parents=True)
    start(ca, "DAQ1:", data, dest, Expect=1)
    (data / "bad.dat").write_bytes(b"first")
    ca.wait_for("DAQ1:FilesFailed", 1)
    (target / "bad.dat").rmdir()
    (data / "bad.dat").write_bytes(b"second")
    ca.wait_for("DAQ1:FilesFailed", 0)
    assert ca.command("DAQ1:Wait")[0] == "OK"
    assert ca.severity("DAQ1:FilesFailed") == 0 and ca.get("DAQ1:Error") == ""


def test_daq_without_files_is_an_alarm(ca: CaClient, data: Path, dest: str) -> None:
    ca.put("NoFilesAfter", 0.3)
    try:
        start(ca, "DAQ1:", data, dest)
        wait_until(lambda: ca.severity("DAQ1:FilesTotal") == 1, what="MINOR on FilesTotal")
        assert ca.severity("DAQ1:Status") == 0
        (data / "file").write_bytes(b"1")
        wait_until(lambda: ca.severity("DAQ1:FilesTotal") == 0, what="no alarm once there is a file")
    finally:
        ca.put("NoFilesAfter", 600.0)


def test_no_progress_is_an_alarm(ca: CaClient, data: Path, dest: str) -> None:
    ca.put("NoProgressAfter", 0.5)
    try:
        start(ca, "DAQ1:", data, dest)
        with (data / "grows").open("ab", buffering=0) as file:

            def is_late() -> bool:
                file.write(b"more, so that the file is never whole")
                seen = ca.metadata("DAQ1:Status")
                return (seen["severity"], seen["status"]) == (2, 10)

            wait_until(is_late, what="MAJOR/TIMEOUT on Status")
            assert (ca.get("DAQ1:Status"), ca.get("DAQ1:FilesWaiting")) == ("Running", 1)
        wait_until(lambda: ca.severity("DAQ1:Status") == 0, what="no alarm once the file is stored")
    finally:
        ca.put("NoProgressAfter", 3600.0)


def test_daq_started_elsewhere_is_counted_and_attached(
    ca: CaClient, dm: GatewayDm, rarely_polled: None, data: Path, dest: str
) -> None:
    (data / "first").write_bytes(b"there before")
    info = {"destDirectory": dest, "processExistingFiles": True}
    daq = dm.session("DAQ").call(
        "POST",
        "experimentsByName",
        encoded("demo"),
        "startDaq",
        encoded(str(data)),
        query={"taskInfo": encoded_json(info)},
    )
    assert ca.command("Refresh")[0] == "OK"
    assert ca.get("DAQ:Active") == 1
    ca.puts("DAQ1:", **(IDLE | {"DataDirectory": str(data), "DestDirectory": "", "ExpectFile": "first"}))
    assert ca.command("DAQ1:Start")[0] == "OK"
    assert (ca.get("DAQ1:ID"), ca.get("DAQ1:Attached"), ca.get("DAQ1:DestDirectory_RBV")) == (daq["id"], 1, dest)
    assert ca.command("DAQ1:Wait")[0] == "OK"


def test_options_are_passed_on(ca: CaClient, data: Path, dest: str) -> None:
    (data / "old.dat").write_bytes(b"there before the start")
    options = {"skipFilePathPattern": "*.tmp,*.log", "processExistingFiles": True}
    start(ca, "DAQ1:", data, dest, Options=json.dumps(options), Expect=2)
    for name in ("new.dat", "a.tmp", "b.log"):
        (data / name).write_bytes(b"x")
    assert ca.command("DAQ1:Wait")[0] == "OK"
    ca.command("DAQ1:Stop")
    assert sorted(md5s(stored(ca, dest))) == ["new.dat", "old.dat"]
    assert ca.get("DAQ1:FilesTotal") == 2


@pytest.mark.parametrize(
    ("setpoints", "words"),
    [
        ({"DataDirectory": ""}, ["DataDirectory", "empty"]),
        ({"Options": "{"}, ["Options", "JSON"]),
        ({"Options": "[1]"}, ["Options", "object"]),
        ({"Options": '{"destDirectory": "x"}', "DestDirectory": "y"}, ["destDirectory", "Options"]),
        ({"Workflow": "", "WorkflowArgs": '{"a": 1}'}, ["WorkflowArgs", "Workflow"]),
        ({"WorkflowArgs": "no"}, ["WorkflowArgs", "JSON"]),
        ({"DataDirectory": "/does/not/exist"}, ["/does/not/exist"]),
        ({"DataDirectory": "relative/path"}, ["relative/path", "absolute"]),
        ({"DestDirectory": "../../elsewhere"}, ["destDirectory"]),
        ({"Options": '{"maxRunTimeInHours": "soon"}'}, ["maxRunTimeInHours"]),
    ],
)
def test_what_cannot_be_started_is_refused(
    ca: CaClient, data: Path, setpoints: dict[str, str], words: list[str]
) -> None:
    ca.puts("DAQ2:", **(IDLE | {"DataDirectory": str(data), "DestDirectory": ""} | setpoints))
    before = ca.get("DAQ2:ID")
    state, message = ca.command("DAQ2:Start")
    assert state == "Refused" and all(word in message for word in words), message
    assert ca.get("DAQ2:ID") == before
    assert ca.get("DAQ2:Status") != "Running"


def test_workflow_of_each_file(ca: CaClient, dm: GatewayDm, data: Path, dest: str) -> None:
    dm.upsert_workflow(
        {
            "name": "each-file",
            "owner": "dmioc",
            "stages": {"01": {"command": '/bin/sleep 1; /bin/echo "$sample $filePath"'}},
        }
    )
    start(ca, "DAQ1:", data, dest, Workflow="each-file", WorkflowArgs='{"sample": "Si 111"}', Expect=3)
    with watched(f"{ca.prefix}JOB:Active") as active:
        for index in range(3):
            (data / f"{index}.dat").write_bytes(b"x")
        assert ca.command("DAQ1:Wait")[0] == "OK"
        ca.wait_for("JOB:Active", lambda count: count >= 1)
        ca.put("JOB:Wait", 1, timeout_s=60)
        ca.wait_for("JOB:Idle", "Yes")
        assert max(values(active)) >= 1
    jobs = [job for job in dm.jobs() if job["workflow"]["name"] == "each-file"]
    assert [job["status"] for job in jobs] == ["done"] * 3
    assert {job["sample"] for job in jobs} == {"Si 111"}
    assert sorted(os.path.basename(job["filePath"]) for job in jobs) == ["0.dat", "1.dat", "2.dat"]


def test_unknown_workflow_is_told(ca: CaClient, data: Path, dest: str) -> None:
    ca.puts("DAQ1:", **(IDLE | {"DataDirectory": str(data), "DestDirectory": dest, "Workflow": "no-such-workflow"}))
    state, message = ca.command("DAQ1:Start")
    if state == "OK":
        (data / "file").write_bytes(b"x")
        ca.wait_for("DAQ1:FilesFailed", 1)
        message = ca.get("DAQ1:Error")
    assert "no-such-workflow" in message
