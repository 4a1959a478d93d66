"""Running the commands of a stage side by side or one after the other, and keeping the record of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from dmioc.localdm.workflows.executor import RunningCommand, StageCommand, StageExecutor
from dmioc.localdm.workflows.record_shapes import NO_EXIT_STATUS
from dmioc.localdm.workflows.records import JobRecord
from dmioc.localdm.workflows.settings import JobSettings

TakeOutput = Callable[[str], Awaitable[None]]


class JobFailed(Exception):  # noqa: N818 - it says what happened to the job
    """The job has failed; the text, if any, becomes its ``errorMessage`` (none when a command failed, ``§6.5``)."""


class CommandRunner:
    """Runs commands of one job that the record has queued.

    What a command leaves in background stays until the job ends and is ended then.
    """

    def __init__(self, record: JobRecord, executor: StageExecutor, settings: JobSettings) -> None:
        self._record = record
        self._executor = executor
        self._settings = settings
        self._scratch_directory = settings.scratch_directory / record.id
        self._active: set[RunningCommand] = set()
        self._left_behind: list[RunningCommand] = []
        self._grace_s = settings.abort_grace_s
        self._failure: JobFailed | None = None

    async def run(self, numbers: Sequence[int], parallel: bool, take_output: TakeOutput) -> None:
        """Run the commands; after one has failed no further one is started, and `JobFailed` is raised when all ended.

        ``take_output`` gets what a command that succeeded has printed; `JobFailed` of it fails the command.
        """
        waiting = deque(numbers)
        workers = min(len(waiting), self._settings.max_parallel_files if parallel else 1)
        tasks = [asyncio.create_task(self._work(waiting, take_output)) for _ in range(workers)]
        try:
            done, _ = await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        for task in done:
            task.result()
        if self._failure is not None:
            raise self._failure

    async def end_left_behind(self) -> None:
        """End what commands left in background, and remove the scratch directory if nothing is in it."""
        await asyncio.gather(*(command.end(self._grace_s) for command in self._left_behind))
        try:
            self._scratch_directory.rmdir()
        except OSError:  # never made, or the job keeps something in it
            return

    def kill(self) -> None:
        """End every process at once, also those that would get time to end by themselves from now on."""
        self._grace_s = 0.0
        for command in (*self._active, *self._left_behind):
            command.kill()

    async def _work(self, waiting: deque[int], take_output: TakeOutput) -> None:
        while waiting and self._failure is None:
            await self._run_one(waiting.popleft(), take_output)

    async def _run_one(self, number: int, take_output: TakeOutput) -> None:
        self._record.child_begins(number)
        out, err = self._record.outputs(number)
        try:
            running = await self._executor.start(self._command(number), out.add, err.add)
        except (OSError, ValueError) as error:  # no such workingDir, a command too long for the system, a NUL in it
            err.add(f"{error}\n".encode())
            self._failed(number, NO_EXIT_STATUS, JobFailed())
            return
        except asyncio.CancelledError:
            self._record.child_ended(number, "aborted", NO_EXIT_STATUS)
            raise
        exit_status = await self._watched(number, running)
        if exit_status != 0:
            self._failed(number, exit_status, JobFailed())
            return
        try:
            await take_output(out.kept_text())
        except JobFailed as error:
            self._failed(number, exit_status, error)
        except asyncio.CancelledError:
            self._record.child_ended(number, "aborted", exit_status)
            raise
        else:
            self._record.child_ended(number, "done", exit_status)

    def _failed(self, number: int, exit_status: int, failure: JobFailed) -> None:
        self._failure = self._failure or failure
        self._record.child_ended(number, "failed", exit_status)

    async def _watched(self, number: int, running: RunningCommand) -> int:
        self._active.add(running)
        try:
            self._record.child_started(number, running.handle)
            exit_status = await running.wait()
        except asyncio.CancelledError:
            self._record.child_ended(number, "aborted", await running.end(self._grace_s))
            raise
        finally:
            self._active.discard(running)
        if running.left_something:
            self._left_behind.append(running)
        return exit_status

    def _command(self, number: int) -> StageCommand:
        entry = self._record.child(number)
        directory = self._scratch_directory / (entry["workingDir"] or "")
        if directory.is_relative_to(self._scratch_directory):
            self._scratch_directory.mkdir(parents=True, exist_ok=True)
        workflow, experiment = self._record.document["workflow"], self._record.document.get("experimentName")
        environment = {
            **self._settings.environment,
            "DM_JOB_OWNER": self._record.owner,
            "DM_WORKFLOW_NAME": workflow["name"],
            "DM_STAGE_ID": entry["stageId"],
            "DM_CHILD_PROCESS_NUMBER": str(number),
        }
        if isinstance(experiment, str):
            environment["DM_EXPERIMENT_NAME"] = experiment
        return StageCommand(self._record.id, entry["command"], directory, environment)
