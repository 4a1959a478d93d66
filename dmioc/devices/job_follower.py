"""One job, started by a query and followed in a thread until it is certain how it ended; no ophyd."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from dmioc.devices.apstools_words import FINISHED_WORDS, NOT_KNOWN, REPORTING_OVER, STATUS_WORDS, status_word
from dmioc.devices.plan_waits import new_future
from dmioc.devices.rpc import StationRpc
from dmioc.errors import CommandFailedError, DmiocError, GatewayLostError, RefusedError, WaitTimeoutError
from dmioc.model import Status

_log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""For the answer to a start by a gateway that is there: twice as long as it waits for DM."""
_LOST = STATUS_WORDS[Status.LOST]
_LOST_ANSWERS = 3
"""DM may not know a job in the first moments after it was started (``field-notes.md §1.2``)."""
_LEAST_PERIOD_S = 0.05
_LEAST_TIMEOUT_S = 0.2
_TRY_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What is to be started.

    Attributes:
        workflow: its name.
        owner: DM user it belongs to; empty for the gateway's.
        arguments: of the job.
        slot: workflow slot that is to show it, 0 for none.
        reporting_s: it is followed for so long.
    """

    workflow: str
    owner: str
    arguments: Mapping[str, object]
    slot: int
    reporting_s: float


@dataclass(frozen=True, slots=True)
class JobNews:
    """How the job stands, in apstools' words; ``stage`` and ``run_time_s`` are None where nothing new is known of them."""

    status: str
    stage: str | None = None
    run_time_s: float | None = None
    error: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether it is the last news."""
        return self.status in FINISHED_WORDS


@dataclass(frozen=True, slots=True)
class JobEnd:
    """Why the job is no longer followed; ``error`` when it was not started, or when its end is not known."""

    status: str
    error: DmiocError | None = None


class JobFollower:
    """Starts a job and follows it; both are done by a thread of its own, which ends with the job.

    The start carries a request id, so that it can be repeated while the gateway is away (``pv-contract.md §6``, RequestID), and
    the job is followed by its id, so that a gateway that was started anew goes on where the last one was.

    Args:
        rpc: the station.
        order: what to start.
        period_s: time between two questions, asked each time.
        lost_after_s: gives up after so long without news of the job; replaced by the gateway's ``LostAfter``.
        on_start: told the follower, and id and owner of the job.
        on_news: told the follower, and how the job stands, after each question that was answered and before it ends.

    The callbacks are called in the thread and must not raise.

    Attributes:
        started: done when the start was accepted (None) or was not (the error).
        ended: done when the thread has nothing more to do; a `JobEnd`.
    """

    def __init__(
        self,
        rpc: StationRpc,
        order: JobOrder,
        *,
        period_s: Callable[[], float],
        lost_after_s: float,
        on_start: Callable[[JobFollower, str, str], None],
        on_news: Callable[[JobFollower, JobNews], None],
    ) -> None:
        self._rpc = rpc
        self._order = order
        self._period_s = period_s
        self._lost_after_s = lost_after_s
        self._on_start = on_start
        self._on_news = on_news
        self._stopped = threading.Event()
        self._began_s = time.monotonic()
        self._heard_s = self._began_s
        self._lost_answers = 0
        self._job_id = ""
        self._owner = order.owner
        self.started: Future[DmiocError | None] = new_future()
        self.ended: Future[JobEnd] = new_future()

    def begin(self, name: str) -> None:
        """Start the thread, under a name."""
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> None:
        """Follow the job no longer; it goes on in DM. A start that was not answered yet is not repeated."""
        self._stopped.set()

    def _run(self) -> None:
        """The supervisor of the thread: whatever goes wrong in it ends the waits of others."""
        end = JobEnd(NOT_KNOWN, CommandFailedError("a bug in dmioc ended the thread that follows the job"))
        try:
            end = self._followed()
        except Exception:
            _log.exception("following a job of %s", self._order.workflow)
        finally:
            try:
                if end.error is not None:
                    self._on_news(self, JobNews(end.status, error=str(end.error)))
            finally:
                if not self.started.done():
                    self.started.set_result(end.error)
                self.ended.set_result(end)

    def _followed(self) -> JobEnd:
        try:
            answer = self._start()
        except RefusedError as error:
            return JobEnd(STATUS_WORDS[Status.FAILED], error)
        except DmiocError as error:
            return JobEnd(NOT_KNOWN, error)
        self._job_id, self._owner = str(answer["id"]), str(answer["owner"] or self._order.owner)
        self._heard_s = time.monotonic()
        self._on_start(self, self._job_id, self._owner)
        self.started.set_result(None)
        return self._end()

    def _start(self) -> dict[str, Any]:
        order = self._order
        arguments = {
            "workflow": order.workflow,
            "args": dict(order.arguments),
            "requestId": uuid.uuid4().hex,
            "owner": order.owner,
            "slot": order.slot,
        }
        while True:
            try:
                return self._rpc.ask("startWorkflow", arguments, self._patience_s(START_TIMEOUT_S))
            except GatewayLostError:
                if self._silent_s() > self._lost_after_s:
                    raise
            except WaitTimeoutError:
                if time.monotonic() - self._began_s > START_TIMEOUT_S:
                    raise
                self._heard_s = time.monotonic()
            if self._stopped.wait(_TRY_AGAIN_S):
                raise CommandFailedError(f"the start of {order.workflow} was given up; DM may have taken it")

    def _end(self) -> JobEnd:
        while True:
            reason = self._look()
            if isinstance(reason, JobEnd):
                return reason
            if time.monotonic() - self._began_s >= self._order.reporting_s:
                return self._reporting_over()
            if reason is None:
                self._heard_s = time.monotonic()
            elif self._silent_s() > self._lost_after_s:
                text = f"job {self._job_id}: {reason}; it may go on, how it ends is not known here"
                return JobEnd(NOT_KNOWN, type(reason)(text))
            if self._stopped.wait(max(self._period_s(), _LEAST_PERIOD_S)):
                return JobEnd(NOT_KNOWN, CommandFailedError(f"job {self._job_id} is no longer followed; it goes on"))

    def _reporting_over(self) -> JobEnd:
        _log.error(
            "workflow %r: the time for reports, %g s, is over; job %s goes on",
            self._order.workflow,
            self._order.reporting_s,
            self._job_id,
        )
        error = f"the time for reports, {self._order.reporting_s:g} s, is over; the job goes on"
        self._on_news(self, JobNews(REPORTING_OVER, error=error))
        return JobEnd(REPORTING_OVER)

    def _silent_s(self) -> float:
        """How long nothing was heard of the job."""
        return time.monotonic() - self._heard_s

    def _patience_s(self, longest_s: float) -> float:
        """How long an answer may take: no longer than silence is borne."""
        return min(longest_s, max(self._lost_after_s - self._silent_s(), _LEAST_TIMEOUT_S))

    def _look(self) -> JobEnd | DmiocError | None:
        """Ask once: the end, or why there is no news, or None for news that was passed on."""
        question = {"id": self._job_id, "owner": self._owner}
        try:
            answer = self._rpc.ask("jobStatus", question, self._patience_s(self._rpc.timeout_s))
        except GatewayLostError as error:
            return error
        except (RefusedError, CommandFailedError, WaitTimeoutError) as error:
            return CommandFailedError(str(error))
        self._lost_after_s = float(answer["lostAfter"])
        if answer["awayFor"] > 0.0:
            # What the answer tells of the job may be old: it is not shown as new.
            return CommandFailedError(f"DM has not answered for {answer['awayFor']:.0f} s")
        word = status_word(str(answer["status"]), str(answer["statusText"]))
        self._lost_answers = self._lost_answers + 1 if word == _LOST else 0
        if 0 < self._lost_answers < _LOST_ANSWERS:
            return None
        news = JobNews(word, str(answer["stage"]), float(answer["runTime"]), str(answer["error"]))
        self._on_news(self, news)
        return JobEnd(news.status) if news.is_finished else None
