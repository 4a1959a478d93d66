"""Waiting for what only the gateway can judge: its command ``Wait``, in pieces that end soon after a plan is left."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

from dmioc.errors import CommandFailedError, GatewayLostError, InterruptedCommandError, RefusedError, WaitTimeoutError
from dmioc.plans.watching import IDLE, Watch, command, put

_LOG = logging.getLogger(__name__)
PIECE_S = 20.0
"""Longest time of one ``Wait``: nothing can end it before, and meanwhile it is refused to everybody else."""


class Patience:
    """How long to wait, and when to say something.

    Args:
        timeout_s: longest time, from now.
        report_period_s: time between two lines in the log.
        what: what is waited for.
    """

    def __init__(self, timeout_s: float, report_period_s: float, what: str) -> None:
        self.timeout_s = timeout_s
        self.what = what
        self._report_period_s = report_period_s
        self._now_s = asyncio.get_running_loop().time
        self.deadline_s = self._now_s() + timeout_s
        self._reported_s = -math.inf

    @property
    def remaining_s(self) -> float:
        """Seconds that are left; below 0 when it is too late."""
        return self.deadline_s - self._now_s()

    def report(self, text: Callable[[], str]) -> None:
        """Log a line if it is time for one."""
        if self._now_s() - self._reported_s >= self._report_period_s:
            self._reported_s = self._now_s()
            _LOG.info("%s: %s", self.what, text())

    def late(self, state: str) -> str:
        """What `WaitTimeoutError` says."""
        return f"{self.what}: not within {self.timeout_s:g} s (timeout): {state}; it goes on in DM"


async def settled(
    watch: Watch, group: Any, patience: Patience, *, is_likely: Callable[[], bool], report: Callable[[], str]
) -> None:
    """Return when the group's command ``Wait`` says OK.

    It is put as soon as what is watched makes it likely: the gateway then asks DM anew, and knows what monitors do not tell.

    Args:
        watch: watches at least the group's ``wait``.
        group: a DAQ slot, or the jobs.
        patience: how long.
        is_likely: whether what is watched says that it may be so.
        report: the state in words.

    Raises as `Watch.until`, and `CommandFailedError` with the gateway's reason when it cannot come any more.
    """
    while True:
        await watch.until(
            # A Wait of another client, or of a plan that was left, has to end first.
            lambda: is_likely() and watch.value(group.wait) == IDLE,
            deadline_s=patience.deadline_s,
            late=lambda: patience.late(report()),
            what=patience.what,
            look=lambda: patience.report(report),
        )
        began_s = patience.remaining_s
        if began_s <= 0:
            raise WaitTimeoutError(patience.late(report()))
        piece_s = max(min(PIECE_S, began_s), 0.1)
        try:
            await put({group.wait_timeout: piece_s})
            await command(group.wait, watch=watch)
        except (InterruptedCommandError, GatewayLostError) as error:
            # until() knows how long the gateway may be away.
            _LOG.info("%s: asked again", error)
        except RefusedError as error:
            if "busy:" not in str(error):
                raise
        except CommandFailedError:
            if began_s - patience.remaining_s < piece_s:
                raise
        else:
            return
