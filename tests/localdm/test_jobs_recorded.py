"""Lives of jobs as they were recorded from the real service (``dm-protocol.md §6.5``)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from job_bench import EXAMPLE_01, OWNER, bench, only_child

from dmioc.localdm.answers import InvalidArgument, ObjectNotFound

TIMESTAMP = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \S+")
RUNTIME_KEYS = {"childProcesses", "nRunningChildProcesses", "nQueuedChildProcesses", "nCompletedChildProcesses"}


def test_example_01_lives_as_recorded(tmp_path: Path) -> None:
    async def main() -> tuple[dict[str, Any], dict[str, Any]]:
        async with bench(tmp_path) as b:
            b.workflows.add(EXAMPLE_01, OWNER)
            job_id = b.start("example-01", target=str(tmp_path), run_uid="12345")
            return b.record(job_id), await b.ended(job_id)

    submitted, job = asyncio.run(main())
    assert list(submitted)[3:] == [
        "workflow", "owner", "id", "submissionTime", "submissionTimestamp", "countFiles", "status",
    ]  # fmt: skip
    assert submitted["status"] == "pending"
    assert submitted["countFiles"] == 1
    assert not any(RUNTIME_KEYS & set(stage) for stage in submitted["workflow"]["stages"].values())

    assert job["status"] == "done"
    assert job["stage"] == "06-DONE"
    assert job["run_uid"] == "12345"
    assert "errorMessage" not in job
    assert re.fullmatch(r"\d{14}", job["timeStamp"])
    assert job["md5Sum"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert job["runTime"] == pytest.approx(job["endTime"] - job["startTime"])
    assert job["submissionTime"] <= job["startTime"] < job["endTime"]
    for key in ("submissionTimestamp", "startTimestamp", "endTimestamp"):
        assert TIMESTAMP.fullmatch(job[key])
    for number, (key, stage) in enumerate(sorted(job["workflow"]["stages"].items())):
        assert set(stage) - {"command", "outputVariableRegexList"} == RUNTIME_KEYS
        counters = (
            stage["nRunningChildProcesses"],
            stage["nQueuedChildProcesses"],
            stage["nCompletedChildProcesses"],
        )
        assert counters == (0, 0, 1)
        child = stage["childProcesses"][str(number)]
        assert child["stageId"] == key
        assert child["childProcessNumber"] == number
    first = only_child(job, "01-START")
    assert set(first) == {
        "stageId", "childProcessNumber", "command", "workingDir", "status", "submitTime", "startTime", "endTime",
        "runTime", "exitStatus", "stdOut", "stdErr", "userAccount",
    }  # fmt: skip
    assert first["workingDir"] is None
    assert first["exitStatus"] == 0
    assert first["stdOut"] == job["timeStamp"] + "\n"
    assert first["stdErr"] == ""
    assert first["userAccount"] == OWNER
    written = (tmp_path / f"workflow.{job['timeStamp']}" / f"{job['id']}.out").read_text()
    assert written == (
        f"START JOB ID: {job['id']}\n"
        f"FILE /dev/null MD5 SUM: {job['md5Sum']}\n"
        f"STOP JOB ID: {job['id']}\n"
    )  # fmt: skip


def test_a_command_that_fails_ends_the_job_without_a_message(tmp_path: Path) -> None:
    stages = {
        "010-START": {"command": "echo 1"},
        "020-FIT": {"command": "echo warning >&2"},
        "030-EXPORT": {"command": "echo Traceback >&2; exit 1"},
        "040-NEVER": {"command": "touch $target/never"},
    }

    async def main() -> dict[str, Any]:
        async with bench(tmp_path) as b:
            return await b.run(stages, target=str(tmp_path))

    job = asyncio.run(main())
    assert job["status"] == "failed"
    assert job["stage"] == "030-EXPORT"
    assert "errorMessage" not in job
    stage = job["workflow"]["stages"]["030-EXPORT"]
    assert stage["nFailedChildProcesses"] == 1
    assert "nCompletedChildProcesses" not in stage
    child = only_child(job, "030-EXPORT")
    assert (child["childProcessNumber"], child["status"], child["exitStatus"]) == (2, "failed", 1)
    assert (child["stdOut"], child["stdErr"]) == ("", "Traceback\n")
    assert "userAccount" not in child
    assert set(job["workflow"]["stages"]["040-NEVER"]) == {"command"}
    assert not (tmp_path / "never").exists()


def test_a_job_without_input_fails_within_milliseconds(tmp_path: Path) -> None:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path) as b:
            b.workflows.add(EXAMPLE_01, OWNER)
            job_id = b.jobs.start_job(OWNER, "example-01", {"run_uid": "12345"})
            assert b.record(job_id)["status"] == "pending"
            assert b.record(job_id)["countFiles"] == 0
            return await b.ended(job_id)

    job = asyncio.run(main())
    assert job["status"] == "failed"
    assert job["errorMessage"] == "Invalid input file specification."
    assert job["runTime"] < 0.05
    assert "stage" not in job
    assert not any(RUNTIME_KEYS & set(stage) for stage in job["workflow"]["stages"].values())


def test_a_stage_whose_run_if_is_false_is_skipped(tmp_path: Path) -> None:
    stages = {
        "00-CHECK-FILE": {"runIf": 'not "mda" in "$filePath"', "command": '/bin/echo "Skipping file $filePath."'},
        "01-MACHINE": {"runIf": '"mda" in "$filePath"', "command": "false"},
        "06-MONITOR": {
            "runIf": '"mda" in "$filePath" and "$analysisMachine" == "polaris"',
            "command": "false",
            "repeatPeriod": 5,
            "repeatUntil": '"$status" == "SUCCEEDED"',
            "maxRepeats": 999999,
        },
        "09-DONE": {"command": "/bin/echo Job done."},
    }

    async def main() -> dict[str, Any]:
        async with bench(tmp_path) as b:
            return await b.run(stages, filePath="README.md", experimentName="Bluesky202411")

    job = asyncio.run(main())
    assert job["status"] == "done"
    assert job["filePath"] == "README.md"
    assert only_child(job, "00-CHECK-FILE")["stdOut"] == "Skipping file README.md.\n"
    for key in ("01-MACHINE", "06-MONITOR"):
        skipped = {name: value for name, value in job["workflow"]["stages"][key].items() if name not in stages[key]}
        assert skipped == {
            "childProcesses": {},
            "nRunningChildProcesses": 0,
            "nQueuedChildProcesses": 0,
            "status": "skipped",
        }
    assert only_child(job, "09-DONE")["childProcessNumber"] == 1


def test_submitting_refuses_only_what_cannot_be(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": "true"}})
            with pytest.raises(ObjectNotFound, match="nowhere"):
                b.jobs.start_job(OWNER, "nowhere", {})
            with pytest.raises(ObjectNotFound):
                b.jobs.start_job("somebody", "w", {})
            for key in ("workflow", "status", "id", "stage"):
                with pytest.raises(InvalidArgument, match=key):
                    b.start(**{key: "x"})
            with pytest.raises(InvalidArgument, match="JSON"):
                b.start(text="\ud800")
            assert b.jobs.jobs(OWNER, {}, 0, 0, "ALL") == []

    asyncio.run(main())
