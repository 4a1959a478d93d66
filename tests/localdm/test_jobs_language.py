"""Each item of the stage language, run as real processes (``dm-protocol.md §6.4``)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from job_bench import OWNER, bench, children, only_child


def run(tmp_path: Path, stages: dict[str, Any], settings: Mapping[str, Any] | None = None, **arguments: object) -> Any:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path, **(settings or {})) as b:
            return await b.run(stages, **arguments)

    return asyncio.run(main())


def printed(job: dict[str, Any], stage: str = "1") -> str:
    return only_child(job, stage)["stdOut"]


def test_variables_of_the_job_are_put_into_commands_as_text(tmp_path: Path) -> None:
    command = 'echo "$id|$username|$owner|$stage|$execHost|${gpuID}|$demand|$undefined|$nothing|$macros"'
    arguments = {"gpuID": -2, "demand": True, "nothing": None, "macros": {"A": "b"}}
    job = run(tmp_path, {"1": {"command": command}}, **arguments)
    wanted = f"{job['id']}|{OWNER}|{OWNER}|1|{os.uname().nodename}|-2|True|||{{A:b}}\n"
    assert printed(job) == wanted
    assert '"$undefined' not in only_child(job, "1")["command"].replace("$undefined", "")
    assert "-2|True" in only_child(job, "1")["command"]
    start = run(tmp_path, {"1": {"command": "echo $startTime $endTime"}})
    assert float(printed(start)) == pytest.approx(start["startTime"])


def test_names_that_are_no_variables_are_left_to_the_shell(tmp_path: Path) -> None:
    job = run(tmp_path, {"1": {"command": "for f in a b; do echo $f $$ `echo c | cat`; done | awk '{print $1 $3}'"}})
    assert printed(job) == "ac\nbc\n"


def test_output_variables_are_searched_updated_and_bounded_to_their_line(tmp_path: Path) -> None:
    stages = {
        "1": {
            "command": "echo noise; echo 'Analysis Machine: polaris'; echo 'ID: 7'",
            "outputVariableRegexList": [
                r"Machine: (?P<machine>.*)",
                r"ID: (?P<number>\d+)|(?P<other>x)",
                "absent (?P<no>.)",
            ],
        },
        "2": {"command": "echo $machine-$number"},
        "3": {"command": "printf 'all\\nlines\\n\\n'", "outputVariableRegexList": [r"(?s)(?P<machine>.*)"]},
    }
    job = run(tmp_path, stages, machine="before")
    assert printed(job, "2") == "polaris-7\n"
    assert job["machine"] == "all\nlines"
    assert job["number"] == "7"
    assert "other" not in job
    assert "no" not in job


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(?P<open", "missing"), ("(a+)+(?P<x>b)$", "needed more than 0.3 s"), ("(?P<status>.*)", "'status'")],
)
def test_a_pattern_that_cannot_be_used_fails_the_stage_and_says_so(tmp_path: Path, pattern: str, reason: str) -> None:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path, regex_limit_s=0.3) as b:
            b.add(
                {"1": {"command": f"echo {'a' * 40}", "outputVariableRegexList": [pattern]}, "2": {"command": "true"}}
            )
            job_id = b.start()
            longest_s, last_s = 0.0, time.monotonic()
            while b.record(job_id)["status"] in ("pending", "running"):
                await asyncio.sleep(0.002)
                longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
            assert longest_s < 1.0  # the loop went on: the second pattern needs hours
            good = await b.run({"1": {"command": "echo ok", "outputVariableRegexList": ["(?P<x>.*)"]}})
            assert good["x"] == "ok"
            return b.record(job_id)

    job = asyncio.run(main())
    assert job["status"] == "failed"
    assert reason in job["errorMessage"]
    assert job["errorMessage"].startswith("Stage 1: ")
    assert only_child(job, "1")["status"] == "failed"
    assert only_child(job, "1")["exitStatus"] == 0
    assert job["workflow"]["stages"]["1"]["nFailedChildProcesses"] == 1


def test_an_old_exec_out_format_reads_variables(tmp_path: Path) -> None:
    stages = {
        "1": {"command": "echo 'Your job 4711 (\"x.y\") has been submitted'", "execOutFormat": 'job $jobId ("$n")'}
    }
    job = run(tmp_path, stages)
    assert (job["jobId"], job["n"]) == ("4711", "x.y")


def test_a_bad_condition_fails_the_stage_and_says_so(tmp_path: Path) -> None:
    job = run(tmp_path, {"1": {"command": "true", "runIf": "__import__('os').system('touch /tmp/x')"}})
    assert job["status"] == "failed"
    assert job["errorMessage"].startswith("Stage 1: runIf: ")
    assert children(job, "1") == []


def test_a_quote_in_a_file_name_does_not_leave_its_literal(tmp_path: Path) -> None:
    job = run(tmp_path, {"1": {"command": "true", "runIf": '"mda" in "$sample"'}}, sample='" or 1 or "')
    assert job["workflow"]["stages"]["1"]["status"] == "skipped"


def test_a_stage_repeats_until_its_condition_is_true(tmp_path: Path) -> None:
    count = "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo COUNT: $n"
    stages = {
        "1": {
            "command": count.replace("$n", "${n:-0}").replace("$((n+1))", "$(expr ${n:-0} + 1)"),
            "outputVariableRegexList": [r"COUNT: (?P<count>\d+)"],
            "repeatPeriod": 0.2,
            "repeatUntil": '"$count" == "3"',
            "maxRepeats": 10,
        },
        "2": {"command": "echo after $count"},
    }
    job = run(tmp_path, stages)
    assert job["status"] == "done"
    assert job["count"] == "3"
    runs = children(job, "1")
    assert [child["childProcessNumber"] for child in runs] == [0, 1, 2]
    assert job["workflow"]["stages"]["1"]["nCompletedChildProcesses"] == 3
    assert runs[0]["startTime"] - runs[0]["submitTime"] < 0.15
    for before, after in pairwise(runs):
        assert after["submitTime"] - before["endTime"] < 0.15
        assert 0.2 <= after["startTime"] - after["submitTime"] < 0.6
    assert printed(job, "2") == "after 3\n"


def test_a_run_that_waits_for_its_period_is_queued(tmp_path: Path) -> None:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": "true", "repeatPeriod": 60, "repeatUntil": "False"}})
            job_id = b.start()
            job = await b.until(job_id, lambda job: len(job["workflow"]["stages"]["1"].get("childProcesses", {})) == 2)
            assert job["status"] == "running"
            return job

    job = asyncio.run(main())
    stage = job["workflow"]["stages"]["1"]
    assert (stage["nRunningChildProcesses"], stage["nQueuedChildProcesses"]) == (0, 1)
    waiting = children(job, "1")[1]
    assert waiting["status"] == "pending"
    assert "startTime" not in waiting


def test_reaching_max_repeats_fails_the_stage(tmp_path: Path) -> None:
    stage = {"command": "echo 1", "repeatPeriod": 0, "repeatUntil": '"a" == "b"', "maxRepeats": 3}
    job = run(tmp_path, {"1": stage, "2": {"command": "true"}})
    assert (job["status"], job["stage"]) == ("failed", "1")
    assert "3 runs (maxRepeats)" in job["errorMessage"]
    assert len(children(job, "1")) == 3
    assert set(job["workflow"]["stages"]["2"]) == {"command"}


def test_max_repeats_without_a_condition_is_a_count(tmp_path: Path) -> None:
    job = run(tmp_path, {"1": {"command": "echo 1", "repeatPeriod": "0", "maxRepeats": "2"}})
    assert job["status"] == "done"
    assert len(children(job, "1")) == 2


def test_stages_run_in_their_own_directory_or_the_one_they_name(tmp_path: Path) -> None:
    stages = {
        "1": {"command": "pwd; mkdir sub; touch kept"},
        "2": {"command": "pwd", "workingDir": "$place"},
        "3": {"command": "pwd", "workingDir": "sub"},
    }
    (tmp_path / "elsewhere").mkdir()
    job = run(tmp_path, stages, place=str(tmp_path / "elsewhere"))
    scratch = tmp_path / "scratch" / job["id"]
    assert [printed(job, key).strip() for key in "123"] == [
        str(scratch),
        str(tmp_path / "elsewhere"),
        str(scratch / "sub"),
    ]
    assert only_child(job, "1")["workingDir"] is None
    assert only_child(job, "2")["workingDir"] == str(tmp_path / "elsewhere")
    assert (scratch / "kept").exists()


def test_an_empty_scratch_directory_does_not_stay(tmp_path: Path) -> None:
    job = run(tmp_path, {"1": {"command": "pwd"}})
    assert printed(job).strip() == str(tmp_path / "scratch" / job["id"])
    assert not (tmp_path / "scratch" / job["id"]).exists()


@pytest.mark.parametrize("stage", [{"command": "true", "workingDir": "/no/such/place"}, {"command": "echo '\0'"}])
def test_a_command_that_cannot_be_started_fails_with_its_reason(tmp_path: Path, stage: dict[str, Any]) -> None:
    job = run(tmp_path, {"1": stage})
    assert job["status"] == "failed"
    child = only_child(job, "1")
    assert (child["status"], child["exitStatus"]) == ("failed", -1)
    assert "/no/such/place" in child["stdErr"] or "null byte" in child["stdErr"]


def test_stages_inherit_the_environment_and_learn_about_their_job(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DMIOC_TEST_INHERITED", "yes")
    names = ("DM_JOB_ID", "DM_JOB_OWNER", "DM_WORKFLOW_NAME", "DM_STAGE_ID", "DM_CHILD_PROCESS_NUMBER",
             "DM_EXPERIMENT_NAME", "DMIOC_PREFIX", "DMIOC_TEST_INHERITED")  # fmt: skip
    stages = {"1": {"command": "env; cat"}}
    job = run(tmp_path, stages, {"environment": {"DMIOC_PREFIX": "25idc:"}}, experimentName="exp1")
    found = {line.partition("=")[0]: line.partition("=")[2] for line in str(printed(job)).splitlines()}
    assert [found[name] for name in names] == [job["id"], OWNER, "w", "1", "0", "exp1", "25idc:", "yes"]


def test_a_command_with_file_path_runs_once_for_each_file(tmp_path: Path) -> None:
    paths = [f"/data/{number}.h5" for number in range(5)]
    stages = {
        "1": {"command": "echo $filePath", "outputVariableRegexList": ["(?P<last>.*)"], "parallelExec": False},
        "2": {"command": "echo once"},
        "3": {"command": "echo ${filePath}", "runIf": 'not "$filePath".endswith("3.h5")'},
    }
    job = run(tmp_path, stages, filePath="", filePathList=paths)
    assert job["status"] == "done"
    assert job["countFiles"] == 5
    assert [child["stdOut"].strip() for child in children(job, "1")] == paths
    assert job["last"] == paths[-1]
    ends = children(job, "1")
    assert all(before["endTime"] <= after["startTime"] for before, after in pairwise(ends))
    assert printed(job, "2") == "once\n"
    assert [child["stdOut"].strip() for child in children(job, "3")] == [*paths[:3], paths[4]]
    assert [child["childProcessNumber"] for child in children(job, "3")] == [6, 7, 8, 9]


def test_files_run_side_by_side_within_the_limit(tmp_path: Path) -> None:
    # Each command needs another one beside it, counts how many there are, and goes when its partner has counted too.
    command = (
        "mkdir $filePath; while n=$(ls | wc -l); [ $n -lt 2 ]; do sleep 0.01; done; echo $n; touch ../counted/$filePath;"
        " while [ $(ls ../counted | wc -l) -lt $(cat ../pairs/$filePath) ]; do sleep 0.01; done; rmdir $filePath"
    )
    stages = {"1": {"command": command, "workingDir": str(tmp_path / "crowd")}}
    for name in ("crowd", "counted", "pairs"):
        (tmp_path / name).mkdir()
    paths = ["f1", "f2", "f3", "f4"]
    for path, counted in zip(paths, ("2", "2", "4", "4"), strict=True):
        (tmp_path / "pairs" / path).write_text(counted)

    async def main() -> dict[str, Any]:
        async with bench(tmp_path, max_parallel_files=2) as b:
            b.add(stages)
            job_id = b.start(filePath=None, filePathList=paths)
            job = await b.until(job_id, lambda job: job["workflow"]["stages"]["1"].get("nRunningChildProcesses") == 2)
            assert job["workflow"]["stages"]["1"]["nQueuedChildProcesses"] == 2
            return await b.ended(job_id)

    job = asyncio.run(main())
    assert job["status"] == "done"
    assert {child["stdOut"].strip() for child in children(job, "1")} == {"2"}


def test_a_file_that_fails_stops_the_files_after_it(tmp_path: Path) -> None:
    stages = {"1": {"command": "echo $filePath; test $filePath != b", "parallelExec": False}}
    job = run(tmp_path, stages, filePath=None, filePathList=["a", "b", "c"])
    assert job["status"] == "failed"
    stage = job["workflow"]["stages"]["1"]
    assert [child["status"] for child in children(job, "1")] == ["done", "failed", "aborted"]
    assert (stage["nCompletedChildProcesses"], stage["nFailedChildProcesses"], stage["nQueuedChildProcesses"]) == (
        1,
        1,
        0,
    )


def test_relative_files_are_found_in_the_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "exp1" / "data"
    for name in ("a.h5", "sub/b.h5", "sub/c.txt", "it's.h5"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    each = {"1": {"command": 'echo "$filePath"'}}
    job = run(tmp_path, each, filePath="a.h5", experimentName="exp1")
    assert printed(job).strip() == str(data / "a.h5")
    assert (job["filePath"], job["countFiles"]) == ("a.h5", 1)
    assert "filePathList" not in job
    job = run(tmp_path, each, filePath="a.h5")
    assert printed(job).strip() == "a.h5"
    job = run(tmp_path, each, filePath="a.h5", experimentName="other")
    assert printed(job).strip() == "a.h5"
    job = run(tmp_path, each, filePath=None, filePathPattern="**/*.h5", experimentName="exp1")
    assert job["filePathList"] == [str(data / name) for name in ("a.h5", "it's.h5", "sub/b.h5")]
    assert job["countFiles"] == 3
    job = run(tmp_path, each, filePath=None, filePathPattern="*.txt", dataDir=str(data / "sub"), experimentName="exp1")
    assert printed(job).strip() == str(data / "sub" / "c.txt")
    stages = {"1": {"command": 'echo "$filePath"', "dataDir": "sub", "filePathPattern": "$which.*"}, "2": each["1"]}
    job = run(tmp_path, stages, experimentName="exp1", which="b")
    assert printed(job).strip() == str(data / "sub" / "b.h5")
    assert printed(job, "2").strip() == "/dev/null"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"filePathPattern": "/no/such/*.h5"}, "No file fits '/no/such/*.h5'"),
        ({"filePathPattern": "*.h5"}, "is relative"),
        ({"filePath": 5}, "filePath must be text, not '5'"),
        ({"filePathList": ["a", 1]}, "filePathList must be a list of texts"),
        ({"fileQueryDict": {"a": 1}}, "fileQueryDict is not known here"),
        ({"filePathList": ["a", "b", "c"]}, "more files than one job may have: 2"),
    ],
)
def test_a_file_specification_that_gives_no_files_fails_and_says_why(
    tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    job = run(tmp_path, {"1": {"command": "true"}}, {"max_files": 2}, **{"filePath": None, **arguments})
    assert job["status"] == "failed"
    assert job["errorMessage"].startswith("Invalid input file specification.")
    assert reason in job["errorMessage"]
    assert set(job["workflow"]["stages"]["1"]) == {"command"}


def test_a_file_query_is_answered_by_the_catalog_that_was_given(tmp_path: Path) -> None:
    asked: list[Any] = []

    def find_files(experiment: str, query: Mapping[str, object]) -> list[str]:
        asked.append((experiment, query))
        return ["/data/1.h5", "/data/2.h5"]

    stages = {"1": {"command": "echo $filePath", "fileQueryDict": {"sample": "x"}}}
    job = run(tmp_path, stages, {"find_files": find_files}, filePath=None, experimentName="exp1")
    assert asked == [("exp1", {"sample": "x"})]
    assert [child["stdOut"] for child in children(job, "1")] == ["/data/1.h5\n", "/data/2.h5\n"]
    assert job["countFiles"] == 0
