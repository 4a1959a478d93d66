"""Writing changed job records to disk, in batches and off the event loop."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

from dmioc.localdm.workflows.records import JobRecord
from dmioc.localdm.workflows.store import JobStore

_LOG = logging.getLogger(__name__)
_REST_FACTOR = 5.0
_RETRY_PERIOD_S = 1.0


class RecordWriter:
    """Collects changed records and writes them; used in the event loop only.

    ``forget`` is called with the id of each job that has ended and is on disk. When the disk takes nothing (it is
    full), the records stay in memory and are tried again.
    """

    def __init__(self, store: JobStore, period_s: float, forget: Callable[[str], None]) -> None:
        self._store = store
        self._period_s = period_s
        self._forget = forget
        self._changed: dict[str, JobRecord] = {}
        self._wake = asyncio.Event()
        self._waiting: list[tuple[JobRecord, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[bool] | None = None
        self._is_failing = False

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._work())

    def changed(self, record: JobRecord) -> None:
        """Note that a record has to be written."""
        self._changed[record.id] = record
        self._wake.set()

    async def written(self, record: JobRecord) -> None:
        """Wait until the record as it is now is on disk."""
        self.changed(record)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, future))
        await future

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._write()
        for _, future in self._waiting:
            future.cancel()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            started_s = time.monotonic()
            self._writing = asyncio.ensure_future(self._write())
            written = await asyncio.shield(self._writing)  # a write that has begun is not left alone by `stop`
            took_s = time.monotonic() - started_s
            await asyncio.sleep(max(self._period_s, _REST_FACTOR * took_s) if written else _RETRY_PERIOD_S)

    async def _write(self) -> bool:
        batch, self._changed = self._changed, {}
        waiting, self._waiting = self._waiting, []
        ended = [record.id for record in batch.values() if record.is_finished]
        try:
            await asyncio.to_thread(lambda: self._store.write(record.snapshot() for record in batch.values()))
        except sqlite3.Error as error:
            self._changed = batch | self._changed
            self._waiting = waiting + self._waiting
            self._wake.set()
            if not self._is_failing:
                _LOG.error("jobs=%d cannot be stored, trying again: %s", len(batch), error)
            self._is_failing = True
            return False
        if self._is_failing:
            _LOG.warning("jobs can be stored again")
        self._is_failing = False
        for job_id in ended:
            self._forget(job_id)
        for _, future in waiting:
            if not future.done():
                future.set_result(None)
        return True
