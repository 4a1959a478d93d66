"""A DAQ: watches a directory tree and transfers what appears in it (``dm-protocol.md §4``)."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence

from dmioc.localdm.transfers.file_table import Observed
from dmioc.localdm.transfers.keeping import NOT_ON_RECORD, Parts
from dmioc.localdm.transfers.records import DONE, TransferRecord
from dmioc.localdm.transfers.scan import Walk
from dmioc.localdm.transfers.transfer import Outcome, Transfer
from dmioc.localdm.transfers.watch import Happened, TreeWatch

logger = logging.getLogger(__name__)

_NO_ROOM = {os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)}

_WALK_AFTER_WATCH_S = 1.0
_WALK_SHARE = 20
"""The tree is not walked more often than every this many times the duration of a walk."""


class Daq(Transfer):
    """One DAQ. The status stays ``running`` from the stop until all that was there at the stop is stored (assumed)."""

    def __init__(
        self, record: TransferRecord, parts: Parts, on_exit: Callable[[TransferRecord], Awaitable[None]]
    ) -> None:
        super().__init__(record, parts)
        self._on_exit = on_exit
        self._watch: TreeWatch | None = None
        self._watched_inode = (0, 0)
        self._folders: set[str] = set()
        self._second_walks: set[str] = set()
        self._wake = asyncio.Event()
        self._taking_all = record.task.process_existing or record.baseline_known
        self._draining = False
        self._walk_s = 0.0
        self._next_walk_s = 0.0

    async def _begin_watch(self) -> None:
        """Watch the tree. What came into it until then is found by the walk that is due afterwards."""
        loop = asyncio.get_running_loop()

        def report(happened: Happened) -> None:
            loop.call_soon_threadsafe(self._happened, happened)

        def began() -> None:
            loop.call_soon_threadsafe(self._watch_began)

        def ended(reason: str) -> None:
            loop.call_soon_threadsafe(self._watch_ended, watch, reason)

        self._watched_inode = await self.parts.in_thread(_inode, self.tree.root)
        watch = self._watch = TreeWatch(self.tree, began, report, ended)
        watch.start()

    def _watch_began(self) -> None:
        self._next_walk_s = time.monotonic() + _WALK_AFTER_WATCH_S
        self._wake.set()

    def interrupt(self) -> None:
        """End the watch and the walks."""
        super().interrupt()
        self._end_watch()

    def _watch_ended(self, watch: TreeWatch, reason: str) -> None:
        if watch is not self._watch:
            return
        logger.warning("daq %s: %s is not watched, walks find its files: %s", self.record.id, self.tree.root, reason)
        self._watch = None
        self._plan_walk()
        self._wake.set()

    def _happened(self, happened: Happened) -> None:
        if self._draining:
            return
        now_s = time.monotonic()
        for path in happened.gone:
            self.table.source_gone(path)
        for seen, added in happened.seen:
            self.table.observe(seen, now_s, added)
        self.note_walk(happened.walk, whole=False)
        if happened.folders:
            self._folders.update(happened.folders)
            self._wake.set()
        self.went_on()

    async def stop(self) -> None:
        """Ask for the end: what is there is still taken, then the DAQ is done."""
        self.record.stopping = True
        self._wake.set()
        await self._mark()

    async def _mark(self) -> None:
        record = self.record
        await self.parts.in_thread(
            self.parts.store.mark, record.number, record.status, record.stopping, record.baseline_known
        )

    async def work(self) -> Outcome:
        """Take files until stopped or until the run time is over, then what is there, then end."""
        await self._begin_watch()
        await self._walk_all()
        if not self._taking_all:
            await self._end_baseline()
        while not self._is_over():
            if self._folders:
                await self._walk_folders()
            if time.monotonic() >= self._next_walk_s:
                await self._watch_again()
                await self._walk_all()
            await self._sleep()
        self._draining = True
        self._end_watch()
        await self._walk_all()
        await self.drain(self.parts.settings.stop_wait_s)
        if self.record.task.upload_on_exit:
            await self._on_exit(self.record)
        return Outcome(DONE)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _run_time_left_s(self) -> float:
        limit_s = self.record.task.max_run_time_s
        return self.record.started_s + limit_s - time.time() if limit_s else float("inf")

    def _is_over(self) -> bool:
        return self.record.stopping or self._run_time_left_s() <= 0

    def _plan_walk(self) -> None:
        settings = self.parts.settings
        period_s = settings.rescan_unwatched_s if self._watch is None else settings.rescan_s
        self._next_walk_s = time.monotonic() + max(period_s, _WALK_SHARE * self._walk_s)

    async def _sleep(self) -> None:
        timeout_s = min(self._next_walk_s - time.monotonic(), self._run_time_left_s())
        if self._folders or self._is_over():
            return
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _watch_again(self) -> None:
        """Watch anew when the tree was put in the place of the watched one (a mount, say), or could not be watched."""
        if self._watch is not None and self._watched_inode == await self.parts.in_thread(_inode, self.tree.root):
            return
        self._end_watch()
        if await self.parts.in_thread(os.path.isdir, self.tree.root):
            await self._begin_watch()

    # --- walks

    async def _walk_all(self) -> None:
        self._plan_walk()
        walk = await self._walk([""])
        self._walk_s = walk.duration_s
        self.note_walk(walk, whole=True)
        # Storage that was full may have room again, and nothing would tell of it.
        self.table.retry(_is_lack_of_room)
        self.went_on()

    async def _walk_folders(self) -> None:
        """Walk directories that appeared, now and once more when the system surely watches them."""
        folders, self._folders = self._folders, set()
        second, self._second_walks = self._second_walks & folders, self._second_walks - folders
        first = folders - second
        if first:
            asyncio.get_running_loop().call_later(self.parts.settings.settle_s, self._walk_again, first)
        self.note_walk(await self._walk(outermost(folders)), whole=False)

    def _walk_again(self, folders: set[str]) -> None:
        self._folders |= folders
        self._second_walks |= folders
        self._wake.set()

    async def _walk(self, folders: Sequence[str]) -> Walk:
        loop = asyncio.get_running_loop()

        def emit(files: list[Observed]) -> None:
            loop.call_soon_threadsafe(self._walked, files)

        def walk_each() -> Walk:
            whole = Walk()
            for folder in folders:
                part = self.tree.walk(folder, emit, lambda: self.ended)
                whole.problems.update(part.problems)
                whole.skipped |= part.skipped
                whole.links |= part.links
                whole.duration_s += part.duration_s
            return whole

        return await self.parts.in_thread(walk_each)

    def _walked(self, files: list[Observed]) -> None:
        if self._taking_all:
            self.observe(files)
            return
        started_ns = self.record.started_ns
        existing = [seen for seen in files if seen.changed_ns <= started_ns and self.table.observe_existing(seen)]
        self.keeper.existing(existing)
        self.observe(files)

    async def _end_baseline(self) -> None:
        """All that was there at the start is on record: from now on every file that walks find is taken."""
        self._taking_all = True
        await self.keeper.idle()
        self.record.baseline_known = True
        await self._mark()


def outermost(folders: set[str]) -> list[str]:
    """The folders that lie in no other one of the set."""
    found: list[str] = []
    for folder in sorted(folders, key=lambda folder: folder.split("/")):
        if not found or not (f"{folder}/".startswith(f"{found[-1]}/") or found[-1] == ""):
            found.append(folder)
    return found


def _is_lack_of_room(error: str) -> bool:
    return error in _NO_ROOM or error.startswith(NOT_ON_RECORD)


def _inode(path: str) -> tuple[int, int]:
    """Which directory a path names; zeros for none."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
