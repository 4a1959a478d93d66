"""Calls of the processing service: workflows and jobs (``dm-protocol.md §6``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dmioc.dm.calls.base import Calls
from dmioc.dm.calls.values import json_text
from dmioc.dm.readers.bodies import ObjectReader, RowsReader, json_reader
from dmioc.dm.readers.mapping import full_job, job_summary_of, workflow_of
from dmioc.dm.readers.wire import JobRowRecord, WorkflowRecord, keys_of
from dmioc.model import Job, JobSummary, Workflow

_EVERYTHING = "{}"  # a queryDict that leaves nothing out
_WORKFLOW_KEY = "workflow"


class ProcessingCalls(Calls):
    """The workflows and jobs of `dmioc.engine.ports.DmBackend`."""

    async def workflows(self, owner: str) -> Sequence[Workflow]:
        """Every workflow of an owner."""
        return await self._call(
            "listWorkflows",
            {"owner": owner, "query": _EVERYTHING},
            lambda what: RowsReader(what, WorkflowRecord, workflow_of, lambda found: (found.owner, found.name)),
        )

    async def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> Job:
        """Submit a job; raises `DmNotFoundError` for a workflow DM does not know.

        DM takes the arguments in the address, so that some 30 kB of JSON are the most that can be sent.
        """
        values = {"owner": owner, "workflow": workflow, "json": json_text(arguments, "the arguments")}
        return await self._call("startProcessingJob", values, lambda what: ObjectReader(what, full_job))

    async def stop_job(self, owner: str, job_id: str) -> None:
        """Ask DM to abort a job; DM may need time to do it."""
        await self._call("stopProcessingJob", {"owner": owner, "id": job_id}, json_reader)

    async def jobs(self, owner: str, skip: int, limit: int, with_workflow: bool) -> Sequence[JobSummary]:
        """A page of the owner's jobs in DM's order (oldest first where seen, not promised).

        Only the needed keys are asked for. ``with_workflow`` asks for the workflow's name too, which costs its whole
        document for each row. A row stands for each of DM's, also where two have one id: positions are counted by them.
        """
        keys = [key for key in keys_of(JobRowRecord) if with_workflow or key != _WORKFLOW_KEY]
        values = {
            "owner": owner,
            "query": _EVERYTHING,
            "skip": str(skip),
            "limit": str(limit),
            "keys": json_text(keys, "the keys"),
        }
        return await self._call(
            "listProcessingJobs",
            values,
            lambda what: RowsReader(what, JobRowRecord, job_summary_of, id),
        )

    async def job(self, owner: str, job_id: str) -> Job:
        """One job, complete; raises `DmNotFoundError`."""
        values = {"owner": owner, "id": job_id}
        return await self._call("getProcessingJobById", values, lambda what: ObjectReader(what, full_job))
