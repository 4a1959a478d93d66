"""A query over PVAccess that is sent once: the client library sends it again when a lost connection comes back."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p4p import Value
    from p4p.client.raw import Context


def asked_once(context: Context, name: str, question: Value, watched: str, timeout_s: float) -> Value:
    """Ask, and answer what the server says.

    Args:
        context: the client.
        name: PV that takes queries.
        question: an NTURI.
        watched: PV of the same server that tells when the connection is lost.
        timeout_s: longest time for the answer.

    Raises p4p's ``RemoteError`` with the server's reason, its ``Disconnected`` as soon as the connection is lost (what was
    asked for may have been done, and is not asked for again), and `TimeoutError`.
    """
    from p4p.client import raw  # noqa: PLC0415  # half a second that only its users pay

    news: SimpleQueue[Value | Exception | None] = SimpleQueue()
    watch = raw.Context.monitor(context, watched, lambda: news.put(None), "field(value)")
    operation = raw.Context.rpc(context, name, news.put, question)
    deadline_s = time.monotonic() + timeout_s
    try:
        while True:
            answer = news.get(timeout=max(0.0, deadline_s - time.monotonic()))
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer
            while (update := watch.pop()) is not None:
                if isinstance(update, raw.Disconnected):
                    raise update
    except Empty:
        raise TimeoutError(f"{name} did not answer within {timeout_s:.3g} s") from None
    finally:
        operation.close()
        watch.close()
