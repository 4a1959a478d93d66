"""Handlers of the processing service PROC (``dm-protocol.md §6``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from dmioc.localdm.answers import InvalidArgument
from dmioc.localdm.calls import Call, Handlers, at_once, in_thread

Record = dict[str, Any]
_LIST_LIMIT = 5000


class WorkflowStore(Protocol):
    """Workflows as the handlers need them; the methods that write block."""

    def add(self, document: Mapping[str, Any], owner_default: str) -> Record:
        """Keep a new workflow; raises `InvalidArgument`, `ObjectAlreadyExists`."""
        ...

    def update(self, document: Mapping[str, Any]) -> Record:
        """Replace a workflow; raises `InvalidArgument`, `ObjectNotFound`."""
        ...

    def upsert(self, document: Mapping[str, Any], owner_default: str) -> Record:
        """Replace a workflow or add it; raises `InvalidArgument`."""
        ...

    def list(self, owner: str, query: Mapping[str, object]) -> Sequence[Record]:
        """Workflows of an owner."""
        ...

    def get(self, owner: str, name: str) -> Record:
        """One workflow; raises `ObjectNotFound`."""
        ...

    def by_id(self, owner: str, id: str) -> Record:
        """One workflow; raises `ObjectNotFound`."""
        ...

    def delete(self, owner: str, name: str) -> Record:
        """Forget a workflow; raises `ObjectNotFound`."""
        ...


class JobService(Protocol):
    """Processing jobs as the handlers need them; `job_json`, `jobs_json` and `delete` block."""

    def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> str:
        """Submit a job from the event loop and answer its id; raises `ObjectNotFound`, `InvalidArgument`."""
        ...

    async def saved(self, job_id: str) -> None:
        """Wait until the job is on disk."""
        ...

    def job_json(self, owner: str, id: str) -> bytes:
        """One job, complete, as JSON; quick for a job that was just submitted. Raises `ObjectNotFound`."""
        ...

    def jobs_json(
        self, owner: str, query: Mapping[str, object], skip: int, limit: int, key_list: str | list[str]
    ) -> bytes:
        """A page of the owner's jobs with the keys asked for, as JSON."""
        ...

    async def stop_job(self, owner: str, id: str) -> Record:
        """Ask a job to end; raises `ObjectNotFound`, `InvalidRequest`."""
        ...

    def delete(self, owner: str, id: str) -> Record:
        """Forget a finished job; raises `ObjectNotFound`, `InvalidRequest`."""
        ...


class ProcessingRoutes:
    """Workflows and processing jobs."""

    def __init__(self, workflows: WorkflowStore, jobs: JobService) -> None:
        self._workflows = workflows
        self._jobs = jobs

    def handlers(self) -> Handlers:
        """The handlers by endpoint."""
        workflows = self._workflows
        return {
            "listWorkflows": at_once(lambda call: workflows.list(call.text("owner"), call.document("queryDict"))),
            "getWorkflowByName": at_once(lambda call: workflows.get(call.text("owner"), call.needed("name"))),
            "getWorkflowById": at_once(lambda call: workflows.by_id(call.text("owner"), call.text("id"))),
            "addWorkflow": in_thread(lambda call: workflows.add(call.document("workflow"), call.username)),
            "updateWorkflow": in_thread(lambda call: workflows.update(call.document("workflow"))),
            "upsertWorkflow": in_thread(lambda call: workflows.upsert(call.document("workflow"), call.username)),
            "deleteWorkflowByName": in_thread(lambda call: workflows.delete(call.text("owner"), call.needed("name"))),
            "listProcessingJobs": in_thread(self._list),
            "getProcessingJobById": in_thread(self._job),
            "startProcessingJob": self._start,
            "stopProcessingJob": self._stop,
            "deleteProcessingJob": in_thread(lambda call: self._jobs.delete(call.text("owner"), call.text("id"))),
            "listGlobusRuns": at_once(lambda call: []),
        }

    def _list(self, call: Call) -> object:
        page = call.count("skip", 0), call.count("limit", _LIST_LIMIT)
        query = call.document("queryDict")
        return msgspec.Raw(self._jobs.jobs_json(call.text("owner"), query, *page, _key_list(call)))

    def _job(self, call: Call) -> object:
        return msgspec.Raw(self._jobs.job_json(call.text("owner"), call.text("id")))

    async def _start(self, call: Call) -> object:
        """Submit a job and answer it as it was then; only when it is on disk, so that no id is lost by a kill."""
        owner = call.text("owner")
        job_id = self._jobs.start_job(owner, call.needed("name"), call.document("argsDict"))
        submitted = msgspec.Raw(self._jobs.job_json(owner, job_id))
        await self._jobs.saved(job_id)
        return submitted

    async def _stop(self, call: Call) -> object:
        return await self._jobs.stop_job(call.text("owner"), call.text("id"))


def _key_list(call: Call) -> str | list[str]:
    """``DEFAULT``, ``ALL`` or a list of keys (§6.1); raises `InvalidArgument` for anything else."""
    keys = call.json("keyList", "DEFAULT")
    if isinstance(keys, list) and all(isinstance(key, str) for key in cast(list[object], keys)):
        return cast(list[str], keys)
    if keys not in ("DEFAULT", "ALL"):
        raise InvalidArgument(f'keyList must be "DEFAULT", "ALL" or a list of keys, not {keys!r}')
    return str(keys)
