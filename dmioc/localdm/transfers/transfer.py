"""What DAQs and uploads have in common: files settle, are copied, are put on record."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from dmioc.localdm.answers import DmAnswerNo
from dmioc.localdm.copying import batches
from dmioc.localdm.transfers.copy_pool import CopyRequest, Worker, WorkerLostError
from dmioc.localdm.transfers.file_table import FileEntry, FileTable, Observed, Phase
from dmioc.localdm.transfers.keeping import CopiedFile, Keeper, Parts
from dmioc.localdm.transfers.records import ACTIVE_STATUSES, FAILED, TransferRecord
from dmioc.localdm.transfers.restoring import load_states
from dmioc.localdm.transfers.scan import Tree, Walk

logger = logging.getLogger(__name__)

_LOOKS_AT_ONCE = 500
_SETTLE_STEP_S = 0.02
_MAX_ATTEMPTS = 5


class Outcome(NamedTuple):
    """How a transfer ended: the status, and a text when something is to be said."""

    status: str
    error_message: str = ""


class Transfer:
    """One DAQ or upload at work; `work` is what the two do differently.

    ``restored`` is done when the states of an earlier life are taken up, or cannot be.
    """

    def __init__(self, record: TransferRecord, parts: Parts) -> None:
        self.record = record
        self.parts = parts
        self.table = FileTable(parts.settings.settle_s)
        self.tree = Tree(os.path.realpath(record.directory), record.task.filter, parts.settings.settle_s)
        self.keeper = Keeper(record, self.table, parts, self._kept)
        self.staged: list[CopiedFile] = []
        self.known_md5: dict[str, str] = {}
        self.copying: list[Worker] = []
        self._skipped: set[str] = set()
        self._links: set[str] = set()
        self._walk_problems: set[str] = set()
        self._look_again: list[str] = []
        self._ready = asyncio.Event()
        self._settling = asyncio.Event()
        self._progress = asyncio.Event()
        self.restored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = False
        self.final: dict[str, object] | None = None

    @property
    def is_active(self) -> bool:
        """Whether it is still at work."""
        return self.record.status in ACTIVE_STATUSES

    def as_dict(self) -> dict[str, object]:
        """DM's record of it as it is now."""
        return self.record.as_dict(self.table, len(self._skipped), self.parts.settings.errors_kept)

    async def work(self) -> Outcome:
        """Find the files and see them through; the answer is how it ends."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End what threads are doing for this transfer."""
        self.ended = True

    async def run(self) -> None:
        """Do the whole transfer; cancelled, it is left so that the next start resumes it.

        The supervisor of the transfer's tasks: whatever goes wrong in them fails this transfer and no other.
        """
        try:
            await self._restore()
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._pump(group), name="transfer-pump"),
                    group.create_task(self._settle(), name="transfer-settle"),
                    group.create_task(self.keeper.run(), name="transfer-keep"),
                ]
                outcome = await self.work()
                for helper in helpers:
                    helper.cancel()
            await self._finish(outcome)
        except Exception as problem:
            cause = _first(problem)
            expected = isinstance(cause, (OSError, DmAnswerNo))
            logger.error("%s %s failed: %s", self.record.kind, self.record.id, cause, exc_info=not expected)
            await self._finish(Outcome(FAILED, f"{type(cause).__name__}: {cause}"))
        finally:
            self.interrupt()

    async def _finish(self, outcome: Outcome) -> None:
        """Put the final record on disk; clients see it when it is there."""
        ended_s = time.time()
        await self.parts.in_thread(shutil.rmtree, self.record.staging, ignore_errors=True)
        record = replace(self.record, status=outcome.status, error_message=outcome.error_message, ended_s=ended_s)
        self.final = record.as_dict(self.table, len(self._skipped), self.parts.settings.errors_kept)
        await self.parts.in_thread(self.parts.store.finish, record.number, record.status, self.final)

    async def _restore(self) -> None:
        """Take up the states of an earlier life and remove its temporary files."""
        try:
            files, jobs_due = await self.parts.in_thread(load_states, self.record, self.tree.root, self.parts.store)
            for file in files:
                self.table.restore(file.path, file.entry(), file.error)
        finally:
            self.restored.set_result(None)
        if jobs_due:
            self.keeper.jobs_due(jobs_due)

    # --- what is found

    def observe(self, files: Sequence[Observed]) -> None:
        """Take note of files that a walk or the system has shown."""
        now_s = time.monotonic()
        for seen in files:
            self.table.observe(seen, now_s)
        self.went_on()

    def note_walk(self, walk: Walk, whole: bool) -> None:
        """Take note of what a walk gave besides files; one of the whole tree replaces earlier problems."""
        self._skipped |= walk.skipped
        for path in walk.links - self._links:
            logger.info("%s %s: link %s leads to no file in the tree: skipped", self.record.kind, self.record.id, path)
        self._links |= walk.links
        if whole:
            for about in self._walk_problems - walk.problems.keys():
                self.record.problems.pop(about, None)
            self._walk_problems = set()
        for about in walk.problems.keys() - self.record.problems.keys():
            logger.warning("%s %s: %s: %s", self.record.kind, self.record.id, about, walk.problems[about])
        self._walk_problems |= walk.problems.keys()
        self.record.problems.update(walk.problems)

    def skip(self, paths: Sequence[str]) -> None:
        """Count files that need no transfer."""
        self._skipped.update(paths)

    def look_again(self, paths: Sequence[str]) -> None:
        """Look at files soon: something happened to them during their copy."""
        self._look_again += paths
        self.went_on()

    def _kept(self, touched: Sequence[str]) -> None:
        self.look_again(touched)

    def went_on(self) -> None:
        """Wake whoever has something to do now."""
        self._progress.set()
        if self.table.has_ready:
            self._ready.set()
        if self._look_again or self.table.next_due_s() is not None:
            self._settling.set()

    # --- settling

    async def _settle(self) -> None:
        """Look a second time at files that were fresh, all that are due together."""
        while True:
            due = self.table.take_due(time.monotonic(), _LOOKS_AT_ONCE)
            again, self._look_again = self._look_again[:_LOOKS_AT_ONCE], self._look_again[_LOOKS_AT_ONCE:]
            if due:
                self._looked(await self.parts.in_thread(self.tree.look_at, due))
            if again:
                self._looked_again(await self.parts.in_thread(self.tree.look_at, again))
            if due or again:
                continue
            next_due_s = self.table.next_due_s()
            if next_due_s is not None:
                await asyncio.sleep(max(_SETTLE_STEP_S, next_due_s - time.monotonic()))
            else:
                await self._settling.wait()
                self._settling.clear()

    def _looked(self, looks: list[tuple[str, Observed | None]]) -> None:
        now_s = time.monotonic()
        for path, seen in looks:
            self.table.looked(path, seen, now_s)
        self.went_on()

    def _looked_again(self, looks: list[tuple[str, Observed | None]]) -> None:
        for path, seen in looks:
            if seen is None:
                self.table.source_gone(path)
        self.observe([seen._replace(settled=False) for _, seen in looks if seen is not None])

    # --- copying

    async def _pump(self, group: asyncio.TaskGroup) -> None:
        """Hand batches of ready files to the copy processes."""
        settings = self.parts.settings
        while True:
            await self._ready.wait()
            worker = await self.parts.pool.slot()
            batch = self.table.take_ready(settings.batch_files, settings.batch_bytes)
            size_bytes = sum(entry.size_bytes for _, entry in batch)
            if not batch:
                self.parts.pool.release(worker)
                self._ready.clear()
                continue
            group.create_task(self._copy(worker, batch, size_bytes), name="transfer-copy")

    def _request(self, batch: list[tuple[str, FileEntry]]) -> CopyRequest:
        record = self.record
        return CopyRequest(
            source=self.tree.root,
            target=record.target,
            staging=record.staging,
            tree=record.task.as_directory,
            transfer=not record.task.skip_transfer,
            checksum=not record.task.skip_checksum,
            sync_names=record.task.remove_source,
            files=tuple(
                (path, entry.size_bytes, entry.modified_ns, self.known_md5.get(path, "")) for path, entry in batch
            ),
        )

    async def _copy(self, worker: Worker, batch: list[tuple[str, FileEntry]], size_bytes: int) -> None:
        self.copying.append(worker)
        try:
            results = await worker.copy(self._request(batch), size_bytes)
        except WorkerLostError:
            for path, _ in batch:
                if self.table.try_again(path) > _MAX_ATTEMPTS:
                    self.keeper.failed(path, "the copy process ended again and again")
            self.copy_lost()
        else:
            for (path, entry), (outcome, text) in zip(batch, results, strict=True):
                self._copied(path, entry, outcome, text)
        finally:
            self.copying.remove(worker)
            self.parts.pool.release(worker)
        self.went_on()

    def copy_lost(self) -> None:
        """A copy process ended; its files are ready again."""

    def _copied(self, path: str, entry: FileEntry, outcome: str, text: str) -> None:
        match outcome:
            case batches.STORED:
                file = CopiedFile(path, entry.size_bytes, entry.modified_ns, entry.changed_ns, text)
                if self.record.task.as_directory:
                    self.staged.append(file)
                else:
                    self.keeper.copied(file)
            case batches.SAME:
                self.table.skipped(path)
                self.skip((path,))
            case batches.CHANGED:
                self.table.settle_again(path, time.monotonic())
            case batches.VANISHED:
                self.table.vanished(path)
            case _:
                if self.keeper.failed(path, text):
                    self._look_again.append(path)

    async def drain(self, settle_limit_s: float) -> None:
        """Wait until every file is stored or failed; one that still changes after so many seconds is failed."""
        limit_s = time.monotonic() + settle_limit_s
        while self.table.unfinished > len(self.staged) or self.keeper.busy or self._look_again:
            self._progress.clear()
            growing = self.table.count(Phase.SETTLING) > 0
            timeout_s = max(0.0, limit_s - time.monotonic()) if growing else None
            try:
                async with asyncio.timeout(timeout_s):
                    await self._progress.wait()
            except TimeoutError:
                for path in self.table.paths(Phase.SETTLING):
                    self.keeper.failed(path, f"the file was still changing after {settle_limit_s:g} s of waiting")


def _first(problem: Exception) -> Exception:
    """The first single exception of a group of groups."""
    while isinstance(problem, ExceptionGroup):
        problem = cast(ExceptionGroup[Exception], problem).exceptions[0]
    return problem
