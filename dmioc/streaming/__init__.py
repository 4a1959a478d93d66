"""The workflow's side of the streaming handshake; needs p4p and nothing else of dmioc."""

from dmioc.streaming.errors import (
    StreamAborted,
    StreamError,
    StreamRefused,
    StreamSettingsError,
    StreamTimeoutError,
)
from dmioc.streaming.reports import StreamState
from dmioc.streaming.settings import StreamTimes
from dmioc.streaming.workflow import StreamingWorkflow

__all__ = [
    "StreamAborted",
    "StreamError",
    "StreamRefused",
    "StreamSettingsError",
    "StreamState",
    "StreamTimeoutError",
    "StreamTimes",
    "StreamingWorkflow",
]
