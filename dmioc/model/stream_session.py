"""A streaming session as plain data: its states, its deadlines, and all that is known of it (``pv-contract.md §8``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dmioc.model.status import Severity
from dmioc.model.time_span import TimeSpan


class StreamState(Enum):
    """State of a session; the value is the label on the PV."""

    IDLE = "Idle"
    OFFERED = "Offered"
    ACCEPTED = "Accepted"
    READY = "Ready"
    STREAMING = "Streaming"
    DRAINING = "Draining"
    DONE = "Done"
    FAILED = "Failed"
    ABORTED = "Aborted"
    LOST = "Lost"

    @property
    def is_active(self) -> bool:
        """Whether the session goes on."""
        return self in _ACTIVE

    @property
    def severity(self) -> Severity:
        """Alarm severity that the state gives."""
        return _SEVERITIES.get(self, Severity.NO_ALARM)


_ACTIVE = frozenset(
    {StreamState.OFFERED, StreamState.ACCEPTED, StreamState.READY, StreamState.STREAMING, StreamState.DRAINING}
)
_SEVERITIES = {
    StreamState.FAILED: Severity.MAJOR,
    StreamState.LOST: Severity.MAJOR,
    StreamState.ABORTED: Severity.MINOR,
}


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on two clocks: ``clock_s`` never jumps and counts deadlines, ``time_s`` is POSIX and is shown."""

    clock_s: float
    time_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Longest times in seconds: until Ready, between two reports, and for draining."""

    ready_s: float
    heartbeat_s: float
    drain_s: float


@dataclass(frozen=True, slots=True)
class Session(TimeSpan):
    """All that is known of a session.

    Attributes:
        state: where it stands.
        epoch: number of the offer in its slot.
        id: its uuid; empty before the first offer.
        seq: of the last report taken; a workflow counts from 1.
        wf_slot: workflow slot whose workflow was started with it, 0 for none.
        job_id: the job behind it, empty while there is none.
        job_owner: owner of that job.
        source: PV of the data.
        command: last command to the workflow: ``offer``, ``begin``, ``end``, ``abort``.
        command_seq: grows by one with each command, over all sessions of the slot.
        args: arguments of that command, a JSON object.
        command_time_s: POSIX time of that command.
        message: the workflow's last words.
        received: objects that the workflow has received; ``processed``, ``missed`` and ``errors`` likewise.
        heartbeat: the workflow's own count of its beats.
        result: the workflow's result, JSON.
        error: why it ended, empty for Done.
        start_time_s: POSIX time of the offer; ``end_time_s`` of the end.
        state_time_s: POSIX time of the last change of the state; ``report_time_s`` of the last report.
        since_s: on the clock that never jumps, when the deadline of the state began.
        heard_s: on that clock, when the workflow was last heard of.
    """

    state: StreamState = StreamState.IDLE
    epoch: int = 0
    id: str = ""
    seq: int = 0
    wf_slot: int = 0
    job_id: str = ""
    job_owner: str = ""
    source: str = ""
    command: str = ""
    command_seq: int = 0
    args: str = ""
    command_time_s: float = 0.0
    message: str = ""
    received: int = 0
    processed: int = 0
    missed: int = 0
    errors: int = 0
    heartbeat: int = 0
    result: str = ""
    error: str = ""
    state_time_s: float = 0.0
    report_time_s: float = 0.0
    since_s: float = 0.0
    heard_s: float = 0.0

    @property
    def state_word(self) -> str:
        """The state as its PV and the workflow know it."""
        return self.state.value

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"session {self.id} (epoch {self.epoch})"

    def deadlines(self, limits: Limits) -> tuple[tuple[float, StreamState, str], ...]:
        """What would end the session by time: when on the clock that never jumps, as what, and the reason."""
        heartbeat = (
            self.heard_s + limits.heartbeat_s,
            StreamState.LOST,
            f"no report from the workflow for {limits.heartbeat_s:g} s (HeartbeatTimeout) while {self.state.value}",
        )
        ready = (
            self.since_s + limits.ready_s,
            StreamState.FAILED,
            f"not Ready within {limits.ready_s:g} s (ReadyTimeout): the workflow "
            + ("was not heard of" if self.state is StreamState.OFFERED else "had accepted"),
        )
        drain = (
            self.since_s + limits.drain_s,
            StreamState.FAILED,
            f"not drained within {limits.drain_s:g} s of the end of the data (DrainTimeout)",
        )
        found = {
            StreamState.OFFERED: (ready,),
            StreamState.ACCEPTED: (ready, heartbeat),
            StreamState.READY: (heartbeat,),
            StreamState.STREAMING: (heartbeat,),
            StreamState.DRAINING: (drain, heartbeat),
        }
        return found.get(self.state, ())
