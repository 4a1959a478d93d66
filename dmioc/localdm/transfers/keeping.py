"""What follows a copy: the catalog entry, the state on disk, the removal of the source, the workflow."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from dmioc.localdm.answers import DmAnswerNo
from dmioc.localdm.ports import CatalogFile, FileCatalog, JobStarter
from dmioc.localdm.transfers.copy_pool import CopyPool
from dmioc.localdm.transfers.file_table import FileTable, Observed, Phase
from dmioc.localdm.transfers.records import TransferRecord
from dmioc.localdm.transfers.settings import TransferSettings
from dmioc.localdm.transfers.store import SavedFile, TransferStore

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_SAVED_AT_ONCE = 1000
_JOBS_A_TURN = 10
NOT_ON_RECORD = "not on record"
"""Begin of the error of a file whose copy is there, and which could not be put into the catalog."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all transfers share."""

    store: TransferStore
    catalog: FileCatalog
    jobs: JobStarter
    pool: CopyPool
    executor: Executor
    settings: TransferSettings

    async def in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The answer of a function that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, lambda: function(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file whose copy has its final name."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    md5: str


class Keeper:
    """Puts on record what was copied, many files at a time; only then they count as processed.

    Order, so that a kill at any moment loses nothing: catalog entry, state on disk, removal of the source, job. A kill
    between the start of a job and its record starts that job twice; none is lost.
    """

    def __init__(
        self, record: TransferRecord, table: FileTable, parts: Parts, changed: Callable[[Sequence[str]], None]
    ) -> None:
        self._record = record
        self._table = table
        self._parts = parts
        self._changed = changed
        self._copied: list[CopiedFile] = []
        self._states: list[SavedFile] = []
        self._jobs_due: list[str] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether something is not on record yet."""
        return not self._idle.is_set()

    async def idle(self) -> None:
        """Wait until all is on record."""
        await self._idle.wait()

    def copied(self, file: CopiedFile) -> None:
        """Keep a file that is in place."""
        self._copied.append(file)
        self._go()

    def failed(self, path: str, error: str) -> bool:
        """Keep that a file cannot be stored; True when it was touched meanwhile and is to be looked at."""
        entry = self._table.entry(path)
        if entry is not None:
            self._states.append(
                SavedFile(path, entry.size_bytes, entry.modified_ns, entry.changed_ns, Phase.FAILED, error)
            )
            self._go()
        return self._table.failed_with(path, error)

    def existing(self, files: Sequence[Observed]) -> None:
        """Keep that files were there before the DAQ."""
        self._states += [
            SavedFile(seen.path, seen.size_bytes, seen.modified_ns, seen.changed_ns, Phase.EXISTING) for seen in files
        ]
        self._go()

    def jobs_due(self, paths: Sequence[str]) -> None:
        """Start the jobs of files that were stored in an earlier life."""
        self._jobs_due += paths
        self._go()

    def _go(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Keep what comes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._copied or self._states or self._jobs_due:
                copied, self._copied = self._copied[:_SAVED_AT_ONCE], self._copied[_SAVED_AT_ONCE:]
                states, self._states = self._states, []
                await self._keep(copied, states)
                jobs, self._jobs_due = self._jobs_due, []
                await self._start_jobs(jobs)
            self._idle.set()
            self._changed(())

    async def _keep(self, copied: list[CopiedFile], states: list[SavedFile]) -> None:
        if not copied and not states:
            return
        try:
            await self._parts.in_thread(self._save, copied, states)
        except (OSError, sqlite3.Error, DmAnswerNo) as problem:
            touched = [
                file.path for file in copied if self._table.failed_with(file.path, f"{NOT_ON_RECORD}: {problem}")
            ]
        else:
            touched = [file.path for file in copied if self._table.stored(file.path)]
            if self._record.task.workflow_name:
                self._jobs_due += [file.path for file in copied]
        self._changed(touched)

    def _save(self, copied: list[CopiedFile], states: list[SavedFile]) -> None:
        task = self._record.task
        if copied and not task.skip_catalog:
            self._parts.catalog.add_files(self._record.experiment, self._entries(copied))
        job = "" if task.workflow_name else None
        states += [
            SavedFile(file.path, file.size_bytes, file.modified_ns, file.changed_ns, Phase.STORED, job=job)
            for file in copied
        ]
        self._parts.store.save_files(self._record.number, states)
        if task.remove_source:
            for file in copied:
                remove_source(f"{self._record.directory}/{file.path}", file.size_bytes, file.modified_ns)

    def _entries(self, copied: list[CopiedFile]) -> list[CatalogFile]:
        now_s = time.time()
        catalog_path = self._record.catalog_path
        return [
            CatalogFile(catalog_path(file.path), file.size_bytes, file.md5, file.modified_ns / 1e9, now_s)
            for file in copied
        ]

    async def _start_jobs(self, paths: list[str]) -> None:
        """Start the workflow for each stored file; one that is refused is a problem of the transfer, said once."""
        task = self._record.task
        started: dict[str, str] = {}
        for index, path in enumerate(paths):
            try:
                job = self._parts.jobs.start_job(task.workflow_owner, task.workflow_name, self._job_arguments(path))
            except (DmAnswerNo, OSError, sqlite3.Error) as problem:
                about = f"workflow {task.workflow_name}"
                if about not in self._record.problems:
                    logger.warning(
                        "%s %s: %s could not be started: %s", self._record.kind, self._record.id, about, problem
                    )
                self._record.problems[about] = str(problem)
            else:
                started[path] = job
            if index % _JOBS_A_TURN == _JOBS_A_TURN - 1:
                await asyncio.sleep(0)
        if started:
            await self._parts.in_thread(self._parts.store.save_jobs, self._record.number, started)

    def _job_arguments(self, path: str) -> dict[str, object]:
        record = self._record
        folder = record.directory if record.task.skip_transfer else record.target
        return {
            **record.task.workflow_arguments,
            "filePath": f"{folder}/{path}",
            "experimentFilePath": record.catalog_path(path),
            "experimentName": record.experiment,
        }


def remove_source(path: str, size_bytes: int, modified_ns: int) -> None:
    """Remove a source file that is still the one that was stored; one that has gone or changed is left alone."""
    try:
        status = os.lstat(path)
        if (status.st_size, status.st_mtime_ns) == (size_bytes, modified_ns):
            os.unlink(path)
    except OSError as problem:
        logger.warning("source file %s could not be removed: %s", path, problem.strerror)
