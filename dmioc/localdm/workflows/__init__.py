"""Workflow documents and processing jobs of localdm: the service PROC without its HTTP (``dm-protocol.md §6``)."""

from dmioc.localdm.workflows.documents import Workflows
from dmioc.localdm.workflows.executor import RunningCommand, StageCommand, StageExecutor
from dmioc.localdm.workflows.jobs import Jobs
from dmioc.localdm.workflows.settings import JobSettings

__all__ = ["JobSettings", "Jobs", "RunningCommand", "StageCommand", "StageExecutor", "Workflows"]
