"""The one vocabulary of states for DAQs, uploads, jobs and stages, and of alarm severities."""

from __future__ import annotations

from enum import Enum, IntEnum


class Severity(IntEnum):
    """EPICS alarm severities, in EPICS' own numbers."""

    NO_ALARM = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


class Status(Enum):
    """State of a DAQ, upload, job or stage; the value is the label on the PV (``pv-contract.md §1``).

    ``Lost`` is DM answering without knowing the object; ``Unknown`` is a word this version does not know;
    ``TimedOut`` is DM's own time-out.
    """

    IDLE = "Idle"
    PENDING = "Pending"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    ABORTING = "Aborting"
    ABORTED = "Aborted"
    SKIPPED = "Skipped"
    TIMED_OUT = "TimedOut"
    LOST = "Lost"
    UNKNOWN = "Unknown"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to the object."""
        return self in _FINISHED

    @property
    def is_active(self) -> bool:
        """Whether DM is still to do something with the object; an unknown word counts as active."""
        return self in _ACTIVE

    @property
    def severity(self) -> Severity:
        """Alarm severity that the state alone gives (``pv-contract.md §1``, alarm rules)."""
        return _SEVERITIES.get(self, Severity.NO_ALARM)

    @classmethod
    def from_word(cls, word: str) -> Status:
        """State for a status word of DM in any case; ``UNKNOWN`` for one not seen before.

        The words are those of ``dm-protocol.md §4.5``; ``finalizing`` (8-ID's documentation only) counts as running.
        """
        return _WORDS.get(word.strip().lower(), cls.UNKNOWN)


_FINISHED = frozenset(
    {Status.DONE, Status.FAILED, Status.ABORTED, Status.SKIPPED, Status.TIMED_OUT, Status.LOST},
)
_ACTIVE = frozenset({Status.PENDING, Status.RUNNING, Status.ABORTING, Status.UNKNOWN})
_SEVERITIES = {
    Status.FAILED: Severity.MAJOR,
    Status.TIMED_OUT: Severity.MAJOR,
    Status.LOST: Severity.MAJOR,
    Status.ABORTED: Severity.MINOR,
    Status.UNKNOWN: Severity.MINOR,
}
_WORDS = {
    "pending": Status.PENDING,
    "running": Status.RUNNING,
    "finalizing": Status.RUNNING,
    "done": Status.DONE,
    "failed": Status.FAILED,
    "skipped": Status.SKIPPED,
    "aborting": Status.ABORTING,
    "aborted": Status.ABORTED,
    "timeout": Status.TIMED_OUT,
}
