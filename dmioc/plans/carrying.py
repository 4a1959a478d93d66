"""Asynchronous work as a plan: carried out once, beside the RunEngine, whatever becomes of the plan meanwhile.

A plan here is one coroutine in the RunEngine's event loop and one message that waits for it, because of what the RunEngine
does with a plan that is made of many: `RunEngine.resume` repeats every message since the last checkpoint (a job would be started
twice), a pause stops every object that was set, and what a status fails with arrives wrapped, at some later message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bluesky.preprocessors import contingency_wrapper  # pyright: ignore[reportUnknownVariableType]  # its arguments have no types
from bluesky.utils import Msg

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

T = TypeVar("T")


def carried_out(work: Callable[[], Coroutine[Any, Any, T]]) -> MsgGenerator[T]:
    """A plan that carries out ``work`` in the RunEngine's loop, answers what it answers and raises what it raises.

    The work must not block. It is begun once: a pause does not stop it, and a resume finds it where it then is. It is cancelled
    when the plan is left: by abort, stop, halt, or an error of another device.

    Raises `RuntimeError` when nobody runs the messages (a plan that is only listed or simulated).
    """
    task: asyncio.Task[T] | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def settled() -> Awaitable[object]:
        nonlocal task, loop
        if task is None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(work())
            task.add_done_callback(_seen)
        return asyncio.wait({task})

    try:
        # After a resume the message is done without an answer, or is repeated: only the task knows.
        while task is None or not task.done():
            yield Msg("wait_for", None, [settled])
            if task is None:
                raise RuntimeError("this plan does nothing unless a RunEngine runs it: its messages cannot be listed")
    finally:
        if task is not None and loop is not None and not loop.is_closed():
            # A plan that was dropped may end in any thread.
            loop.call_soon_threadsafe(task.cancel)
    return task.result()


def _seen(task: asyncio.Task[Any]) -> None:
    """Take notice of how a task ended: the plan may be gone by then, which is no news for the log."""
    if not task.cancelled():
        task.exception()


def cleaned_up(plan: MsgGenerator[T], left: Callable[[Exception], MsgGenerator[None]]) -> MsgGenerator[T]:
    """The plan, and after any error in it the plan that ``left`` makes of the error, which is then raised on.

    Errors are also the RunEngine's abort and stop; a halt allows no clean up.
    """
    return cast("MsgGenerator[T]", contingency_wrapper(plan, except_plan=left))
