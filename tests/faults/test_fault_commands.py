"""Commands while DM misbehaves: each ends soon with the reason, says OK only for what is done, and is done once at most."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_file import FaultFile, Table
from fault_slots import add_workflows, begin, start_job, tidy
from fault_station import DEADLINE_S, PERIOD_S, SLACK_S, Pva
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from localdm_process import encoded
from p4p.client.thread import RemoteError
from waiting import wait_until

ENDED_S = 4 * DEADLINE_S + 2 * PERIOD_S + 2 * SLACK_S
"""A command asks DM a few things one after the other, each with its own deadline."""
STARTS = {
    "WF1:Start": "startProcessingJob",
    "DAQ1:Start": "startDaq",
    "UPL1:Start": "upload",
    "MD:Send": "addExperimentDataset",
    "EXP:New:Create": "addExperiment",
}
STOPS = {"WF2:Abort": "stopProcessingJob", "DAQ2:Stop": "stopDaq"}
ASKED = [*STARTS.values(), *STOPS.values()]
ALL = (*STARTS, *STOPS)
FAILED, REFUSED, OK = "Failed", "Refused", "OK"


class Case:
    """What one test has DM do, by names of its own, and how often DM did it."""

    def __init__(self, ca: CaClient, dm: GatewayDm, home: Path) -> None:
        self.ca, self.dm = ca, dm
        self.name = f"c{secrets.token_hex(4)}"
        self.directories = {kind: home / f"{self.name}-{kind}" for kind in ("daq", "upload", "stop")}
        for directory in self.directories.values():
            directory.mkdir()
            (directory / "a.dat").write_bytes(b"a")

    def prepare(self) -> None:
        """Setpoints of every command; a job in WF2 and a DAQ in DAQ2 for those that stop."""
        ca, daq, upload, stop = self.ca, *self.directories.values()
        ca.put("EXP:Name", "demo")
        for slot, path in (("DAQ1:", daq), ("DAQ2:", stop)):
            ca.puts(slot, DataDirectory=str(path), DestDirectory=path.name)
        ca.puts("UPL1:", SourcePath=str(upload), DestDirectory=upload.name)
        for slot in ("WF1:", "WF2:"):
            ca.puts(slot, Name="long", FilePath="/dev/null", Args=json.dumps({"case": self.name + slot}))
        ca.puts("WF1:", RequestID=f"id-{self.name}")
        ca.puts("MD:", RunUID=self.name, Dataset=self.name, JSON='{"a": 1}')
        ca.puts("EXP:New:", Name=f"exp-{self.name}")
        assert ca.command("WF2:Start")[0] == OK and ca.command("DAQ2:Start")[0] == OK

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Give every command at once; answers how each ended, in time."""
        ca = self.ca
        for name in ALL:
            ca.put(name, 1, wait=False)
        wait_until(lambda: all(ca.get(name) == "Idle" for name in ALL), ENDED_S, what=f"all of {ALL} have ended")
        return {name: ca.outcome(name) for name in ALL}

    def counts(self) -> dict[str, int]:
        """How often DM did what the commands that start something ask for."""
        daqs, marks = self.dm.session("DAQ"), [job.get("case") for job in self.dm.jobs()]
        paths = [one["dataDirectory"] for kind in ("daqs", "uploads") for one in daqs.call("GET", kind)]
        experiments = [one["name"] for one in self.dm.experiments()]
        return {
            "WF1:Start": marks.count(f"{self.name}WF1:"),
            "DAQ1:Start": paths.count(str(self.directories["daq"])),
            "UPL1:Start": paths.count(str(self.directories["upload"])),
            "MD:Send": self._datasets(),
            "EXP:New:Create": experiments.count(f"exp-{self.name}"),
        }

    def _datasets(self) -> int:
        found = self.dm.session("CAT").call("GET", "datasetsByExperiment", encoded("demo"))
        return [one["datasetName"] for one in found].count(self.name)


@pytest.fixture(scope="module", autouse=True)
def workflows(dm: GatewayDm) -> None:
    add_workflows(dm)


@pytest.fixture(autouse=True)
def quiet(ca: CaClient, dm: GatewayDm, faults: FaultFile, gateway: GatewayProcess) -> Iterator[None]:
    yield
    tidy(ca, dm, faults)
    ca.put("EXP:Name", "demo")
    assert "Traceback" not in gateway.log()


@pytest.fixture
def case(ca: CaClient, dm: GatewayDm, tmp_path: Path) -> Case:
    made = Case(ca, dm, tmp_path)
    made.prepare()
    return made


LOST_ANSWERS = {  # DM did it, and its answer does not arrive or is none
    "hang": ({"kind": "hang", "carry_out": True}, "no whole answer within"),
    "drop": ({"kind": "drop", "carry_out": True}, "disconnected"),
    "500": ({"kind": "status", "carry_out": True}, "HTTP 500"),
    "503": ({"kind": "status", "status": 503, "carry_out": True}, "HTTP 503"),
    "html": ({"kind": "html", "carry_out": True}, "<!DOCTYPE html>"),
    "errorCode of a failure": ({"kind": "error", "code": 9, "carry_out": True}, "fault of localdm"),
    "hang in the body": ({"kind": "hang-body"}, "no whole answer within"),
    "cut": ({"kind": "cut"}, "not JSON"),
}
NOT_DONE: dict[str, tuple[dict[str, Any], str, str]] = {  # DM did nothing
    "hang": ({"kind": "hang"}, FAILED, "no whole answer within"),
    "drop": ({"kind": "drop"}, FAILED, "disconnected"),
    "500": ({"kind": "status"}, FAILED, "HTTP 500"),
    "html": ({"kind": "html"}, FAILED, "<!DOCTYPE html>"),
    "errorCode": ({"kind": "error", "code": 11, "headers": False}, REFUSED, "DM says: fault of localdm"),
    "errorCode of a failure": ({"kind": "error", "code": 2}, FAILED, "DM says: fault of localdm"),
    "401": ({"kind": "unauthorized"}, REFUSED, "code 12"),
}


def mended_runs(case: Case, faults: FaultFile) -> None:
    """With a DM that is right again the same commands come to a good end, and nothing has been done twice."""
    faults.put()
    case.ca.wait_for("State", "Connected")
    case.ca.wait_for("EXP:State", "Loaded")
    assert case.ca.command("WF1:Start")[0] == OK, case.ca.outcome("WF1:Start")
    assert case.ca.command("DAQ1:Start")[0] == OK, case.ca.outcome("DAQ1:Start")
    for name, there in (("MD:Send", "exists"), ("EXP:New:Create", "exists")):
        outcome, message = case.ca.command(name)
        assert outcome == OK or there in message
    counts = case.counts()
    del counts["UPL1:Start"]  # two puts to it are two uploads
    assert set(counts.values()) == {1}, counts


@pytest.mark.parametrize("name", NOT_DONE)
def test_dm_did_nothing(case: Case, faults: FaultFile, name: str) -> None:
    fault, state, reason = NOT_DONE[name]
    with faults.on({**fault, "endpoint": ASKED}):
        for command, (outcome, message) in case.outcomes().items():
            assert outcome == state and reason in message, (command, outcome, message)
    assert set(case.counts().values()) == {0}
    assert case.ca.get("WF2:Status") == "Running" and case.ca.get("DAQ2:Status") == "Running"
    mended_runs(case, faults)


@pytest.mark.parametrize("name", LOST_ANSWERS)
def test_an_answer_that_is_lost(case: Case, faults: FaultFile, name: str) -> None:
    fault, reason = LOST_ANSWERS[name]
    with faults.on({**fault, "endpoint": ASKED}):
        found = case.outcomes()
    # The job carries the id of the request, and is found by it.
    assert found["WF1:Start"][0] == OK, found["WF1:Start"]
    assert case.ca.get("WF1:Attached") == 0
    # There is one active DAQ at most for an experiment and a directory.
    assert found["DAQ1:Start"][0] == OK and "attached" in found["DAQ1:Start"][1]
    for command in ("UPL1:Start", "MD:Send", "EXP:New:Create", *STOPS):
        outcome, message = found[command]
        assert outcome == FAILED and reason in message, (command, outcome, message)
    assert set(case.counts().values()) == {1}
    # What was stopped is shown as what it is, though nobody was told.
    case.ca.wait_for("WF2:Status", "Aborted")
    case.ca.wait_for("DAQ2:Status", lambda status: status in ("Done", "Aborted"))
    mended_runs(case, faults)


@pytest.mark.parametrize(
    ("fault", "starts"),
    [
        ({"kind": "wrong-types", "keys": ["id", "name"]}, "Expected"),
        ({"kind": "missing-key", "keys": ["id", "name"]}, "missing required field"),
    ],
)
def test_an_answer_that_makes_no_sense(case: Case, faults: FaultFile, fault: Table, starts: str) -> None:
    with faults.on({**fault, "endpoint": ASKED}):
        found = case.outcomes()
    for command in ("UPL1:Start", "EXP:New:Create"):
        assert found[command][0] == FAILED and starts in found[command][1], found
    for command in ("WF1:Start", "DAQ1:Start", *STOPS):
        assert found[command][0] == OK, found[command]
    assert set(case.counts().values()) == {1}
    mended_runs(case, faults)


@pytest.mark.parametrize("kind", ["refuse", "half-open"])
def test_no_dm_at_all(case: Case, faults: FaultFile, kind: str) -> None:
    with faults.on({"kind": kind}):
        for command, (outcome, message) in case.outcomes().items():
            assert outcome in ((REFUSED,) if kind == "refuse" else (FAILED, REFUSED)), (command, outcome, message)
            assert ("connection refused" if kind == "refuse" else "within") in message, (command, message)
    if kind == "refuse":
        assert set(case.counts().values()) == {0}
    else:
        # It reads what was sent as soon as it goes on, as a process that was stopped does.
        case.ca.wait_for("State", "Connected")
        assert max(case.counts().values()) <= 1
    mended_runs(case, faults)


def test_slow_and_within_the_deadline(case: Case, faults: FaultFile) -> None:
    with faults.on({"kind": "slow", "seconds": DEADLINE_S / 2, "endpoint": ASKED}):
        assert {outcome for outcome, _ in case.outcomes().values()} == {OK}
    assert set(case.counts().values()) == {1}


def test_run_with_a_lost_answer_is_one_job_that_is_waited_for(ca: CaClient, dm: GatewayDm, faults: FaultFile) -> None:
    mark = secrets.token_hex(4)
    ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="", Args=json.dumps({"case": mark}))
    with faults.on({"kind": "drop", "endpoint": "startProcessingJob", "carry_out": True, "count": 1}):
        outcome, message = ca.command("WF1:Run")
    assert outcome == OK and "is Done" in message
    assert [job["id"] for job in dm.jobs() if job.get("case") == mark] == [ca.get("WF1:JobID")]


def test_whether_it_was_started_is_told_as_not_known(ca: CaClient, dm: GatewayDm, faults: FaultFile) -> None:
    mark = secrets.token_hex(4)
    ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="", Args=json.dumps({"case": mark}))
    lost: Table = {"kind": "drop", "endpoint": "startProcessingJob", "carry_out": True}
    with faults.on(lost, {"kind": "error", "endpoint": "listProcessingJobs", "code": 11}):
        outcome, message = ca.command("WF1:Start")
        assert outcome == FAILED
        assert "whether a job was started is not known" in message
    ca.put("WF1:RequestID", message.partition("RequestID ")[2].split()[0])
    assert ca.command("WF1:Start")[0] == OK
    assert ca.get("WF1:Attached") == 1
    assert [job.get("case") for job in dm.jobs()].count(mark) == 1


def test_a_dm_that_loses_every_other_answer(ca: CaClient, dm: GatewayDm, faults: FaultFile) -> None:
    """A client that repeats a request until it is told OK has started one job."""
    ways: list[Table] = [
        {"kind": "drop", "carry_out": True, "probability": 0.4, "seed": 1},
        {"kind": "cut", "probability": 0.3, "seed": 2},
        {"kind": "drop", "probability": 0.3, "seed": 4},
    ]
    faulty = [{**way, "endpoint": "startProcessingJob"} for way in ways]
    faulty.append({"kind": "status", "endpoint": "listProcessingJobs", "probability": 0.3, "seed": 3})
    marks = [secrets.token_hex(4) for _ in range(6)]
    with faults.on(*faulty):
        for mark in marks:
            ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID=mark, Args=json.dumps({"case": mark}))
            wait_until(lambda: ca.command("WF1:Start")[0] == OK, 20.0, what="a start that DM answers")
    started = [job.get("case") for job in dm.jobs()]
    assert {mark: started.count(mark) for mark in marks} == dict.fromkeys(marks, 1)


def test_reasons_over_pvaccess(ca: CaClient, pva: Pva, faults: FaultFile) -> None:
    ca.puts("WF1:", Name="good", FilePath="/dev/null", RequestID="", Args="")
    for fault, reason in (
        ({"kind": "error", "code": 11, "message": "the queue is full"}, "the queue is full"),
        ({"kind": "hang"}, "no whole answer within"),
        ({"kind": "html"}, "<!DOCTYPE html>"),
    ):
        with faults.on({**fault, "endpoint": "startProcessingJob"}):
            began = time.monotonic()
            with pytest.raises(RemoteError, match=reason):
                pva.context.put(f"{pva.prefix}WF1:Start", 1, request="record[block=true]", timeout=30)
            assert time.monotonic() - began < ENDED_S


@pytest.mark.parametrize("fault", ["html", "cut", "hang", "status"])
def test_a_file_is_not_there_because_dm_said_something(
    ca: CaClient, dm: GatewayDm, faults: FaultFile, data: Path, fault: str
) -> None:
    """``ExpectFile``: only DM's own word that the catalog has the file ends the wait well."""
    ca.puts("DAQ1:", DataDirectory=str(data), DestDirectory=data.name, Expect=0, ExpectFile="not-there.dat")
    assert ca.command("DAQ1:Start")[0] == OK
    ca.put("DAQ1:WaitTimeout", 3 * DEADLINE_S)
    with faults.on({"kind": fault, "endpoint": "getExperimentFile"}):
        began = time.monotonic()
        outcome, message = ca.command("DAQ1:Wait")
        assert time.monotonic() - began < ENDED_S
        assert outcome == FAILED, message
    ca.puts("DAQ1:", ExpectFile="", WaitTimeout=60.0)


def test_a_wait_that_runs_is_not_ended_by_odd_answers(ca: CaClient, faults: FaultFile) -> None:
    start_job(ca)
    begin(ca, "WF1:Wait")
    for kind in ("html", "cut", "status", "error", "wrong-types"):
        with faults.on({"kind": kind, "endpoint": "getProcessingJobById"}):
            ca.wait_for("PROC:State", "Disconnected")
            assert ca.get("WF1:Wait") == "Busy"
    ca.wait_for("PROC:State", "Connected")
    # Wait ends on the same news, so that the group may show the end of either.
    ca.put("WF1:Abort", 1)
    ca.wait_for("WF1:Wait", "Idle")
    assert ca.get("WF1:Status") == "Aborted"
