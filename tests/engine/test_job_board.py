"""The board of all jobs, against a DM whose list grows, shrinks, turns round and is long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_parts import OWNER, ListDm, Parts, engine_parts

from dmioc.engine.jobs import OLD_JOBS_A_ROUND, OVERLAP, PAGE, JobBoard
from dmioc.errors import DmUnreachableError
from dmioc.model import Job, JobSummary, Status

KEPT = 50


def jobs(first: int, count: int, status: Status = Status.DONE) -> list[JobSummary]:
    """Jobs with numbers that rise with their time of submission."""
    return [
        JobSummary(
            f"job-{number:06}", OWNER, f"w{number % 3}", status, status.value.lower(), submit_time_s=1000.0 + number
        )
        for number in range(first, first + count)
    ]


class Bench:
    """A board and the DM that it reads."""

    def __init__(self, directory: Path, listed: list[JobSummary], kept: int = KEPT) -> None:
        self.dm = ListDm(*listed)
        self.parts: Parts = engine_parts(directory, self.dm)
        self.board = JobBoard(self.parts.core, kept, lambda: False)

    async def poll(self) -> int:
        """One round; answers how many rows were asked of DM."""
        self.dm.pages.clear()
        self.dm.asked.clear()
        await self.board.poll()
        self.parts.core.store.commit()
        lengths = [min(limit, max(len(self.dm.listed) - skip, 0)) for skip, limit, _ in self.dm.pages]
        return sum(lengths)

    def is_right(self) -> None:
        """The board shows what DM's list holds."""
        newest = sorted(self.dm.listed, key=lambda job: job.submit_time_s, reverse=True)[: self.board._kept]
        assert [job.id for job in self.board.newest()] == [job.id for job in newest]
        assert [job.workflow for job in self.board.newest()] == [job.workflow for job in newest]
        active = {job.id for job in self.dm.listed if job.status.is_active}
        assert {job.id for job in self.board.active()} == active
        assert self.parts.value("JOB:Active") == len(active)
        assert self.parts.value("JOB:Idle") == int(not active)

    def set_status(self, job_id: str, status: Status) -> None:
        self.dm.listed = [replace(job, status=status) if job.id == job_id else job for job in self.dm.listed]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


@pytest.mark.parametrize("count", [0, 1, OVERLAP, OVERLAP + 1, PAGE - 1, PAGE, PAGE + 1, 5000])
def test_the_whole_list_once_and_then_its_end(tmp_path: Path, count: int) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, count))
        await bench.poll()
        bench.is_right()
        assert await bench.poll() <= OVERLAP
        bench.dm.listed += jobs(count, 3)
        # The new ones, the overlap, and the new ones once more with their names.
        assert await bench.poll() <= OVERLAP + 6
        bench.is_right()

    run(main)


@pytest.mark.parametrize("kept", [1, KEPT, 500])
def test_a_long_history_is_not_kept_and_not_read_again(tmp_path: Path, kept: int) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 5000), kept)
        await bench.poll()
        assert len(bench.board._jobs) <= kept + PAGE
        for round_number in range(3):
            bench.dm.listed += jobs(5000 + round_number, 1)
            assert await bench.poll() <= OVERLAP + 3
            bench.is_right()

    run(main)


def test_a_list_that_grew_by_more_than_a_page(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 100))
        await bench.poll()
        bench.dm.listed += jobs(100, 2 * PAGE + 5, Status.RUNNING)
        await bench.poll()
        for _ in range(4):  # names come a page at a time
            await bench.poll()
        bench.is_right()

    run(main)


@pytest.mark.parametrize(
    "change",
    [
        lambda listed: [],
        lambda listed: listed[:10],
        lambda listed: listed[:-1],
        lambda listed: listed[1:],
        lambda listed: listed[:1990] + listed[1995:],
        lambda listed: listed[100:],
        lambda listed: listed[1:] + jobs(2000, 1),
        lambda listed: listed[::-1],
        lambda listed: listed[1000:] + listed[:1000],
        lambda listed: jobs(7000, 2000),
    ],
    ids=[
        "emptied",
        "cut",
        "last gone",
        "first gone",
        "hole",
        "old gone",
        "one in one out",
        "turned round",
        "moved",
        "another",
    ],
)
def test_a_list_that_is_no_longer_what_it_was(
    tmp_path: Path, change: Callable[[list[JobSummary]], list[JobSummary]]
) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, [*jobs(0, 1997), *jobs(1997, 3, Status.RUNNING)])
        await bench.poll()
        bench.is_right()
        bench.dm.listed = change(bench.dm.listed)
        await bench.poll()
        await bench.poll()
        bench.is_right()

    run(main)


def test_a_list_with_the_newest_first(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 1500)[::-1])
        await bench.poll()
        bench.is_right()
        bench.dm.listed = [*jobs(1500, 1, Status.RUNNING), *bench.dm.listed]
        await bench.poll()
        bench.is_right()
        bench.set_status("job-001500", Status.DONE)
        await bench.poll()
        bench.is_right()

    run(main)


def test_old_active_jobs_are_asked_for_one_by_one_in_turn(tmp_path: Path) -> None:
    async def main() -> None:
        old = 3 * OLD_JOBS_A_ROUND
        bench = Bench(tmp_path, [*jobs(0, old, Status.RUNNING), *jobs(old, 5000)])
        await bench.poll()
        assert len(bench.board.active()) == old
        asked: set[str] = set()
        for _ in range(3):
            assert await bench.poll() <= 2 * OVERLAP
            assert len(bench.dm.asked) == OLD_JOBS_A_ROUND
            asked |= set(bench.dm.asked)
        assert len(asked) == old
        for number in range(old):
            bench.set_status(f"job-{number:06}", Status.FAILED)
        for _ in range(3):
            await bench.poll()
        bench.is_right()

    run(main)


def test_an_old_active_job_that_dm_forgets_is_not_active_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, [*jobs(0, 1, Status.RUNNING), *jobs(1, 3000)])
        await bench.poll()
        assert bench.parts.value("JOB:Active") == 1
        bench.dm.listed[0] = replace(bench.dm.listed[0], id="another")
        await bench.poll()
        assert bench.parts.value("JOB:Active") == 0

    run(main)


def test_pending_and_running_are_counted(tmp_path: Path) -> None:
    async def main() -> None:
        listed = [*jobs(0, 2, Status.PENDING), *jobs(2, 3, Status.RUNNING), *jobs(5, 1, Status.ABORTING), *jobs(6, 4)]
        bench = Bench(tmp_path, listed)
        await bench.poll()
        found = [bench.parts.value(f"JOB:{name}") for name in ("Active", "Pending", "Running", "Idle")]
        assert found == [6, 2, 4, 0]

    run(main)


def test_the_end_that_a_slot_learned_is_not_undone_by_an_older_page(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 1, Status.RUNNING))
        await bench.poll()
        bench.board.take(replace(bench.dm.listed[0], status=Status.DONE))
        assert bench.board.active() == []
        await bench.poll()
        assert bench.board.active() == []

    run(main)


def test_a_job_called_lost_that_dm_lists_after_all(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 1))
        await bench.poll()
        new = jobs(1, 1, Status.RUNNING)[0]
        bench.board.take(new)  # just submitted: neither listed nor found yet
        await bench.poll()
        await bench.poll()
        bench.dm.listed.append(new)
        await bench.poll()
        bench.is_right()

    run(main)


def test_jobs_of_another_owner_do_not_count(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, jobs(0, 1))
        await bench.poll()
        bench.board.take(replace(jobs(5, 1, Status.RUNNING)[0], owner="somebody"))
        assert bench.board.active() == []

    run(main)


class SlowDm(ListDm):
    """Each answer takes a turn of the loop, so that rounds would run into one another."""

    async def jobs(self, owner: str, skip: int, limit: int, with_workflow: bool) -> Any:
        page = await super().jobs(owner, skip, limit, with_workflow)
        await asyncio.sleep(0.001)
        return page

    async def job(self, owner: str, job_id: str) -> Job:
        await asyncio.sleep(0.001)
        return await super().job(owner, job_id)


def test_rounds_at_once_never_show_a_part_of_the_list(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, [])
        bench.dm.listed = [*jobs(0, 3, Status.RUNNING), *jobs(3, 2500)]
        dm = SlowDm(*bench.dm.listed)
        parts = engine_parts(tmp_path / "..", dm)
        board = JobBoard(parts.core, KEPT, lambda: False)
        await board.poll()
        seen: list[int] = []
        for _ in range(4):
            dm.listed.pop()  # the list moved: it is read anew
            rounds = [asyncio.create_task(board.poll()) for _ in range(3)]
            while not all(one.done() for one in rounds):
                seen.append(len(board.active()))
                await asyncio.sleep(0)
            for one in rounds:
                assert await one
        assert set(seen) == {3}
        parts.core.journal.close()

    run(main)


def test_a_round_that_failed_in_the_middle_is_made_good(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, [*jobs(0, 2, Status.RUNNING), *jobs(2, 1500)])
        await bench.poll()
        bench.dm.listed = bench.dm.listed[1:]
        whole, asked = bench.dm.jobs, []

        async def fails_at_the_second_page(owner: str, skip: int, limit: int, with_workflow: bool) -> Any:
            asked.append(skip)
            if len(asked) == 3:
                raise DmUnreachableError("lost")
            return await whole(owner, skip, limit, with_workflow)

        bench.dm.jobs = fails_at_the_second_page
        with pytest.raises(DmUnreachableError):
            await bench.poll()
        # What is active stays known while DM is away.
        assert {job.id for job in bench.board.active()} >= {"job-000001"}
        bench.dm.jobs = whole
        await bench.poll()
        bench.is_right()

    run(main)
