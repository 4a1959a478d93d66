"""Waiting for something in DM, always with an end (``pv-contract.md §1``, status words)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dmioc.errors import CommandFailedError

if TYPE_CHECKING:
    from dmioc.engine.links import ServiceLink
    from dmioc.engine.ports import Clock
    from dmioc.engine.signals import Signal
    from dmioc.engine.store import Store

_LOOK_AGAIN_S = 0.25

Check = Callable[[], str | None]
"""Looks at the state: a line when what was waited for has come, None while not; raises when it cannot come any more."""


async def wait_for(
    check: Check, *, changed: Signal, link: ServiceLink, store: Store, clock: Clock, timeout_s: float, what: str
) -> str:
    """Wait until ``check`` gives a line, and answer it.

    Raises `CommandFailedError` when the timeout passes or the service has been away for longer than ``LostAfter``, and whatever
    ``check`` raises.
    """
    started_s = clock.monotonic_s()
    while True:
        line = check()
        if line is not None:
            return line
        waited_s = clock.monotonic_s() - started_s
        if waited_s >= timeout_s:
            raise CommandFailedError(f"{what}: not within {timeout_s:g} s; it goes on in DM")
        lost_after_s = store.number("LostAfter")
        if link.away_for_s() > lost_after_s:
            raise CommandFailedError(
                f"{what}: DM {link.service.value} has not answered for {lost_after_s:g} s ({link.error or 'no answer yet'})"
            )
        await changed.wait(min(_LOOK_AGAIN_S, timeout_s - waited_s))
