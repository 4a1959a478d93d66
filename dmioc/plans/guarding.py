"""An acquisition plan that ends when the stream that takes its data does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from bluesky.utils import ensure_generator  # pyright: ignore[reportUnknownVariableType]  # its arguments have no types

from dmioc.errors import GatewayLostError, JobFailedError
from dmioc.plans.carrying import carried_out
from dmioc.plans.watching import LOOK_AGAIN_S

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.plans.stream_session import StreamRun


class _Guard:
    """Looks after a session while data are taken, and raises what ended it, once."""

    def __init__(self, stream: StreamRun) -> None:
        self._stream = stream
        self._has_told = False

    def look(self) -> MsgGenerator[None]:
        """A plan that does nothing while the session goes on; raises `JobFailedError` or `GatewayLostError` otherwise."""
        if self._has_told:
            return
        trouble: JobFailedError | GatewayLostError | None
        try:
            trouble = (yield from carried_out(self._stream.trouble)) if self._stream.may_have_ended else None
        except GatewayLostError as error:
            trouble = error
        if trouble is not None:
            self._has_told = True
            raise trouble


def guarded(plan: Any, stream: StreamRun) -> MsgGenerator[Any]:
    """The plan, with what ended the session raised in it: so that it can clean up, and close its run."""
    guard = _Guard(stream)
    messages = cast("MsgGenerator[Any]", ensure_generator(plan))
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            message = messages.send(answer) if error is None else messages.throw(error)
        except StopIteration as end:
            return end.value
        answer = error = None
        try:
            answer = yield from _watched(message, guard)
        except GeneratorExit:
            messages.close()
            raise
        except Exception as raised:
            # This drives another plan, as bluesky's preprocessors do: whatever comes is that plan's to handle.
            error = raised


def _watched(message: Any, guard: _Guard) -> MsgGenerator[Any]:
    """One message; a wait and a sleep in pieces, so that the end of the session is not seen too late."""
    yield from guard.look()
    if message.command == "sleep":
        end_s = time.monotonic() + float(message.args[0])
        while (left_s := end_s - time.monotonic()) > 0:
            yield message._replace(args=(min(left_s, LOOK_AGAIN_S),))
            yield from guard.look()
        return None
    if message.command == "wait" and not {"timeout", "error_on_timeout", "watch"} & _given(message):
        piece = message._replace(kwargs={**message.kwargs, "timeout": LOOK_AGAIN_S, "error_on_timeout": False})
        while not (done := (yield piece)):
            yield from guard.look()
        return done
    return (yield message)


def _given(message: Any) -> set[str]:
    """The arguments of a message that say something; bluesky gives them all, with None for nothing."""
    nothing = {"timeout": None, "error_on_timeout": True, "watch": ()}
    return {name for name, value in message.kwargs.items() if name in nothing and value != nothing[name]}
