"""The words that apstools shows for the state of a job (``field-notes.md §2.1``), in this one place."""

from __future__ import annotations

from collections.abc import Mapping

from dmioc.model import Status

STATUS_WORDS: Mapping[Status, str] = {
    Status.IDLE: "not_run",
    Status.PENDING: "pending",
    Status.RUNNING: "running",
    Status.DONE: "done",
    Status.FAILED: "failed",
    Status.ABORTING: "aborting",
    Status.ABORTED: "aborted",
    Status.SKIPPED: "skipped",
    Status.TIMED_OUT: "timeout",
    Status.LOST: "lost",
    Status.UNKNOWN: "unknown",
}
"""DM's words where it has one; ``lost``: DM answers and no longer knows the job; ``unknown``: how it ended is not known."""
NOT_RUN = STATUS_WORDS[Status.IDLE]
STARTING = STATUS_WORDS[Status.RUNNING]
"""What is shown from the start on, as apstools does, also before DM has answered."""
REPORTING_OVER = STATUS_WORDS[Status.TIMED_OUT]
"""The time for reports is over: the job goes on."""
NOT_KNOWN = STATUS_WORDS[Status.UNKNOWN]
"""DM or the gateway has been away for too long, or nobody follows the job any more."""
NOT_AVAILABLE = "-n/a-"
"""Text where DM gave none."""
FINISHED_WORDS = frozenset(word for status, word in STATUS_WORDS.items() if status.is_finished)
"""Words of what has ended, the end of reporting among them."""


def status_word(status: str, dm_word: str = "") -> str:
    """Apstools' word for a status of the gateway (``pv-contract.md §1``).

    Args:
        status: e.g. ``Running``.
        dm_word: DM's own, shown for a state that this version does not know, as apstools would.
    """
    found = Status(status)
    return dm_word if found is Status.UNKNOWN and dm_word else STATUS_WORDS[found]
