"""A processing service on a temporary directory, for the tests of jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmioc.localdm.answers import ObjectNotFound
from dmioc.localdm.database import Database
from dmioc.localdm.ports import Places
from dmioc.localdm.workflows import Jobs, JobSettings, Workflows

OWNER = "s25idcuser"

EXAMPLE_01 = {
    "name": "example-01",
    "owner": OWNER,
    "userAccount": OWNER,
    "stages": {
        "01-START": {
            "command": "/bin/date +%Y%m%d%H%M%S",
            "outputVariableRegexList": ["(?P<timeStamp>.*)"],
        },
        "02-MKDIR": {"command": "/bin/mkdir -p $target/workflow.$timeStamp"},
        "03-ECHO": {"command": '/bin/echo "START JOB ID: $id" > $target/workflow.$timeStamp/$id.out'},
        "04-MD5SUM": {
            "command": '/usr/bin/md5sum $filePath | cut -f1 -d" "',
            "outputVariableRegexList": ["(?P<md5Sum>.*)"],
        },
        "05-ECHO": {"command": 'echo "FILE $filePath MD5 SUM: $md5Sum" >> $target/workflow.$timeStamp/$id.out'},
        "06-DONE": {"command": '/bin/echo "STOP JOB ID: $id" >> $target/workflow.$timeStamp/$id.out'},
    },
    "description": "Workflow Example 01",
}
"""The recorded workflow (``dm-protocol.md §6.5``) with its directory as an argument."""


class OneExperiment:
    """Experiments with a single one, called ``exp1``."""

    def __init__(self, directory: Path) -> None:
        self.data_directory = directory / "exp1" / "data"
        self.data_directory.mkdir(parents=True, exist_ok=True)

    def places(self, experiment: str) -> Places:
        if experiment != "exp1":
            raise ObjectNotFound(f"Experiment {experiment} does not exist.")
        root = self.data_directory.parent
        return Places(experiment, "DEMO", root, self.data_directory, root / "analysis", "localhost", "")


@dataclass
class Bench:
    directory: Path
    workflows: Workflows
    jobs: Jobs
    data_directory: Path

    def add(self, stages: dict[str, Any], name: str = "w") -> None:
        self.workflows.add({"name": name, "stages": stages}, OWNER)

    def start(self, name: str = "w", **arguments: Any) -> str:
        return self.jobs.start_job(OWNER, name, {"filePath": "/dev/null", **arguments})

    def record(self, job_id: str) -> dict[str, Any]:
        return self.jobs.job(OWNER, job_id)

    async def until(
        self, job_id: str, condition: Callable[[dict[str, Any]], object], timeout_s: float = 30.0
    ) -> dict[str, Any]:
        """The record of the job as soon as the condition is true for it."""
        deadline = time.monotonic() + timeout_s
        while not condition(record := self.record(job_id)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout_s} s; last record {record!r}")
            await asyncio.sleep(0.005)
        return record

    async def ended(self, job_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        return await self.until(job_id, lambda job: job["status"] in ("done", "failed", "aborted"), timeout_s)

    async def run(self, stages: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """The record of one job with these stages when it has ended."""
        self.workflows.upsert({"name": "w", "stages": stages}, OWNER)
        return await self.ended(self.start(**arguments))


@asynccontextmanager
async def bench(directory: Path, **settings: Any) -> AsyncIterator[Bench]:
    database = Database(directory / "localdm.sqlite")
    workflows = Workflows(database)
    experiments = OneExperiment(directory)
    find_files, executor = settings.pop("find_files", None), settings.pop("executor", None)
    job_settings = JobSettings(scratch_directory=directory / "scratch", **settings)
    jobs = Jobs(database, workflows, experiments, job_settings, find_files=find_files, executor=executor)
    await jobs.start()
    try:
        yield Bench(directory, workflows, jobs, experiments.data_directory)
    finally:
        await jobs.stop()
        database.close()


def children(record: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    """Child processes of a stage in the order of their numbers."""
    found = record["workflow"]["stages"][stage]["childProcesses"]
    return [found[number] for number in sorted(found, key=int)]


def only_child(record: dict[str, Any], stage: str) -> dict[str, Any]:
    (child,) = children(record, stage)
    return child
