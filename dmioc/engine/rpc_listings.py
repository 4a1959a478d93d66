"""Queries by name that list, and that give DM's own records (``pv-contract.md §9``); `dmioc.engine.rpc_table` lists them.

Each raises `RefusedError` or another `DmiocError`, whose text is for the client.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from dmioc.engine.job_view import error_text, run_time_s
from dmioc.engine.puts import RpcAnswer
from dmioc.engine.transfer_view import judged
from dmioc.errors import DmNotFoundError, RefusedError
from dmioc.model import Job, JobSummary, Service, Status, TransferKind
from dmioc.model.record import RecordKind

if TYPE_CHECKING:
    from dmioc.engine.rpc_arguments import Given
    from dmioc.engine.rpc_methods import Parts

LISTED_RECORDS = (RecordKind.EXPERIMENT, RecordKind.DAQ, RecordKind.UPLOAD, RecordKind.WORKFLOW)
"""Kinds of which DM lists every record; jobs and files are too many."""
_LISTS = {TransferKind.DAQ: "DAQ:List", TransferKind.UPLOAD: "UPL:List"}


async def _transfers(parts: Parts, given: Given, kind: TransferKind) -> RpcAnswer:
    experiment = given.text("experiment")
    found = [judged(one) for one in await parts.core.dm.transfers(kind)]
    wanted = [one for one in found if experiment in ("", one.experiment)]
    newest = sorted(wanted, key=lambda one: one.start_time_s, reverse=True)
    return parts.answers.rows(_LISTS[kind], newest, parts.now_s)


async def daqs(parts: Parts, given: Given) -> RpcAnswer:
    """The station's DAQs as ``DAQ:List``, asked of DM anew."""
    return await _transfers(parts, given, TransferKind.DAQ)


async def uploads(parts: Parts, given: Given) -> RpcAnswer:
    """The station's uploads as ``UPL:List``, asked of DM anew."""
    return await _transfers(parts, given, TransferKind.UPLOAD)


async def workflows(parts: Parts, given: Given) -> RpcAnswer:
    """The workflows of an owner as ``WF:List``, asked of DM anew."""
    found = await parts.core.dm.workflows(given.text("owner") or parts.core.dm.owner)
    return parts.answers.rows("WF:List", found, parts.now_s)


async def record(parts: Parts, given: Given) -> RpcAnswer:
    """DM's own record of one object, as JSON text."""
    kind, name, experiment = RecordKind(given.text("kind")), given.text("name"), given.text("experiment")
    if kind is RecordKind.FILE and not experiment:
        raise RefusedError("record needs the argument experiment for a File")
    owner = given.text("owner") or parts.core.dm.owner
    try:
        found = await parts.core.dm.record(kind, name, owner=owner, experiment=experiment)
    except DmNotFoundError as error:
        raise RefusedError(f"DM does not know {kind.value} {name}: {error}") from error
    return await _json_answer(kind, found)


async def records(parts: Parts, given: Given) -> RpcAnswer:
    """DM's own records of one kind, as a JSON list in DM's order; of one experiment if asked for."""
    kind, experiment = RecordKind(given.text("kind")), given.text("experiment")
    found = await parts.core.dm.records(kind, owner=given.text("owner") or parts.core.dm.owner)
    return await _json_answer(kind, [one for one in found if experiment in ("", one.get("experimentName"))])


async def _json_answer(kind: RecordKind, content: object) -> RpcAnswer:
    text = await asyncio.to_thread(json.dumps, content, ensure_ascii=False)
    return RpcAnswer("dmioc:Record:1.0", {"kind": kind.value, "JSON": text})


async def file_ready(parts: Parts, given: Given) -> RpcAnswer:
    """Whether DM calls a stored file ready for processing; ``ready`` is false while there is no such file."""
    experiment, path = given.text("experiment"), given.text("path")
    ready = await parts.core.dm.file_ready(experiment, path)
    return RpcAnswer("dmioc:FileReady:1.0", {"experiment": experiment, "path": path, "ready": ready})


async def job_status(parts: Parts, given: Given) -> RpcAnswer:
    """How a job stands, as the gateway saw it last: many clients may ask often, and DM is not asked for them.

    ``awayFor`` is how long DM has not answered, in s; while it is more than 0 the rest may be old. ``lostAfter`` is the
    gateway's. DM is asked for a job that is not among those kept, and once more for the errors of one that has ended.
    """
    owner, job_id = given.text("owner") or parts.core.dm.owner, given.text("id")
    known = parts.jobs.known(job_id) if owner == parts.core.dm.owner else None
    job = Job(known) if known is not None and known.status.is_active else await _job(parts, owner, job_id)
    summary = job.summary
    fields = {
        "id": job_id,
        "owner": summary.owner or owner,
        "workflow": summary.workflow,
        "status": summary.status.value,
        "statusText": summary.status_word,
        "stage": summary.stage,
        "runTime": run_time_s(job, parts.now_s),
        "error": error_text(job),
        "awayFor": parts.core.links[Service.PROC].away_for_s(),
        "lostAfter": parts.core.store.number("LostAfter"),
    }
    return RpcAnswer("dmioc:JobStatus:1.0", fields)


async def _job(parts: Parts, owner: str, job_id: str) -> Job:
    try:
        return await parts.core.dm.job(owner, job_id)
    except DmNotFoundError:
        return Job(JobSummary(job_id, owner=owner, status=Status.LOST, error=f"DM no longer knows job {job_id}"))
