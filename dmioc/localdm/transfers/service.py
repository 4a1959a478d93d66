"""The DAQ and upload engine as the service sees it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from dmioc.localdm.answers import DmAnswerNo, InvalidRequest, ObjectNotFound
from dmioc.localdm.database import Database
from dmioc.localdm.ports import Experiments, FileCatalog, JobStarter
from dmioc.localdm.query import matcher
from dmioc.localdm.transfers.checks import check_places, local_directory
from dmioc.localdm.transfers.copy_pool import CopyPool
from dmioc.localdm.transfers.daq import Daq
from dmioc.localdm.transfers.entries import Entries, Finished
from dmioc.localdm.transfers.keeping import Parts
from dmioc.localdm.transfers.records import DAQ, UPLOAD, TransferRecord
from dmioc.localdm.transfers.settings import TransferSettings
from dmioc.localdm.transfers.store import SavedTransfer, TransferStore
from dmioc.localdm.transfers.task_info import parse_task_info
from dmioc.localdm.transfers.transfer import Transfer
from dmioc.localdm.transfers.upload import Upload

logger = logging.getLogger(__name__)

_CLOCK_REALTIME_COARSE = 5
"""Linux' clock of file change times, which the time module does not name."""
_SWITCH_S = 0.0002
_TICK_S = 0.002
_THREADS = 4
_STOP_S = 0.6
_RESTORE_S = 10.0


class Transfers:
    """DAQs and uploads of all experiments; every coroutine and `clear_daq`, `clear_upload` belong to one event loop.

    A transfer that is active when the process ends, however it ends, goes on after the next `start`: what is stored
    and on record stays, the rest is taken again.
    """

    def __init__(  # noqa: PLR0917 - the parts of localdm that it needs, once
        self,
        database: Database,
        experiments: Experiments,
        catalog: FileCatalog,
        jobs: JobStarter,
        settings: TransferSettings,
        owner: str,
    ) -> None:
        self._experiments = experiments
        self._owner = owner
        self._settings = settings
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="transfers")
        self._parts = Parts(
            TransferStore(database), catalog, jobs, CopyPool(settings.workers), self._executor, settings
        )
        self._entries = Entries(settings.records_kept)
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: set[tuple[str, str]] = set()

    async def start(self) -> None:
        """Load the records and resume what was active when the last process ended.

        Ends when the counts of all are what they were, else clients would see them fall back to 0, as if nothing were stored;
        or after a time: a tree may lie on a server that hangs.
        """
        # A thread that walks a tree or saves states lets the event loop go on only when its turn of the interpreter is
        # over: 5 ms by default, several times in each round of the loop.
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
        store = self._parts.store
        await self._parts.in_thread(store.prune, self._settings.records_kept)
        restored = set[asyncio.Future[None]]()
        for saved in await self._parts.in_thread(store.transfers):
            if not saved.active:
                if saved.listed or saved.kind == UPLOAD:
                    self._entries.put(saved.id, Finished(saved.number, saved.kind, saved.listed, saved.record))
                continue
            try:
                restored.add((await self._resume(saved)).restored)
            except DmAnswerNo as problem:
                logger.error("%s %s cannot be resumed: %s", saved.kind, saved.id, problem)
                await self._give_up(saved, str(problem))
        if restored:
            await asyncio.wait(restored, timeout=_RESTORE_S)

    async def _resume(self, saved: SavedTransfer) -> Transfer:
        places = await self._parts.in_thread(self._experiments.places, saved.experiment)
        record = TransferRecord(
            number=saved.number,
            id=saved.id,
            kind=saved.kind,
            experiment=saved.experiment,
            directory=saved.directory,
            info=saved.info,
            task=parse_task_info(saved.info),
            places=places,
            owner=self._owner,
            started_ns=saved.started_ns,
            status=saved.status,
            stopping=saved.stopping,
            baseline_known=saved.baseline_known,
        )
        logger.info("%s %s of %s goes on", saved.kind, saved.id, saved.directory)
        return self._launch(record)

    async def _give_up(self, saved: SavedTransfer, reason: str) -> None:
        """Save a transfer as failed that cannot go on (its experiment is gone, say)."""
        record: dict[str, object] = {
            **saved.info,
            "id": saved.id,
            "experimentName": saved.experiment,
            "dataDirectory": saved.directory,
            "status": "failed",
            "errorMessage": f"could not go on after a restart: {reason}",
            "startTime": saved.started_ns / 1e9,
            "endTime": time.time(),
        }
        await self._parts.in_thread(self._parts.store.finish, saved.number, "failed", record)
        self._entries.put(saved.id, Finished(saved.number, saved.kind, True, record))

    async def stop(self) -> None:
        """End within 2 s, at any moment, so that the next `start` resumes what is active."""
        for transfer in self._entries.active():
            transfer.interrupt()
        for task in self._tasks:
            task.cancel()
        await self._parts.pool.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_STOP_S)
        # What threads have begun with the database must end before it is closed.
        ended = asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        await asyncio.wait([ended], timeout=_STOP_S)

    def _launch(self, record: TransferRecord) -> Transfer:
        warming = asyncio.create_task(self._parts.pool.warm(), name="copy-pool-warm")
        self._tasks.add(warming)
        warming.add_done_callback(self._tasks.discard)
        if record.kind == DAQ:
            transfer: Transfer = Daq(record, self._parts, self._upload_on_exit)
        else:
            transfer = Upload(record, self._parts)
        self._entries.put(record.id, transfer)
        task = asyncio.create_task(transfer.run(), name=f"{record.kind}-{record.id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._run_over, transfer))
        return transfer

    def _run_over(self, transfer: Transfer, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        record = transfer.record
        self._entries.end(transfer)
        if (problem := task.exception()) is not None:
            logger.error("the record of %s %s could not be saved: %s", record.kind, record.id, problem)

    async def _begin(self, kind: str, experiment: str, directory: str, info: Mapping[str, object]) -> dict[str, object]:
        # What is in the tree now has an earlier change time. What comes after the answer has a later one, though the
        # file system's clock goes in ticks: the answer waits for the next.
        started_ns = time.time_ns()
        task = parse_task_info(info)
        places = await self._parts.in_thread(self._experiments.places, experiment)
        plain = await self._parts.in_thread(local_directory, directory)
        await self._parts.in_thread(check_places, plain, task, places, kind)
        transfer_id = str(uuid.uuid4())
        number = await self._parts.in_thread(
            self._parts.store.add,
            transfer_id=transfer_id,
            kind=kind,
            experiment=experiment,
            directory=plain,
            info=json.dumps(info),
            started_ns=started_ns,
        )
        record = TransferRecord(
            number=number,
            id=transfer_id,
            kind=kind,
            experiment=experiment,
            directory=plain,
            info=dict(info),
            task=task,
            places=places,
            owner=self._owner,
            started_ns=started_ns,
        )
        transfer = self._launch(record)
        while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) <= started_ns:
            await asyncio.sleep(_TICK_S)
        return transfer.as_dict()

    # --- DAQs

    async def start_daq(self, experiment: str, directory: str, info: Mapping[str, object]) -> dict[str, object]:
        """Start a DAQ and answer its record; keys of ``info`` as in ``dm-protocol.md §4.3``.

        From the answer on nothing that appears in the directory is missed. Raises `ObjectNotFound` for the
        experiment, `InvalidArgument` for a value that cannot be, `InvalidRequest` for keys that contradict one another,
        for a DAQ of this experiment and directory that is active already, and for a directory that is not local or
        does not exist (the real DM accepts that one silently).
        """
        key = (experiment, os.path.normpath(directory))
        if key in self._starting or self._active_daq(*key) is not None:
            raise InvalidRequest(f"a DAQ of experiment {experiment} for {directory} is active already: stop it first")
        self._starting.add(key)
        try:
            return await self._begin(DAQ, experiment, directory, info)
        finally:
            self._starting.discard(key)

    def _active_daq(self, experiment: str, directory: str) -> Daq | None:
        for transfer in self._entries.active():
            record = transfer.record
            if isinstance(transfer, Daq) and (record.experiment, record.directory) == (experiment, directory):
                return transfer
        return None

    async def stop_daq(self, experiment: str, directory: str) -> dict[str, object]:
        """Ask a DAQ to end and answer its record, whose status stays ``running`` until all is stored (assumed).

        What is in the directory at this moment is still taken. Raises `ObjectNotFound` when no DAQ of the experiment
        and directory is active.
        """
        daq = self._active_daq(experiment, os.path.normpath(directory))
        if daq is None:
            raise ObjectNotFound(f"No active DAQ of experiment {experiment} for {directory}.")
        await daq.stop()
        return daq.as_dict()

    def daqs(self) -> list[dict[str, object]]:
        """Records of all DAQs that were not cleared, in the order in which they were started."""
        return self._entries.records(DAQ)

    def daq(self, id: str) -> dict[str, object]:
        """The record of a DAQ; raises `ObjectNotFound`."""
        return self._entries.record(DAQ, id)

    def clear_daq(self, id: str) -> dict[str, object]:
        """Take a DAQ that is over from the list and answer its record; `ObjectNotFound`, `InvalidRequest`."""
        return self._clear(DAQ, id)

    # --- uploads

    async def start_upload(self, experiment: str, directory: str, info: Mapping[str, object]) -> dict[str, object]:
        """Start an upload and answer its record; keys of ``info`` as in ``dm-protocol.md §4.3, §5``.

        Raises as `start_daq` does; several uploads of one directory may run side by side.
        """
        return await self._begin(UPLOAD, experiment, directory, info)

    async def stop_upload(self, id: str) -> dict[str, object]:
        """Ask an upload to end and answer its record: status ``aborting``, soon ``aborted``; what is stored stays.

        Raises `ObjectNotFound`, and `InvalidRequest` for an upload that is over.
        """
        upload = self._entries.listed(UPLOAD, id)
        if not isinstance(upload, Upload) or not upload.is_active:
            raise InvalidRequest(f"upload {id} is over: only an active one can be stopped")
        await upload.abort()
        return upload.as_dict()

    def uploads(self) -> list[dict[str, object]]:
        """Records of all uploads that were not cleared, in the order in which they were started."""
        return self._entries.records(UPLOAD)

    def upload(self, id: str) -> dict[str, object]:
        """The record of an upload; raises `ObjectNotFound`."""
        return self._entries.record(UPLOAD, id)

    def clear_upload(self, id: str) -> dict[str, object]:
        """Take an upload that is over from the list and answer its record; `ObjectNotFound`, `InvalidRequest`."""
        return self._clear(UPLOAD, id)

    def upload_records(self, query: Mapping[str, object]) -> list[dict[str, object]]:
        """Records of all uploads, cleared ones too, that fit a query (`dmioc.localdm.query`); callable in any thread."""
        return self._entries.history(UPLOAD, matcher(query))

    # --- both

    def _clear(self, kind: str, transfer_id: str) -> dict[str, object]:
        entry = self._entries.clear(kind, transfer_id)
        self._executor.submit(self._parts.store.unlist, entry.number)
        return dict(entry.record)

    async def _upload_on_exit(self, record: TransferRecord) -> None:
        """Start the upload that a DAQ asks for at its end; a refusal is a problem of the DAQ."""
        info: dict[str, object] = {"destDirectory": record.task.upload_destination_on_exit}
        try:
            await self.start_upload(record.experiment, record.task.upload_on_exit, info)
        except DmAnswerNo as problem:
            logger.warning("daq %s: no upload on exit: %s", record.id, problem)
            record.problems["uploadDataDirectoryOnExit"] = str(problem)
