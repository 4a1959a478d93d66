"""The copy processes: all of them end with the pool."""

from __future__ import annotations

import asyncio
import gc

import psutil
import pytest
from waiting import wait_until

from dmioc.localdm.transfers.copy_pool import CopyPool


def copy_processes() -> list[psutil.Process]:
    """The living children of this process that copy."""
    children = psutil.Process().children()
    return [one for one in children if one.status() != psutil.STATUS_ZOMBIE and "copying" in " ".join(one.cmdline())]


@pytest.mark.parametrize("cancellations", [0, 1, 2])
def test_close_ends_processes_that_are_being_started(cancellations: int) -> None:
    """Whoever asked for them may be cancelled, and once more, as by a task group that ends and is then stopped."""

    async def main() -> None:
        pool = CopyPool(3)
        asking = asyncio.create_task(pool.slot())
        while not psutil.Process().children():
            await asyncio.sleep(0)
        for _ in range(cancellations):
            asking.cancel()
            await asyncio.sleep(0)
        await pool.close()
        assert asking.cancelled() == (cancellations > 0)
        asking.cancel()

    asyncio.run(main())
    gc.collect()  # what was not closed is told here, and not in another test
    wait_until(lambda: not copy_processes(), what="the copy processes have ended")


def test_a_start_that_fails_is_told_to_all_who_ask_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pool = CopyPool(2)
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "create_subprocess_exec", refuse)
            asked = await asyncio.gather(pool.slot(), pool.slot(), return_exceptions=True)
        assert [str(one) for one in asked] == ["no more processes"] * 2
        assert len({id(await pool.slot()), id(await pool.slot())}) == 2
        await pool.close()

    async def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("no more processes")

    asyncio.run(main())
