"""Waiting in a plan for what a thread does: one message that waits, the RunEngine goes on with its duties meanwhile.

One message, because the RunEngine repeats every message since the last checkpoint when it resumes: a plan of many sleeps would
sleep through all of them again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from bluesky.utils import Msg

T = TypeVar("T")


def new_future() -> Future[Any]:
    """A future that nobody can cancel: plans only look at it."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def until(future: Future[Any]) -> Generator[Msg, Any, None]:
    """A plan that ends when a future of `new_future` is done.

    Raises `RuntimeError` when no RunEngine carries out its message: a plan that is only listed or simulated.
    """
    from bluesky.utils import Msg  # noqa: PLC0415  # who runs a plan has it; importing the devices must stay quick

    asked = False

    def done() -> asyncio.Future[Any]:
        nonlocal asked
        asked = True
        return asyncio.wrap_future(future)

    # After a resume the message may be over although nothing has come: only the future knows.
    while not future.done():
        yield Msg("wait_for", None, [done])
        if not asked:
            raise RuntimeError("this plan does nothing unless a RunEngine runs it: its messages cannot be listed")


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """How the work of a thread ended."""

    answer: T | None = None
    error: BaseException | None = None


def in_background(work: Callable[[threading.Event], T], name: str) -> Generator[Msg, Any, T]:
    """A plan that has a thread do some work, answers what it answers and raises what it raises.

    Args:
        work: gets an event that is set when the plan is left (RE.abort, an error elsewhere): it must then end soon. A
            pause does not set it: the work goes on.
        name: of the thread.
    """
    left = threading.Event()
    end = new_future()

    def run() -> None:
        """The supervisor of the work: whatever it raises is for the plan."""
        try:
            end.set_result(_End(answer=work(left)))
        except BaseException as error:  # carried to the plan, which raises it
            end.set_result(_End(error=error))

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        yield from until(end)
    finally:
        left.set()
    found: _End[T] = end.result()
    if found.error is not None:
        raise found.error
    return found.answer  # pyright: ignore[reportReturnType]  # None only where the work answers None
