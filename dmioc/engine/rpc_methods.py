"""The queries by name, one small function each (``pv-contract.md §9``); `dmioc.engine.rpc_table` lists them.

Each raises `RefusedError` or another `DmiocError`, whose text is for the client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.engine import roots
from dmioc.engine.daq_slot import active_daq
from dmioc.engine.experiment import create_experiment as created
from dmioc.engine.metadata import dataset_document, dataset_name
from dmioc.engine.objects import merged
from dmioc.engine.puts import RpcAnswer
from dmioc.engine.rpc_answers import Answers
from dmioc.engine.rpc_arguments import Given
from dmioc.engine.submission import Submission, submit
from dmioc.engine.transfer_slot import workflow_options
from dmioc.engine.upload_slot import upload_options
from dmioc.errors import DmError, DmNotFoundError, DmRefusedError, RefusedError
from dmioc.model import NewExperiment, Status, TransferKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse
    from dmioc.engine.jobs import JobBoard
    from dmioc.engine.transfers import TransferBoard
    from dmioc.engine.workflow_slot import WorkflowSlot
    from dmioc.model import Transfer

ACTIVE = "Active"
"""Argument status of `jobs` for all that are to change."""
MOST_JOBS = 5000
MOST_SLOTS = 99
_KIND_WORDS = {TransferKind.DAQ: "DAQ", TransferKind.UPLOAD: "upload"}
_FILE_COUNT_S = 2.0
"""The number of files is waited for if the catalog is quick to give it."""
_FILE_KEY = "experimentFilePath"
_NEW_NAMES = {
    "name": "name",
    "type": "type",
    "description": "description",
    "start_date": "startDate",
    "end_date": "endDate",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the queries work with; ``prefix`` stands before every PV's name."""

    core: Core
    experiment: ExperimentInUse
    jobs: JobBoard
    boards: Sequence[TransferBoard]
    workflow_slots: Sequence[WorkflowSlot]
    answers: Answers
    prefix: str

    @property
    def now_s(self) -> float:
        """POSIX seconds."""
        return self.core.clock.now_s()


Answer = Callable[[Parts, Given], Awaitable[RpcAnswer]]


async def experiment(parts: Parts, given: Given) -> RpcAnswer:
    """One experiment; its ``fileCount`` is -1 when the catalog does not answer."""
    name = given.text("name")
    try:
        experiment = await parts.core.dm.experiment(name)
    except DmNotFoundError as error:
        raise RefusedError(f"DM does not know the experiment {name}: {error}") from error
    try:
        async with asyncio.timeout(_FILE_COUNT_S):
            count = await parts.core.dm.file_count(experiment.name)
    except (DmError, TimeoutError):
        # The catalog is another service: what storage knows is answered without it.
        count = -1
    return parts.answers.experiment(experiment, count)


async def experiments(parts: Parts, given: Given) -> RpcAnswer:
    """The station's experiments as ``EXP:List``, asked of DM anew."""
    del given
    found = await parts.core.dm.experiments()
    newest = sorted(found, key=lambda one: (one.created, one.id), reverse=True)
    return parts.answers.rows("EXP:List", newest, parts.now_s)


async def create_experiment(parts: Parts, given: Given) -> RpcAnswer:
    """Create an experiment and answer it; ``EXP:Name`` stays as it is."""
    new = NewExperiment(**{field: given.text(name) for field, name in _NEW_NAMES.items()})
    experiment = await created(parts.core, new, _NEW_NAMES)
    for poller in parts.experiment.pollers:
        poller.wake()
    return parts.answers.experiment(experiment, 0)


def _options(parts: Parts, given: Given, own: Mapping[str, object]) -> dict[str, object]:
    """DM's options of a DAQ or an upload: from the arguments, and the client's own keys."""
    destination = given.text("destDirectory")
    workflow = workflow_options(given.text("workflow"), given.object("workflowArgs"), parts.core.dm.owner, "workflow")
    values = {**own, **({"destDirectory": destination} if destination else {}), **workflow}
    return merged(
        {"the other arguments": values, "options": given.object("options"), "a DM key of its own": given.more}
    )


def _started(parts: Parts, transfer: Transfer, *, attached: bool, source_path: str = "") -> RpcAnswer:
    for board in parts.boards:
        if board.kind is transfer.kind:
            board.poller.wake()
    return parts.answers.transfer(transfer, attached=attached, source_path=source_path, now_s=parts.now_s)


async def start_daq(parts: Parts, given: Given) -> RpcAnswer:
    """Start a DAQ, or attach to the active one of the same experiment and directory (``attached`` is 1)."""
    experiment, directory = given.text("experiment"), given.text("dataDirectory")
    options = _options(parts, given, {})
    active = await active_daq(parts.core.dm, experiment, directory)
    if active is not None:
        return _started(parts, active, attached=True)
    try:
        daq = await roots.start_daq(parts.core, experiment, directory, options)
    except DmRefusedError:
        # Another client may have started it since DM was asked.
        active = await active_daq(parts.core.dm, experiment, directory)
        if active is None:
            raise
        return _started(parts, active, attached=True)
    return _started(parts, daq, attached=False)


async def upload(parts: Parts, given: Given) -> RpcAnswer:
    """Start an upload."""
    path, mode, reprocess = given.text("path"), given.text("mode"), given.yes("reprocess")
    if _FILE_KEY in given.object("options") or _FILE_KEY in given.more:
        # The file is named by itself: the path is its directory, also where nobody can look.
        directory, own = path, {"processingMode": mode.lower(), **({"reprocessFiles": True} if reprocess else {})}
    else:
        directory, own = await upload_options(path, mode, reprocess=reprocess)
    options = _options(parts, given, own)
    upload = await roots.start_upload(parts.core, given.text("experiment"), directory, options)
    return _started(parts, upload, attached=False, source_path=path)


async def _transfer(parts: Parts, kind: TransferKind, transfer_id: str) -> Transfer:
    try:
        return await parts.core.dm.transfer(kind, transfer_id)
    except DmNotFoundError as error:
        raise RefusedError(f"DM does not know {_KIND_WORDS[kind]} {transfer_id}: {error}") from error


async def daq(parts: Parts, given: Given) -> RpcAnswer:
    """One DAQ."""
    daq = await _transfer(parts, TransferKind.DAQ, given.text("id"))
    return parts.answers.transfer(daq, attached=False, source_path="", now_s=parts.now_s)


async def upload_info(parts: Parts, given: Given) -> RpcAnswer:
    """One upload."""
    upload = await _transfer(parts, TransferKind.UPLOAD, given.text("id"))
    return parts.answers.transfer(upload, attached=False, source_path="", now_s=parts.now_s)


async def stop_daq(parts: Parts, given: Given) -> RpcAnswer:
    """Ask DM to stop a DAQ, and answer it as it then is."""
    return await _stop(parts, given, TransferKind.DAQ)


async def stop_upload(parts: Parts, given: Given) -> RpcAnswer:
    """Ask DM to stop an upload, and answer it as it then is."""
    return await _stop(parts, given, TransferKind.UPLOAD)


async def _stop(parts: Parts, given: Given, kind: TransferKind) -> RpcAnswer:
    found = await _transfer(parts, kind, given.text("id"))
    if not found.status.is_active:
        raise RefusedError(f"{_KIND_WORDS[kind]} {found.id} is {found.status.value}: nothing to stop")
    await parts.core.dm.stop_transfer(found)
    return _started(parts, await _transfer(parts, kind, found.id), attached=False)


async def start_workflow(parts: Parts, given: Given) -> RpcAnswer:
    """Submit a job, or answer the one that the same requestId started (``attached`` is 1)."""
    submission = Submission(
        owner=given.text("owner") or parts.core.dm.owner,
        workflow=given.text("workflow"),
        arguments=given.object("args"),
        request_id=given.text("requestId"),
        if_running="Start",
        timeout_s=0.0,
    )
    slot = _free_slot(parts, given)
    job, attached = await submit(parts.core, parts.jobs, submission, asyncio.Lock(), lambda: False)
    parts.jobs.poller.wake()
    if slot is not None and not slot.is_active:
        slot.hold(job, attached=attached)
    return parts.answers.job(job, attached=attached, now_s=parts.now_s)


def _free_slot(parts: Parts, given: Given) -> WorkflowSlot | None:
    """The slot that is to show the job; raises `RefusedError` for one that there is not, or that shows another one."""
    number, count = given.whole("slot"), len(parts.workflow_slots)
    if not number:
        return None
    if number > count:
        raise RefusedError(f"slot takes 1 to {count}, or 0 for none, not {number}")
    slot = parts.workflow_slots[number - 1]
    held = slot.job.summary if slot.job is not None else None
    if held is not None and held.status.is_active and held.request_id != given.text("requestId"):
        raise RefusedError(f"slot {number} shows job {held.id}, which is {held.status.value}: give another slot, or 0")
    return slot


async def job(parts: Parts, given: Given) -> RpcAnswer:
    """One job."""
    owner, job_id = given.text("owner") or parts.core.dm.owner, given.text("id")
    try:
        job = await parts.core.dm.job(owner, job_id)
    except DmNotFoundError as error:
        raise RefusedError(f"DM does not know job {job_id} of {owner}: {error}") from error
    return parts.answers.job(job, attached=False, now_s=parts.now_s)


async def stop_job(parts: Parts, given: Given) -> RpcAnswer:
    """Ask DM to abort a job, and answer it as it then is."""
    answer = await job(parts, given)
    owner, job_id, status = (str(answer.fields[name]) for name in ("owner", "id", "status"))
    if not Status(status).is_active:
        raise RefusedError(f"job {job_id} is {status}: nothing to stop")
    await parts.core.dm.stop_job(owner or parts.core.dm.owner, job_id)
    parts.jobs.poller.wake()
    return await job(parts, given)


async def jobs(parts: Parts, given: Given) -> RpcAnswer:
    """The newest jobs as ``JOB:List``, asked of DM anew."""
    await parts.jobs.poll()
    parts.core.store.commit()
    wanted = given.text("status")
    found = [
        job
        for job in parts.jobs.newest()
        if not wanted or job.status.value == wanted or (wanted == ACTIVE and job.status.is_active)
    ]
    return parts.answers.rows("JOB:List", found[: given.whole("limit")], parts.now_s)


async def add_metadata(parts: Parts, given: Given) -> RpcAnswer:
    """Add a dataset to the catalog; the answer names it."""
    experiment, run_uid, content = given.text("experiment"), given.text("runUid"), given.object("JSON")
    dataset = given.text("dataset") or dataset_name(run_uid)
    if not dataset:
        raise RefusedError("addMetadata needs one of the arguments runUid and dataset")
    document = dataset_document(run_uid, given.text("workflow"), content, parts.now_s)
    if given.text("time"):
        document["time_iso8601"] = given.text("time")
    dataset_id = await parts.core.dm.add_dataset(experiment, dataset, document)
    size_bytes = len(json.dumps(content, ensure_ascii=False).encode())
    fields = {"id": dataset_id, "experiment": experiment, "dataset": dataset, "bytes": size_bytes}
    return RpcAnswer("dmioc:Dataset:1.0", fields)
