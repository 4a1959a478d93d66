"""A processing service in a process of its own, to be killed: prints the ids of its jobs when they are on disk."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from job_bench import bench

STAGE = """sh -c 'trap : TERM; echo $$; while :; do sleep 0.1; done' & echo $$; setsid sleep 60 & echo $!; wait"""


async def main(directory: Path) -> None:
    async with bench(directory, max_running_jobs=2) as b:
        b.workflows.upsert({"name": "w", "stages": {"1": {"command": "echo 1"}, "2": {"command": STAGE}}}, "s25idcuser")
        b.workflows.upsert({"name": "short", "stages": {"1": {"command": "echo short"}}}, "s25idcuser")
        finished = b.start("short")
        await b.ended(finished)
        running, aborting, pending = b.start(), b.start(), b.start("short")
        for job_id in (running, aborting):
            await b.until(job_id, lambda job: str(job["workflow"]["stages"]["2"]).count("\\n") == 3)
        await b.jobs.stop_job("s25idcuser", aborting)
        for job_id in (finished, running, aborting, pending):
            await b.jobs.saved(job_id)
        words = str(b.record(running)["workflow"]["stages"]["2"]["childProcesses"]["1"]["stdOut"]).split()
        print(finished, running, aborting, pending, *words, flush=True)
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
