"""Asking again and again until something has come, always with an end (``pv-contract.md §1``, status words)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dmioc.devices.rpc import StationRpc
from dmioc.errors import CommandFailedError, GatewayLostError, WaitTimeoutError

T = TypeVar("T")

_log = logging.getLogger(__name__)

LOST_AFTER_S = 60.0
"""Longest time without an answer before the gateway has told its own ``LostAfter``."""


def polled(
    rpc: StationRpc,
    look: Callable[[], T | None],
    *,
    left: threading.Event,
    period_s: float,
    timeout_s: float,
    what: str,
) -> T:
    """Look until there is something and answer it; blocks, for a thread.

    Args:
        rpc: the station that ``look`` asks.
        look: answers what was waited for, or None while it is not there; what it raises ends the wait, except
            `CommandFailedError`, `WaitTimeoutError` and `GatewayLostError`, which do after ``LostAfter`` without an answer.
        left: set by somebody else when nobody waits any more.
        period_s: time between two looks.
        timeout_s: longest time of the wait.
        what: what is waited for, with what it waits on, for messages.

    Raises:
        WaitTimeoutError: the time has passed (a `TimeoutError`).
        CommandFailedError: DM has not answered for ``LostAfter``.
        GatewayLostError: the gateway has not.
    """
    began_s = heard_s = time.monotonic()
    lost_after_s: float | None = None
    while True:
        try:
            found = look()
            if found is not None:
                return found
            if lost_after_s is None:
                lost_after_s = float(rpc.get("LostAfter"))
            heard_s = time.monotonic()
        except (CommandFailedError, GatewayLostError, WaitTimeoutError) as error:
            if time.monotonic() - heard_s > (LOST_AFTER_S if lost_after_s is None else lost_after_s):
                raise
            _log.warning("%s: %s", what, error)
        remaining_s = began_s + timeout_s - time.monotonic()
        if remaining_s <= 0.0:
            raise WaitTimeoutError(f"{what}: not within {timeout_s:g} s")
        if left.wait(min(period_s, remaining_s)):
            raise CommandFailedError(f"{what}: nobody waits for it any more")
