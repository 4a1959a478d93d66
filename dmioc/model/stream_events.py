"""What can happen to a streaming session."""

from __future__ import annotations

from dataclasses import dataclass

from dmioc.model.status import Status
from dmioc.model.stream_session import Instant, Limits, StreamState


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan offers a session; ``args`` is what the workflow is told, a JSON object."""

    at: Instant
    session: str
    wf_slot: int = 0
    source: str = ""
    args: str = "{}"


@dataclass(frozen=True, slots=True)
class Begin:
    """Data will flow now; ``args`` for the workflow, a JSON object."""

    at: Instant
    args: str = "{}"


@dataclass(frozen=True, slots=True)
class End:
    """No more data come; ``args`` for the workflow, a JSON object."""

    at: Instant
    args: str = "{}"


@dataclass(frozen=True, slots=True)
class Abort:
    """The plan gives the session up."""

    at: Instant
    reason: str = "aborted by command"


@dataclass(frozen=True, slots=True)
class Report:
    """What a workflow wrote; None for what it left out, which stays as it was."""

    at: Instant
    session: str
    epoch: int
    seq: int
    state: StreamState | None = None
    message: str | None = None
    received: int | None = None
    processed: int | None = None
    missed: int | None = None
    errors: int | None = None
    heartbeat: int | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: Instant
    limits: Limits


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The job behind the session is known."""

    job_id: str
    owner: str


@dataclass(frozen=True, slots=True)
class JobFinished:
    """The job behind the session is finished, or could not be started."""

    at: Instant
    status: Status
    error: str


@dataclass(frozen=True, slots=True)
class Restored:
    """The gateway was restarted: nobody could be heard meanwhile, so the deadlines begin anew."""

    at: Instant


Event = Offer | Begin | End | Abort | Report | Tick | JobStarted | JobFinished | Restored
