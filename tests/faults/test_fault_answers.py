"""DM answers, and oddly: what the PVs show then, and that it is right again soon after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_file import FaultFile
from fault_slots import add_workflows, begin, prepare_upload, run_upload, start_daq, start_job, tidy
from fault_station import (
    DEADLINE_S,
    INVALID,
    MAJOR,
    MENDED_S,
    MINOR,
    NO_ALARM,
    PERIOD_S,
    SERVICES,
    SLACK_S,
    TOLD_S,
    Pva,
    all_invalid,
    ca_seen,
    none_invalid,
)
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from p4p.client.thread import RemoteError
from pva_client import Updates, watched
from waiting import wait_until

pytestmark = pytest.mark.long

LOST_S = 3 * PERIOD_S + SLACK_S
"""DM is asked three times before an object is called Lost: it may not know one that has just been started."""
SHOWN_S = PERIOD_S + SLACK_S
FROM_DM = ("EXP:ID", "DAQ1:Status", "DAQ1:FilesDone", "UPL1:Status", "WF1:Status", "JOB:Active", "EXP:FileCount")


@pytest.fixture(scope="module", autouse=True)
def workflows(dm: GatewayDm) -> None:
    add_workflows(dm)


@pytest.fixture(autouse=True)
def quiet(ca: CaClient, dm: GatewayDm, faults: FaultFile, gateway: GatewayProcess) -> Iterator[None]:
    """Each test begins and ends with a DM that is right and has nothing to do."""
    ca.wait_for("State", "Connected")
    yield
    tidy(ca, dm, faults)
    assert "Traceback" not in gateway.log()


def shown(ca: CaClient, pva: Pva, name: str, value: str, severity: int, timeout_s: float = SHOWN_S) -> None:
    """Both protocols show a value with an alarm in time."""
    ca.wait_for(name, value, timeout_s=timeout_s)
    assert ca.severity(name) == severity
    assert pva.seen([name])[name].severity == severity


@pytest.mark.parametrize("service", SERVICES)
def test_one_service_alone(ca: CaClient, pva: Pva, faults: FaultFile, data: Path, service: str) -> None:
    start_job(ca)
    start_daq(ca, data)
    run_upload(ca, data)
    own = {"DS": ["EXP:ID"], "DAQ": ["DAQ1:Status", "DAQ1:FilesDone"], "PROC": ["WF1:Status"], "CAT": ["EXP:FileCount"]}
    others = [name for key, names in own.items() if key != service for name in names]
    with faults.on({"kind": "hang", "service": service}):
        wait_until(lambda: all_invalid(pva.seen(own[service])), TOLD_S)
        assert ca.get("State") == "Degraded"
        assert [ca.get(f"{one}:State") for one in SERVICES].count("Connected") == 3
        assert {seen.severity for seen in ca_seen(ca, others).values()} == {NO_ALARM}
        # What the others tell is as fresh as ever.
        if service != "PROC":
            assert ca.command("WF1:Abort")[0] == "OK"
        if service != "DAQ":
            (data / "c.dat").write_bytes(b"c")
            ca.wait_for("DAQ1:FilesDone", 3, timeout_s=5)
    wait_until(lambda: none_invalid(pva.seen(own[service])), MENDED_S)
    ca.wait_for("State", "Connected", timeout_s=MENDED_S)


def test_a_session_that_ends_is_not_noticed(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_job(ca)
    start_daq(ca, data)
    with ExitStack() as stack:
        seen = [watch(stack, pva, name) for name in (*FROM_DM, "State")]
        faults.put(*({"kind": "unauthorized", "service": service, "count": 1} for service in SERVICES))
        wait_until(lambda: all(faults.hits(number) == 1 for number in range(4)), what="each service said 401 once")
        assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
    for updates in seen:
        assert all(value["alarm.severity"] < MAJOR for value in updates.values)


def watch(stack: ExitStack, pva: Pva, name: str) -> Updates:
    return stack.enter_context(watched(pva.context, pva.prefix + name))


def test_no_session_whatever_the_cookie(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_daq(ca, data)
    # The number of files may still be on its way up.
    still = tuple(name for name in FROM_DM if name != "EXP:FileCount")
    before = ca_seen(ca, still)
    with faults.on({"kind": "unauthorized"}):
        wait_until(lambda: all_invalid(ca_seen(ca, FROM_DM)), TOLD_S)
        assert "though the login was taken" in ca.get("DAQ:Error")
        requests = ca.get("Requests")
        assert ca.command("DAQ1:Stop")[0] == "Refused"
        ca.wait_for("DAQ:Error", lambda text: "is not tried again for" in text)
        # DM is asked on, as nobody logs in for it, and accounts are not locked by that.
        ca.wait_for("Requests", lambda count: count > requests)
    wait_until(lambda: none_invalid(pva.seen(FROM_DM)), MENDED_S)
    assert ca_seen(ca, still) == before


def test_a_status_word_that_nobody_knows(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_job(ca)
    start_daq(ca, data)
    begin(ca, "WF1:Wait")
    with faults.on({"kind": "status-word", "word": "pondering"}):
        for slot in ("WF1:", "DAQ1:"):
            shown(ca, pva, f"{slot}Status", "Unknown", MINOR)
            assert ca.get(f"{slot}StatusText") == "pondering"
        assert ca.get("JOB:Active") >= 1 and ca.get("DAQ:Active") >= 1
        assert ca.get("WF1:Wait") == "Busy"
    for slot in ("WF1:", "DAQ1:"):
        shown(ca, pva, f"{slot}Status", "Running", NO_ALARM, MENDED_S)
        assert ca.get(f"{slot}StatusText") == "running"


def test_a_record_without_its_status(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_job(ca)
    start_daq(ca, data)
    begin(ca, "WF1:Wait")
    with faults.on({"kind": "missing-key", "keys": ["status"]}):
        for slot in ("WF1:", "DAQ1:"):
            shown(ca, pva, f"{slot}Status", "Unknown", MINOR)
            assert ca.get(f"{slot}StatusText") == ""
        assert ca.get("WF1:Wait") == "Busy"
    for slot in ("WF1:", "DAQ1:"):
        shown(ca, pva, f"{slot}Status", "Running", NO_ALARM, MENDED_S)


def test_keys_that_may_be_missing(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    """Only id and name are needed: of a key that DM leaves out nothing is made up, and nothing else suffers."""
    start_job(ca)
    start_daq(ca, data)
    keys = [
        "stage",
        "startTime",
        "submissionTime",
        "runTime",
        "countFiles",
        "lastFile",
        "description",
        "workflow.stages",
    ]
    with faults.on({"kind": "missing-key", "service": ["DS", "DAQ", "PROC"], "keys": keys}):
        ca.wait_for("WF1:Stage", "", timeout_s=SHOWN_S)
        ca.wait_for("DAQ1:FilesTotal", 0, timeout_s=SHOWN_S)
        assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
        assert (ca.get("WF1:StageCount"), ca.get("WF1:StartTime"), ca.get("DAQ1:StartTime")) == (0, "", "")
        assert (ca.get("WF1:Status"), ca.get("DAQ1:Status"), ca.get("State")) == ("Running", "Running", "Connected")
    ca.wait_for("WF1:Stage", "01-ONLY", timeout_s=MENDED_S)
    ca.wait_for("DAQ1:FilesTotal", 2, timeout_s=MENDED_S)


def test_lost(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    job, daq = start_job(ca), start_daq(ca, data)
    ca.put("DAQ1:Expect", 99)
    begin(ca, "WF1:Wait", "DAQ1:Wait")
    with faults.on({"kind": "lost", "object": job}, {"kind": "lost", "object": daq}):
        for slot, command, object_id in (("WF1:", "WF1:Wait", job), ("DAQ1:", "DAQ1:Wait", daq)):
            shown(ca, pva, f"{slot}Status", "Lost", MAJOR, LOST_S)
            ca.wait_for(command, "Idle", timeout_s=SHOWN_S)
            outcome, message = ca.outcome(command)
            assert outcome == "Failed" and "Lost" in message and object_id in message
            assert "no longer knows" in ca.get(f"{slot}Error")
        # DM answers: nothing of it is INVALID.
        assert ca.get("State") == "Connected"
        ca.wait_for("JOB:Active", 0, timeout_s=LOST_S)
        # The slot still follows it, so that it stands in the list as what it is.
        assert {row["status"] for row in pva.rows("JOB:List") if row["id"] == job} <= {"Lost"}
        assert daq not in [row["id"] for row in pva.rows("DAQ:List")]
    for slot in ("WF1:", "DAQ1:"):
        shown(ca, pva, f"{slot}Status", "Running", NO_ALARM, MENDED_S)


def test_not_known_in_the_first_moments_is_not_lost(ca: CaClient, pva: Pva, faults: FaultFile) -> None:
    faults.put({"kind": "lost", "endpoint": "getProcessingJobById", "count": 2})
    with ExitStack() as stack:
        seen = watch(stack, pva, "WF1:Status")
        ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="")
        assert ca.command("WF1:Run")[0] == "OK", ca.outcome("WF1:Run")
    wait_until(lambda: faults.hits() == 2, what="two answers of not known")
    assert "Lost" not in [value["value.choices"][value["value.index"]] for value in seen.values]


def test_start_without_history(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    job, daq = start_job(ca), start_daq(ca, data)
    upload = run_upload(ca, data)
    ca.put("DAQ1:Expect", 99)
    begin(ca, "WF1:Wait", "DAQ1:Wait", "JOB:Wait")
    with faults.on({"kind": "restart"}):
        for slot, command in (("WF1:", "WF1:Wait"), ("DAQ1:", "DAQ1:Wait")):
            shown(ca, pva, f"{slot}Status", "Lost", MAJOR, LOST_S)
            ca.wait_for(command, "Idle", timeout_s=SHOWN_S)
            assert ca.outcome(command)[0] == "Failed" and "Lost" in ca.outcome(command)[1]
        ca.wait_for("JOB:Wait", "Idle", timeout_s=LOST_S)
        assert ca.outcome("JOB:Wait")[0] == "OK"
        # What was done stays: nobody asks for it again.
        assert (ca.get("UPL1:Status"), ca.get("UPL1:ID")) == ("Done", upload)
        assert ca.get("State") == "Connected"
        for outcome, message in (ca.command("WF1:Abort"), ca.command("DAQ1:Stop")):
            assert outcome == "Refused" and "nothing to" in message
        second = start_job(ca)
        assert second != job
        wait_until(lambda: [row["id"] for row in pva.rows("JOB:List") if row["status"] != "Lost"] == [second], LOST_S)
        wait_until(lambda: daq not in [row["id"] for row in pva.rows("DAQ:List")], LOST_S)


def test_a_list_that_is_cut(ca: CaClient, pva: Pva, faults: FaultFile, dm: GatewayDm) -> None:
    ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="")
    faults.put({"kind": "cut-list", "endpoint": "listProcessingJobs", "limit": 3})
    for _ in range(5):
        assert ca.command("WF1:Run")[0] == "OK", ca.outcome("WF1:Run")
    job = start_job(ca)
    assert ca.get("JOB:Active") == 1
    faults.put()
    ids = {one["id"] for one in dm.jobs()}
    faults.put({"kind": "cut-list", "endpoint": "listProcessingJobs", "limit": 3})
    wait_until(lambda: {row["id"] for row in pva.rows("JOB:List")} == ids, SHOWN_S, what="every job is listed")
    # Also one that nobody told the gateway of, at the far end.
    dm.session("PROC").call("POST", "processingJobsByOwner", "dmioc", job, "stopProcessingJob")
    ca.wait_for("WF1:Status", "Aborted")
    ca.wait_for("JOB:Active", 0, timeout_s=SHOWN_S)


def test_ids_that_stand_twice(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_job(ca)
    start_daq(ca, data)
    names = {"JOB:List": "id", "DAQ:List": "id", "UPL:List": "id", "WF:List": "name", "EXP:List": "name"}
    assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
    before = {name: [row[key] for row in pva.rows(name)] for name, key in names.items()}
    with faults.on({"kind": "duplicate-ids"}):
        for _ in range(2):
            assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
        assert (ca.get("JOB:Active"), ca.get("DAQ:Active")) == (1, 1)
        after = {name: [row[key] for row in pva.rows(name)] for name, key in names.items()}
        assert after == before
        assert ca.get("State") == "Connected"


def test_slow_and_within_the_deadline(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_daq(ca, data)
    with faults.on({"kind": "slow", "seconds": DEADLINE_S / 2}), ExitStack() as stack:
        seen = [watch(stack, pva, name) for name in FROM_DM]
        ca.wait_for("PROC:Latency", lambda ms: ms >= 500 * DEADLINE_S)
        ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="")
        assert ca.command("WF1:Run")[0] == "OK"
        slowest_s = 0.0
        for name in FROM_DM * 5:
            began = time.monotonic()
            ca.get(name)
            slowest_s = max(slowest_s, time.monotonic() - began)
        assert slowest_s < 0.3 < DEADLINE_S / 2
    for updates in seen:
        assert all(value["alarm.severity"] < INVALID for value in updates.values)


def test_one_experiment_is_slow(ca: CaClient, pva: Pva, faults: FaultFile, dm: GatewayDm, data: Path) -> None:
    ca.puts("EXP:New:", Name="slow-one")
    ca.command("EXP:New:Create")
    ca.wait_for("EXP:State", "Loaded")
    with faults.on({"kind": "slow", "experiment": "slow-one", "seconds": 3 * DEADLINE_S}):
        wait_until(lambda: all_invalid(pva.seen(["EXP:ID", "EXP:FileCount"])), TOLD_S)
        assert ca.get("EXP:State") == "Loaded"
        assert "getExperimentByName" in ca.get("DS:Error")
        assert ca.get("State") == "Degraded"
        # All that is not of this experiment goes on.
        assert {ca.get(f"{service}:State") for service in ("DAQ", "PROC")} == {"Connected"}
        start_job(ca)
        ca.put("EXP:Name", "demo")
        ca.wait_for("EXP:State", "Loaded", timeout_s=MENDED_S)
        wait_until(lambda: none_invalid(pva.seen(["EXP:ID", "EXP:FileCount"])), MENDED_S + DEADLINE_S)
        start_daq(ca, data)


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_dms_clock_is_wrong(ca: CaClient, pva: Pva, faults: FaultFile, data: Path, seconds: float) -> None:
    start_job(ca)
    start_daq(ca, data)
    ca.puts("", NoFilesAfter=60.0, NoProgressAfter=60.0)
    before = {name: ca.get(name) for name in ("WF1:StartTime", "DAQ1:StartTime")}
    with faults.on({"kind": "clock-skew", "seconds": seconds}):
        for name, text in before.items():
            ca.wait_for(name, lambda now, text=text: now != text, timeout_s=SHOWN_S)
        # Times are DM's own; no alarm is made of the difference of two clocks.
        for name in ("WF1:RunTime", "DAQ1:RunTime"):
            assert ca.get(name) >= 0.0
            assert ca.severity(name) == NO_ALARM
        assert ca.get("DAQ1:RunTime") < 60.0  # DM's own
        for name in ("WF1:Status", "DAQ1:Status", "DAQ1:FilesTotal"):
            assert ca.severity(name) == NO_ALARM
        assert ca.command("WF1:Abort")[0] == "OK"
        assert 0.0 <= ca.get("WF1:RunTime") < 60.0  # DM's own, once it has ended
    ca.wait_for("DAQ1:StartTime", before["DAQ1:StartTime"], timeout_s=MENDED_S)


def test_times_as_local_text(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    job = start_job(ca)
    start_daq(ca, data)
    with faults.on({"kind": "local-time"}):
        # Nobody knows which moment "CDT" means to DM: no time is shown rather than a wrong one.
        for name in ("WF1:StartTime", "WF1:SubmitTime", "DAQ1:StartTime"):
            ca.wait_for(name, "", timeout_s=SHOWN_S)
        assert (ca.get("WF1:Status"), ca.get("DAQ1:Status"), ca.get("State")) == ("Running", "Running", "Connected")
        assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
        assert job in [row["id"] for row in pva.rows("JOB:List")]
        assert ca.severity("DAQ1:FilesTotal") == NO_ALARM
    ca.wait_for("WF1:StartTime", lambda text: text.endswith("Z"), timeout_s=MENDED_S)


def test_huge_stderr(ca: CaClient, pva: Pva, faults: FaultFile) -> None:
    start_job(ca, "loud")
    ca.wait_for("WF1:StdErr", "one line")
    with faults.on({"kind": "huge-stderr", "size_bytes": 1_000_000}):
        ca.wait_for("WF1:StdErr", lambda text: len(text) > 8000, timeout_s=SHOWN_S + DEADLINE_S)
        assert "much to say" in ca.get("WF1:StdErr")
        (row,) = pva.rows("WF1:Stages")
        assert "much to say" in row["stdErr"]
        assert len(row["stdErr"]) == 16_384
        assert ca.get("State") == "Connected"
    ca.wait_for("WF1:StdErr", "one line", timeout_s=MENDED_S + DEADLINE_S)


def test_long_names_that_are_not_ascii(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    start_job(ca)
    start_daq(ca, data)
    with faults.on({"kind": "long-names", "length": 3000}):
        ca.wait_for("DAQ1:DataDirectory_RBV", lambda text: "漢" in as_utf8(text), timeout_s=SHOWN_S)
        text = as_utf8(ca.get("DAQ1:DataDirectory_RBV"))
        # 1024 bytes, cut in whole characters.
        assert 1020 < len(text.encode()) <= 1024 and "\ufffd" not in text and text.startswith(str(data))
        assert pva.seen(["DAQ1:DataDirectory_RBV"])["DAQ1:DataDirectory_RBV"].value == text
        assert ca.command("Refresh")[0] == "OK", ca.outcome("Refresh")
        assert any(row["name"].startswith("demo") and len(row["name"]) >= 3000 for row in pva.rows("EXP:List"))
        assert all(len(row["name"]) >= 3000 for row in pva.rows("WF:List"))
        # A row whose name is longer than EXP:Name can hold is refused, not cut: another experiment might be meant then.
        with pytest.raises(RemoteError, match="256"):
            pva.context.put(f"{pva.prefix}EXP:Index", 0, timeout=30)
        assert ca.get("EXP:Name") == "demo"
        assert ca.get("State") == "Connected"
    wait_until(lambda: all(len(row["name"]) < 100 for row in pva.rows("EXP:List")), MENDED_S)
    wait_until(lambda: ca.get("DAQ1:DataDirectory_RBV") == str(data), MENDED_S)


def test_a_real_path_that_is_long_and_not_ascii(ca: CaClient, pva: Pva, dm: GatewayDm, tmp_path: Path) -> None:
    data = tmp_path.joinpath(*["é漢字" * 8] * 5)
    data.mkdir(parents=True)
    assert len(str(data).encode()) > 256
    for name in ("ü.dat", "b.dat"):
        (data / name).write_bytes(b"x")
    path = f"{pva.prefix}DAQ1:DataDirectory"
    pva.context.put(path, str(data))
    destination = "é" + data.parent.parent.name[:3]
    pva.context.put(f"{pva.prefix}DAQ1:DestDirectory", destination)
    ca.put("DAQ1:Options", '{"processExistingFiles": true}')
    assert ca.command("DAQ1:Start")[0] == "OK", ca.outcome("DAQ1:Start")
    ca.wait_for("DAQ1:FilesDone", 2)
    for text in (
        as_utf8(ca.get("DAQ1:DataDirectory_RBV")),
        pva.seen(["DAQ1:DataDirectory_RBV"])["DAQ1:DataDirectory_RBV"].value,
    ):
        assert text == str(data)
    assert pva.rows("DAQ:List")[0]["directory"] == str(data)
    assert set(dm.catalogued("demo", destination)) == {"ü.dat", "b.dat"}
    assert ca.severity("DAQ1:Status") == NO_ALARM


def as_utf8(text: str) -> str:
    """What pyepics reads as Latin-1."""
    return text.encode("latin-1").decode("utf-8")


def test_an_upload_that_transferred_nothing(ca: CaClient, faults: FaultFile, data: Path) -> None:
    nothing = {"countFiles": 0, "nProcessedFiles": 0, "nCompletedFiles": 0, "nWaitingFiles": 0}
    with faults.on({"kind": "set", "endpoint": ["upload", "getUploadInfo", "listUploads"], "values": nothing}):
        prepare_upload(ca, data)
        outcome, message = ca.command("UPL1:Run")
        assert outcome == "Failed" and "no files were uploaded" in message
        assert (ca.get("UPL1:Status"), ca.severity("UPL1:Status")) == ("Failed", MAJOR)


def test_a_dm_that_fails_now_and_then(ca: CaClient, pva: Pva, faults: FaultFile, data: Path) -> None:
    """Whatever one poll said, what is shown is either right or INVALID, and a run ends."""
    start_daq(ca, data)
    faults.put({"kind": "status", "method": "GET", "probability": 0.4, "seed": 1})
    with ExitStack() as stack:
        seen = watch(stack, pva, "DAQ1:FilesDone")
        ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="")
        assert ca.command("WF1:Run") == ("OK", f"Run: job {ca.get('WF1:JobID')} is Done")
        (data / "c.dat").write_bytes(b"c")
        ca.wait_for("DAQ1:FilesDone", 3)
        severities = {value["alarm.severity"] for value in seen.values}
    assert severities == {NO_ALARM, INVALID}
    faults.put()
    wait_until(lambda: none_invalid(pva.seen(FROM_DM)), MENDED_S)
