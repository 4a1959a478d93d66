"""Jobs over a ``kill -9`` of localdm."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
from job_bench import OWNER, bench, children, only_child

from dmioc.localdm.workflows import process_groups
from dmioc.localdm.workflows.processes import LocalExecutor

DRIVER = Path(__file__).with_name("jobs_driver.py")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_jobs_and_their_processes_after_a_kill(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(DRIVER), str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as driver:
        assert driver.stdout is not None
        words = driver.stdout.readline().split()
        driver.kill()
    finished, running, aborting, pending = words[:4]
    left = [int(word) for word in words[4:]]
    assert len(left) == 3
    assert all(alive(pid) for pid in left)

    async def next_life() -> None:
        async with bench(tmp_path) as b:
            assert not any(alive(pid) for pid in left)
            job = b.record(running)
            assert (job["status"], job["stage"]) == ("failed", "2")
            assert job["errorMessage"] == "interrupted: localdm was restarted"
            assert job["runTime"] > 0
            assert only_child(job, "1")["status"] == "done"
            stopped = children(job, "2")[0]
            assert (stopped["status"], stopped["exitStatus"]) == ("failed", -1)
            stage = job["workflow"]["stages"]["2"]
            assert (stage["nRunningChildProcesses"], stage["nQueuedChildProcesses"]) == (0, 0)
            assert b.record(aborting)["errorMessage"] == "interrupted: localdm was restarted"
            assert b.record(finished)["status"] == "done"
            assert only_child(await b.ended(pending), "1")["stdOut"] == "short\n"
            order = [job["id"] for job in b.jobs.jobs(OWNER, {}, 0, 0, ["id"])]
            assert order == [finished, running, aborting, pending]
            new = b.start("short")
            assert [job["id"] for job in b.jobs.jobs(OWNER, {}, 0, 0, ["id"])] == [*order, new]
            assert (await b.ended(new))["status"] == "done"

    asyncio.run(next_life())


def test_only_the_process_that_was_remembered_is_ended() -> None:
    """A process number that came again belongs to somebody else."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        entry = process_groups.process(stranger.pid)
        assert entry is not None
        executor = LocalExecutor(1.0)
        assert executor.end_leftovers({"no-such-job": [f"{stranger.pid}:{entry.start_ticks + 1}"]}) == 0
        assert alive(stranger.pid)
        assert executor.end_leftovers({"no-such-job": [f"{stranger.pid}:{entry.start_ticks}"]}) == 1
        assert stranger.wait(5) == -9
