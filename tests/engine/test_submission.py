"""A job is submitted once: same request ids, other jobs of the workflow, and a Start that is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from engine_parts import OWNER, ListDm, Parts, engine_parts

from dmioc.engine.jobs import JobBoard
from dmioc.engine.submission import Submission, submit
from dmioc.errors import CommandFailedError, DmNotFoundError, DmUnreachableError, RefusedError
from dmioc.model import Job, JobSummary, Status


class StartingDm(ListDm):
    """A DM that starts jobs, and may lose its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_answers = False
        self.goes_away = False
        self.refusal: Exception | None = None

    async def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> Job:
        await asyncio.sleep(0.001)
        if self.refusal is not None:
            raise self.refusal
        request_id = str(arguments["dmiocRequestId"])
        number = len(self.listed)
        summary = JobSummary(f"job-{number}", owner, workflow, Status.RUNNING, "running", request_id=request_id)
        self.listed.append(summary)
        if self.loses_answers:
            self.error = DmUnreachableError("away") if self.goes_away else None
            raise DmUnreachableError("connection lost")
        return Job(summary, arguments=dict(arguments))


class Bench:
    """A board, and submissions to a DM that starts jobs."""

    def __init__(self, directory: Path) -> None:
        self.dm = StartingDm()
        self.parts: Parts = engine_parts(directory, self.dm)
        self.board = JobBoard(self.parts.core, 50, lambda: False)
        self.given_up = False

    async def submit(self, request_id: str = "", if_running: str = "Start", workflow: str = "w") -> tuple[Job, bool]:
        submission = Submission(OWNER, workflow, {"filePath": "/a"}, request_id, if_running, 30.0)
        return await submit(self.parts.core, self.board, submission, asyncio.Lock(), lambda: self.given_up)

    def finish(self, number: int) -> None:
        from dataclasses import replace

        self.dm.listed[number] = replace(self.dm.listed[number], status=Status.DONE)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_without_an_id_every_submission_is_a_job(bench: Bench) -> None:
    async def main() -> None:
        first, second = await bench.submit(), await bench.submit()
        assert first[0].summary.id != second[0].summary.id and not first[1] and not second[1]
        assert len({job.request_id for job in bench.dm.listed}) == 2

    asyncio.run(main())


def test_the_same_id_at_once_is_one_job(bench: Bench) -> None:
    async def main() -> None:
        answers = await asyncio.gather(*(bench.submit("scan-1") for _ in range(5)))
        assert len(bench.dm.listed) == 1
        assert sorted(attached for _, attached in answers) == [False, True, True, True, True]

    asyncio.run(main())


def test_an_id_of_another_workflow_is_refused(bench: Bench) -> None:
    async def main() -> None:
        await bench.submit("scan-1")
        with pytest.raises(RefusedError, match="scan-1 was used for workflow w of user"):
            await bench.submit("scan-1", workflow="v")

    asyncio.run(main())


def test_a_job_that_dm_forgot_is_not_started_again(bench: Bench) -> None:
    async def main() -> None:
        await bench.submit("scan-1")
        bench.dm.listed.clear()
        with pytest.raises(RefusedError, match="job-0, which DM no longer knows"):
            await bench.submit("scan-1")

    asyncio.run(main())


@pytest.mark.parametrize("request_id", ["", "scan-1"])
def test_a_lost_answer_is_looked_for(bench: Bench, request_id: str) -> None:
    async def main() -> None:
        bench.dm.loses_answers = True
        job, attached = await bench.submit(request_id)
        assert (job.summary.id, attached, len(bench.dm.listed)) == ("job-0", False, 1)

    asyncio.run(main())


def test_after_a_crash_in_the_middle_the_job_is_found(bench: Bench) -> None:
    async def main() -> None:
        bench.dm.loses_answers = bench.dm.goes_away = True
        with pytest.raises(CommandFailedError, match=r"whether a job was started is not known: away; RequestID scan-1"):
            await bench.submit("scan-1")
        bench.dm.error, bench.dm.loses_answers = None, False
        job, attached = await bench.submit("scan-1")
        assert (job.summary.id, attached, len(bench.dm.listed)) == ("job-0", True, 1)

    asyncio.run(main())


def test_a_refused_id_may_be_used_again(bench: Bench) -> None:
    async def main() -> None:
        bench.dm.refusal = DmNotFoundError("no workflow w", 14)
        with pytest.raises(RefusedError, match="DM does not know workflow w of user"):
            await bench.submit("scan-1")
        bench.dm.refusal = None
        job, attached = await bench.submit("scan-1")
        assert (job.summary.id, attached) == ("job-0", False)

    asyncio.run(main())


def test_refuse_at_once_starts_one(bench: Bench) -> None:
    async def main() -> None:
        answers = await asyncio.gather(*(bench.submit(if_running="Refuse") for _ in range(3)), return_exceptions=True)
        assert len(bench.dm.listed) == 1
        assert sum(isinstance(answer, RefusedError) for answer in answers) == 2
        await bench.submit(if_running="Refuse", workflow="another")

    asyncio.run(main())


def test_wait_starts_one_after_the_other(bench: Bench) -> None:
    async def main() -> None:
        await bench.submit()
        waiting = [asyncio.create_task(bench.submit(if_running="Wait")) for _ in range(2)]
        for number in (0, 1):
            while not sum(job.status.is_active for job in bench.dm.listed) == 1 or len(bench.dm.listed) != number + 1:
                await asyncio.sleep(0.001)
            bench.finish(number)
            await bench.board.poll()
        await asyncio.gather(*waiting)
        assert [job.status for job in bench.dm.listed] == [Status.DONE, Status.DONE, Status.RUNNING]

    asyncio.run(main())


def test_a_start_that_waits_is_given_up(bench: Bench) -> None:
    async def main() -> None:
        await bench.submit()
        waiting = asyncio.create_task(bench.submit(if_running="Wait"))
        while not bench.board.changed._waiters:
            await asyncio.sleep(0.001)
        bench.given_up = True
        bench.board.changed.fire()
        with pytest.raises(CommandFailedError, match="given up"):
            await waiting
        assert len(bench.dm.listed) == 1

    asyncio.run(main())


def test_the_gateways_own_argument_cannot_be_put(bench: Bench) -> None:
    submission = Submission(OWNER, "w", {"dmiocRequestId": "x"}, "", "Start", 30.0)
    with pytest.raises(RefusedError, match="dmiocRequestId is the gateway's own"):
        asyncio.run(submit(bench.parts.core, bench.board, submission, asyncio.Lock(), lambda: False))
