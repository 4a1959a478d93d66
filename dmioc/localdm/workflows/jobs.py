"""The processing service: takes jobs, runs them in turn, keeps their records (``dm-protocol.md §6``)."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import uuid
from collections import deque
from collections.abc import Mapping

import msgspec

from dmioc.localdm.answers import InvalidArgument, InvalidRequest, ObjectNotFound
from dmioc.localdm.database import Database
from dmioc.localdm.ports import Experiments
from dmioc.localdm.workflows.commands import JobFailed
from dmioc.localdm.workflows.documents import Workflows
from dmioc.localdm.workflows.executor import StageExecutor
from dmioc.localdm.workflows.files import FindFiles, InputError, input_files
from dmioc.localdm.workflows.listing import JobList, KeyList
from dmioc.localdm.workflows.processes import LocalExecutor
from dmioc.localdm.workflows.record_shapes import RESERVED_KEYS, new_document
from dmioc.localdm.workflows.records import JobRecord, Snapshot
from dmioc.localdm.workflows.regexes import RegexSearcher
from dmioc.localdm.workflows.runner import JobParts, JobRunner
from dmioc.localdm.workflows.settings import JobSettings
from dmioc.localdm.workflows.stage_keys import Document, encoded
from dmioc.localdm.workflows.store import JobStore, UnfinishedJob
from dmioc.localdm.workflows.writer import RecordWriter

_LOG = logging.getLogger(__name__)
_KILL_LIMIT_S = 0.7


class Jobs:
    """The processing jobs (`dmioc.localdm.ports.JobStarter`).

    `start_job` and `stop_job` belong in the event loop. `job`, `job_json`, `jobs`, `jobs_json` and `delete` may read or
    write the disk: call them from a worker thread; they are safe in any. Records of jobs at work live in memory and are
    written in batches behind it; `saved` waits for that. `jobs_json` and `job_json` answer the JSON as it goes on the
    wire (``msgspec.Raw`` puts it into an answer), much cheaper than decoding for ``"ALL"``.

    ``executor`` runs the commands, by default as local processes; ``find_files`` answers the paths that a
    ``fileQueryDict`` means in an experiment (blocking), without it such jobs fail and say so.
    """

    def __init__(
        self,
        database: Database,
        workflows: Workflows,
        experiments: Experiments,
        settings: JobSettings,
        *,
        executor: StageExecutor | None = None,
        find_files: FindFiles | None = None,
    ) -> None:
        self._settings = settings
        self._workflows = workflows
        self._executor = executor or LocalExecutor(settings.output_drain_s)
        self._regexes = RegexSearcher(settings.regex_limit_s)
        self._parts = JobParts(settings, experiments, self._executor, self._regexes, find_files)
        self._store = JobStore(database)
        self._writer = RecordWriter(self._store, settings.write_period_s, self._written)
        self._list = JobList(self._store, self._live_of)
        self._lock = threading.Lock()
        self._live: dict[str, JobRecord] = {}
        self._queue: deque[JobRecord] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runners: dict[str, JobRunner] = {}
        self._next_sequence = self._store.next_sequence()
        self._is_running = False

    async def start(self) -> None:
        """Begin to run jobs: those that were pending first.

        Jobs that were at work when localdm was killed are reported as failed; what they left is ended before.
        """
        unfinished = await asyncio.to_thread(self._store.unfinished)
        broken = [job for job in unfinished if job.status != "pending"]
        if broken:
            await asyncio.to_thread(self._end_leftovers, broken)
        self._writer.start()
        for job in unfinished:
            record = self._keep(job.sequence, msgspec.json.decode(job.document))
            if job in broken:
                record.interrupt("interrupted: localdm was restarted")
            else:
                self._queue.append(record)
        self._is_running = True
        self._start_next()

    async def stop(self) -> None:
        """End every process of every stage within 2 s and write all records; jobs at work are reported as failed.

        Pending jobs stay pending and run after the next `start`. The object is of no use afterwards.
        """
        self._is_running = False
        tasks = list(self._tasks.values())
        for job_id, task in list(self._tasks.items()):
            if self._live[job_id].status != "aborting":
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.stop_grace_s)
            for runner in self._runners.values():
                runner.kill()
            await asyncio.wait(tasks, timeout=_KILL_LIMIT_S)
        await self._writer.stop()
        await asyncio.to_thread(self._regexes.close)

    def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> str:
        """Submit a job and answer its id at once; the arguments are not compared with the workflow's, as in DM (§6.5).

        Raises `ObjectNotFound` for an unknown workflow, and `InvalidArgument` for an argument that is named like a key
        of the job record (assumed; such a job could not be told from another).
        """
        reserved = sorted(RESERVED_KEYS.intersection(arguments))
        if reserved:
            raise InvalidArgument(f"no argument can be called {reserved[0]!r}: it is a key of the job itself")
        encoded(arguments, "the arguments")
        document = self._workflows.get(owner, workflow)
        job_id = str(uuid.uuid4())
        record = self._keep(
            self._next_sequence, new_document(job_id, owner, document, arguments, _named_files(arguments))
        )
        self._next_sequence += 1
        self._writer.changed(record)
        self._queue.append(record)
        self._start_next()
        return job_id

    async def saved(self, job_id: str) -> None:
        """Wait until the job as it is now is on disk; await it before telling anybody of a new job."""
        record = self._live.get(job_id)
        if record is not None:
            await self._writer.written(record)

    def job(self, owner: str, id: str) -> Document:
        """The complete record of a job, with what was printed so far; raises `ObjectNotFound`."""
        return msgspec.json.decode(self.job_json(owner, id))

    def job_json(self, owner: str, id: str) -> bytes:
        """`job` as JSON."""
        record = self._live.get(id)
        text = record.snapshot().document if record and record.owner == owner else self._store.document(owner, id)
        if text is None:
            raise ObjectNotFound(f"Processing job with id {id} of owner {owner} does not exist.")
        return text

    def jobs(
        self, owner: str, query: Mapping[str, object], skip: int, limit: int, key_list: KeyList
    ) -> list[dict[str, object]]:
        """Jobs of an owner, oldest first, with the keys asked for: ``"DEFAULT"``, ``"ALL"`` or a list (§6.1).

        Keys that a job does not have are left out. ``limit`` 0 means all. Raises `InvalidArgument` for a query that is
        not known (`dmioc.localdm.query`).
        """
        return msgspec.json.decode(self.jobs_json(owner, query, skip, limit, key_list))

    def jobs_json(self, owner: str, query: Mapping[str, object], skip: int, limit: int, key_list: KeyList) -> bytes:
        """`jobs` as a JSON array; for ``"ALL"`` the stored texts are joined without being decoded."""
        return self._list.json(owner, query, skip, limit, key_list)

    async def stop_job(self, owner: str, id: str) -> Document:
        """Abort a job and answer its record: ``aborting``, and ``aborted`` once all its processes are gone.

        A pending job is ``aborted`` at once; for one that is aborting already nothing changes. Raises `ObjectNotFound`,
        and `InvalidRequest` for a job that has ended. The semantics are assumed (``dm-protocol.md §6.6``).
        """
        record = self._live.get(id)
        if record is None or record.owner != owner:
            status = (await asyncio.to_thread(self.job, owner, id))["status"]
            raise InvalidRequest(f"Processing job {id} has ended already: {status}.")
        if record.is_finished:
            raise InvalidRequest(f"Processing job {id} has ended already: {record.status}.")
        if record.status == "pending":
            if record in self._queue:
                self._queue.remove(record)
            record.finish("aborted")
        elif record.status != "aborting":
            record.set_aborting()
        task = self._tasks.get(id)
        if task is not None:
            task.cancel()
        return record.view()

    def delete(self, owner: str, id: str) -> Document:
        """Forget a job that has ended, with its scratch directory, and answer what its record was.

        Raises `ObjectNotFound`, and `InvalidRequest` for a job that has not ended.
        """
        document = self.job(owner, id)
        record = self._live.get(id)
        if record is not None and not record.is_finished:
            raise InvalidRequest(f"Processing job {id} is {record.status}: stop it before it is deleted.")
        self._store.delete(id)
        self._written(id)
        shutil.rmtree(self._settings.scratch_directory / id, ignore_errors=True)
        return document

    def _keep(self, sequence: int, document: Document) -> JobRecord:
        settings = self._settings
        record = JobRecord(sequence, document, settings.max_output_bytes, settings.max_job_output_bytes)
        record.changed = self._writer.changed
        with self._lock:
            self._live[record.id] = record
        return record

    def _written(self, job_id: str) -> None:
        """A job that has ended is on disk, or deleted: memory need not hold it any longer."""
        with self._lock:
            self._live.pop(job_id, None)

    def _live_of(self, owner: str) -> Mapping[int, Snapshot]:
        with self._lock:
            records = [record for record in self._live.values() if record.owner == owner]
        return {record.sequence: record.snapshot() for record in records}

    def _end_leftovers(self, broken: list[UnfinishedJob]) -> None:
        documents = [msgspec.json.decode(job.document) for job in broken]
        handles = {document["id"]: job.handles for document, job in zip(documents, broken, strict=True)}
        ended = self._executor.end_leftovers(handles)
        _LOG.info("jobs=%d interrupted by the end of localdm, processes=%d of them ended", len(broken), ended)

    def _start_next(self) -> None:
        while self._is_running and self._queue and len(self._tasks) < self._settings.max_running_jobs:
            record = self._queue.popleft()
            runner = self._runners[record.id] = JobRunner(record, self._parts)
            task = self._tasks[record.id] = asyncio.create_task(self._supervise(record, runner))
            task.add_done_callback(lambda _task, job_id=record.id: self._ended(job_id))

    def _ended(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)
        self._runners.pop(job_id, None)
        self._start_next()

    async def _supervise(self, record: JobRecord, runner: JobRunner) -> None:
        """Run one job to an end that its record tells; the named supervisor, which a bug in one job does not pass."""
        try:
            await runner.run()
        except JobFailed as failure:
            record.finish("failed", str(failure))
        except asyncio.CancelledError:
            if record.status == "aborting":
                record.finish("aborted")
            else:
                record.finish("failed", "interrupted: localdm was stopped")
        except Exception as error:
            _LOG.exception("job=%s failed by a fault of localdm", record.id)
            record.finish("failed", f"localdm failed to run the job: {type(error).__name__}: {error}")
        else:
            record.finish("done")


def _named_files(arguments: Mapping[str, object]) -> int:
    """``countFiles`` at submission: files that are named one by one (§6.5); a bad specification counts none."""
    try:
        return input_files(arguments).named_count
    except InputError:
        return 0
