"""Ending jobs: abort of a tree of processes, the queue, stop of the service, bounded output, deletion."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest
from job_bench import OWNER, Bench, bench, children, only_child
from waiting import wait_until

from dmioc.localdm.answers import InvalidRequest, ObjectNotFound
from dmioc.localdm.workflows import executor, writer
from dmioc.localdm.workflows.records import Snapshot
from dmioc.localdm.workflows.store import JobStore


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(job: dict[str, Any], stage: str = "1") -> list[int]:
    return [int(word) for word in only_child(job, stage)["stdOut"].split()]


async def with_pids(b: Bench, job_id: str, count: int) -> list[int]:
    """Process numbers that the first command has printed so far, as soon as there are enough."""

    def enough(job: dict[str, Any]) -> bool:
        found = job["workflow"]["stages"]["1"].get("childProcesses", {}).get("0", {})
        return len(found.get("stdOut", "").split()) == count and found["stdOut"].endswith("\n")

    return pids(await b.until(job_id, enough))


# A shell, its child and a grandchild; the grandchild does not listen to SIGTERM.
TREE = """sh -c 'sh -c "trap : TERM; echo \\$\\$; while :; do sleep 0.1; done" & echo $$; wait' & echo $$; wait"""


def test_an_abort_ends_the_whole_tree_also_what_does_not_listen(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path, abort_grace_s=0.3) as b:
            b.add({"1": {"command": TREE}, "2": {"command": "true"}})
            job_id = b.start()
            tree = await with_pids(b, job_id, 3)
            assert all(alive(pid) for pid in tree)
            answer = await b.jobs.stop_job(OWNER, job_id)
            assert answer["status"] == "aborting"
            again = await b.jobs.stop_job(OWNER, job_id)
            assert again["status"] == "aborting"
            job = await b.ended(job_id)
            assert not any(alive(pid) for pid in tree)
            assert (job["status"], job["stage"]) == ("aborted", "1")
            assert "errorMessage" not in job
            child = only_child(job, "1")
            assert child["status"] == "aborted"
            assert child["exitStatus"] < 0
            assert 0.3 <= job["runTime"] < 3
            assert set(job["workflow"]["stages"]["2"]) == {"command"}
            with pytest.raises(InvalidRequest, match="aborted"):
                await b.jobs.stop_job(OWNER, job_id)
            await b.jobs.saved(job_id)
            with pytest.raises(InvalidRequest, match="aborted"):
                await b.jobs.stop_job(OWNER, job_id)
            with pytest.raises(ObjectNotFound):
                await b.jobs.stop_job(OWNER, "nothing")
            with pytest.raises(ObjectNotFound):
                await b.jobs.stop_job("somebody", job_id)

    asyncio.run(main())


def test_an_abort_between_repeats_and_beside_other_files(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": "true", "repeatPeriod": 60}})
            b.add({"1": {"command": "sleep 60; echo $filePath"}}, "files")
            waiting = b.start()
            files = b.start("files", filePath=None, filePathList=[str(number) for number in range(6)])
            await b.until(waiting, lambda job: len(job["workflow"]["stages"]["1"].get("childProcesses", {})) == 2)
            await b.until(files, lambda job: job["workflow"]["stages"]["1"].get("nRunningChildProcesses") == 4)
            for job_id in (waiting, files):
                await b.jobs.stop_job(OWNER, job_id)
            repeated, many = await b.ended(waiting), await b.ended(files)
            assert [child["status"] for child in children(repeated, "1")] == ["done", "aborted"]
            assert [child["status"] for child in children(many, "1")] == ["aborted"] * 6
            stage = many["workflow"]["stages"]["1"]
            assert (stage["nRunningChildProcesses"], stage["nQueuedChildProcesses"]) == (0, 0)

    asyncio.run(main())


def test_what_a_stage_leaves_in_background_ends_with_the_job(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path, output_drain_s=0.2) as b:
            server = {"command": "sleep 60 & echo $!", "outputVariableRegexList": ["(?P<server>.*)"]}
            job = await b.run({"1": server, "2": {"command": "kill -0 $server"}})
            assert job["status"] == "done"  # so stage 2 found it
            assert not alive(pids(job)[0])

    asyncio.run(main())


def test_only_so_many_jobs_run_and_the_others_wait_in_turn(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path, max_running_jobs=2) as b:
            gate = tmp_path / "gate"
            b.add({"1": {"command": f"while [ ! -e {gate} ]; do sleep 0.01; done"}})
            ids = [b.start() for _ in range(6)]
            for job_id in ids[:2]:
                await b.until(job_id, lambda job: job["status"] == "running")
            statuses = [job["status"] for job in b.jobs.jobs(OWNER, {}, 0, 0, "DEFAULT")]
            assert statuses == ["running"] * 2 + ["pending"] * 4
            aborted = await b.jobs.stop_job(OWNER, ids[3])
            assert aborted["status"] == "aborted"
            assert "startTime" not in aborted
            assert "stage" not in aborted
            gate.touch()
            jobs = [await b.ended(job_id) for job_id in ids]
            assert [job["status"] for job in jobs] == ["done", "done", "done", "aborted", "done", "done"]
            starts = [job["startTime"] for job in jobs if job["status"] == "done"]
            assert starts == sorted(starts)
            assert jobs[2]["startTime"] >= min(jobs[0]["endTime"], jobs[1]["endTime"])

    asyncio.run(main())


def test_stop_ends_every_process_within_two_seconds(tmp_path: Path) -> None:
    async def main() -> tuple[list[int], float, str, str]:
        async with bench(tmp_path, max_running_jobs=2, abort_grace_s=60) as b:
            b.add({"1": {"command": TREE}})
            running, aborting, pending = b.start(), b.start(), b.start()
            tree = await with_pids(b, running, 3) + await with_pids(b, aborting, 3)
            await b.jobs.stop_job(OWNER, aborting)
            started_s = time.monotonic()
            await b.jobs.stop()
            took_s = time.monotonic() - started_s
            assert b.record(running)["errorMessage"] == "interrupted: localdm was stopped"
            assert b.record(aborting)["status"] == "aborted"
            assert b.record(pending)["status"] == "pending"
            return tree, took_s, running, pending

    async def next_life(running: str, pending: str) -> None:
        async with bench(tmp_path, abort_grace_s=0.1) as b:
            assert b.record(running)["status"] == "failed"
            await b.until(pending, lambda job: job["status"] == "running")
            await b.jobs.stop_job(OWNER, pending)
            await b.ended(pending)

    tree, took_s, running, pending = asyncio.run(main())
    assert took_s < 2.0
    assert not any(alive(pid) for pid in tree)
    asyncio.run(next_life(running, pending))


def test_stop_does_not_wait_for_a_search_that_never_ends(tmp_path: Path) -> None:
    async def main() -> float:
        async with bench(tmp_path, regex_limit_s=30.0) as b:
            b.add({"1": {"command": f"echo {'a' * 40}", "outputVariableRegexList": ["(a+)+(?P<x>b)$"]}})
            job_id = b.start()
            await b.until(job_id, lambda job: "'stdOut': 'aaa" in str(job["workflow"]))
            await asyncio.to_thread(wait_until, lambda: psutil.Process().children(), 5.0)
            started_s = time.monotonic()
            await b.jobs.stop()
            assert b.record(job_id)["errorMessage"] == "interrupted: localdm was stopped"
            return time.monotonic() - started_s

    assert asyncio.run(main()) < 2.0


def test_output_is_seen_while_the_stage_works(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo second >&2"}})
            job_id = b.start()
            job = await b.until(job_id, lambda job: "'stdOut': 'first" in str(job["workflow"]))
            child = only_child(job, "1")
            assert (child["status"], child["exitStatus"], child["stdErr"]) == ("running", -1, "")
            assert job["workflow"]["stages"]["1"]["nRunningChildProcesses"] == 1
            assert "nCompletedChildProcesses" not in job["workflow"]["stages"]["1"]
            (tmp_path / "go").touch()
            job = await b.ended(job_id)
            assert (only_child(job, "1")["stdOut"], only_child(job, "1")["stdErr"]) == ("first\n", "second\n")

    asyncio.run(main())


def test_much_output_is_bounded_to_its_end(tmp_path: Path) -> None:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path, max_output_bytes=10_000) as b:
            command = "i=0; yes äöü-line-of-output | head -c 5000000; echo; echo THE END"
            return await b.run({"1": {"command": command, "outputVariableRegexList": ["THE (?P<what>.*)"]}})

    job = asyncio.run(main())
    text = only_child(job, "1")["stdOut"]
    assert job["what"] == "END"
    assert text.startswith("[4990009 bytes left out]\n")
    assert text.endswith("\nTHE END\n")
    assert 9_990 < len(text.partition("\n")[2].encode()) <= 10_000
    assert "\ufffd" not in text.partition("\n")[2]


def test_all_outputs_of_a_job_together_are_bounded(tmp_path: Path) -> None:
    async def main() -> dict[str, Any]:
        async with bench(tmp_path, max_output_bytes=1_000, max_job_output_bytes=2_500) as b:
            return await b.run({str(number): {"command": "yes | head -c 1000"} for number in range(5)})

    job = asyncio.run(main())
    texts = [only_child(job, str(number))["stdOut"] for number in range(5)]
    assert texts[:3] == ["[1000 bytes left out]\n"] * 3
    assert [len(text) for text in texts[3:]] == [1000, 1000]


def test_a_stage_that_prints_without_end_leaves_the_loop_free(tmp_path: Path) -> None:
    async def main() -> float:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": "yes"}})
            job_id = b.start()
            await b.until(job_id, lambda job: "left out" in str(job["workflow"]))
            longest_s, end_s = 0.0, time.monotonic() + 0.5
            while (last_s := time.monotonic()) < end_s:
                await asyncio.sleep(0)
                longest_s = max(longest_s, time.monotonic() - last_s)
            await b.jobs.stop_job(OWNER, job_id)
            await b.ended(job_id)
            return longest_s

    assert asyncio.run(main()) < 0.2


def test_a_job_that_has_ended_can_be_deleted(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            b.add({"1": {"command": f"touch kept; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"}})
            job_id, other = b.start(), b.start()
            await b.until(job_id, lambda job: job["status"] == "running")
            with pytest.raises(InvalidRequest, match="running"):
                b.jobs.delete(OWNER, job_id)
            (tmp_path / "go").touch()
            await b.ended(job_id)
            await b.ended(other)
            assert (tmp_path / "scratch" / job_id / "kept").exists()
            assert b.jobs.delete(OWNER, job_id)["id"] == job_id
            await b.jobs.saved(other)
            with pytest.raises(ObjectNotFound):
                b.jobs.job(OWNER, job_id)
            with pytest.raises(ObjectNotFound):
                b.jobs.delete(OWNER, job_id)
            assert not (tmp_path / "scratch" / job_id).exists()
            assert [job["id"] for job in b.jobs.jobs(OWNER, {}, 0, 0, "ALL")] == [other]

    asyncio.run(main())


def test_another_executor_can_take_the_place_of_local_processes(tmp_path: Path) -> None:
    class Remote:
        handle = "remote:1"
        left_something = False

        async def wait(self) -> int:
            return 0

        async def end(self, grace_s: float) -> int:
            return -15

        def kill(self) -> None: ...

    class Elsewhere:
        async def start(self, command: executor.StageCommand, out: executor.Output, err: executor.Output) -> Remote:
            out(f"ran {command.command} elsewhere\n".encode())
            return Remote()

        def end_leftovers(self, handles: object) -> int:
            return 0

    async def main() -> dict[str, Any]:
        async with bench(tmp_path, executor=Elsewhere()) as b:
            return await b.run({"1": {"command": "it"}})

    assert only_child(asyncio.run(main()), "1")["stdOut"] == "ran it elsewhere\n"


def test_a_fault_of_localdm_fails_the_job_and_frees_its_place(tmp_path: Path) -> None:
    class Broken:
        async def start(self, *_arguments: object) -> executor.RunningCommand:
            raise KeyError("broken")

        def end_leftovers(self, handles: object) -> int:
            return 0

    async def main() -> None:
        async with bench(tmp_path, executor=Broken(), max_running_jobs=1) as b:
            for _ in range(2):
                job = await b.run({"1": {"command": "it"}})
                assert job["status"] == "failed"
                assert job["errorMessage"] == "localdm failed to run the job: KeyError: 'broken'"

    asyncio.run(main())


def test_jobs_go_on_while_the_disk_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_RETRY_PERIOD_S", 0.01)
    refused: list[int] = []
    real_write = JobStore.write

    def write(self: JobStore, snapshots: Iterable[Snapshot]) -> None:
        if len(refused) < 3:
            refused.append(1)
            raise sqlite3.OperationalError("database or disk is full")
        real_write(self, snapshots)

    async def main() -> None:
        async with bench(tmp_path) as b:
            monkeypatch.setattr(JobStore, "write", write)
            job = await b.run({"1": {"command": "echo 1"}})
            await b.jobs.saved(job["id"])
            assert len(refused) == 3
            assert b.record(job["id"]) == job

    asyncio.run(main())


def test_the_end_of_a_process_is_seen_without_pidfd_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError("no pidfd here")

    monkeypatch.setattr(os, "pidfd_open", refuse)

    async def main() -> dict[str, Any]:
        async with bench(tmp_path) as b:
            return await b.run({"1": {"command": "echo 1; exit 3"}})

    child = only_child(asyncio.run(main()), "1")
    assert (child["exitStatus"], child["stdOut"]) == (3, "1\n")


def test_no_descriptors_and_no_processes_stay(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.run({"1": {"command": "echo 1", "outputVariableRegexList": ["(?P<x>.)"]}})
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(5):
                await b.run(
                    {
                        "1": {
                            "command": "echo 1",
                            "outputVariableRegexList": ["(?P<x>.)"],
                            "maxRepeats": 3,
                            "repeatPeriod": 0,
                        }
                    }
                )
            assert len(os.listdir("/proc/self/fd")) <= before

    asyncio.run(main())
    assert [process for process in psutil.Process().children() if process.status() == psutil.STATUS_ZOMBIE] == []
