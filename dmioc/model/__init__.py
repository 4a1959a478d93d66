"""What the gateway knows about DM, as frozen plain data: no input or output, no EPICS, no HTTP."""

from dmioc.model.experiment import Experiment, NewExperiment
from dmioc.model.job import OUTPUT_LENGTH, REQUEST_ARGUMENT, Job, JobSummary, StageRun, Workflow
from dmioc.model.service import Service
from dmioc.model.status import Severity, Status
from dmioc.model.stream_session import StreamState
from dmioc.model.transfer import Transfer, TransferKind

__all__ = [
    "OUTPUT_LENGTH",
    "REQUEST_ARGUMENT",
    "Experiment",
    "Job",
    "JobSummary",
    "NewExperiment",
    "Service",
    "Severity",
    "StageRun",
    "Status",
    "StreamState",
    "Transfer",
    "TransferKind",
    "Workflow",
]
