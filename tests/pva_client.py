"""A PVAccess client for tests: p4p's, with its lost wake-ups mended, and monitors that remember every update."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from client_timeouts import ANSWER_TIMEOUT_S
from p4p import Value
from p4p.client.raw import Context as RawContext
from p4p.client.thread import Context, Subscription
from waiting import wait_until


class WaitingSubscription(Subscription):
    """p4p 4.3.0 wakes a subscription that is not yet assigned, loses that update, and is then silent for ever."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.assigned = threading.Event()
        super().__init__(*arguments, **options)

    def _event(self) -> None:
        self.assigned.wait(10)
        super()._event()


class PvaContext(Context):
    """p4p's thread client that gives Values as they came, loses no update and has time."""

    def __init__(self, **options: Any) -> None:
        super().__init__("pva", nt=False, **options)

    def get(self, name: Any, request: Any = None, timeout: float = ANSWER_TIMEOUT_S, throw: bool = True) -> Any:
        return super().get(name, request, timeout, throw)

    def put(
        self,
        name: Any,
        values: Any,
        request: Any = None,
        timeout: float = ANSWER_TIMEOUT_S,
        throw: bool = True,
        process: Any = None,
        wait: Any = None,
        get: bool = True,
    ) -> Any:
        return super().put(name, values, request, timeout, throw, process, wait, get)

    def rpc(
        self, name: str, value: Any, request: Any = None, timeout: float = ANSWER_TIMEOUT_S, throw: bool = True
    ) -> Any:
        return super().rpc(name, value, request, timeout, throw)

    def monitor(
        self,
        name: str,
        cb: Callable[[Any], None],
        request: str | None = None,
        notify_disconnect: bool = False,
        queue: Any = None,
    ) -> Subscription:
        subscription = WaitingSubscription(self, name, cb, notify_disconnect=notify_disconnect, queue=queue)
        subscription._S = RawContext.monitor(self, name, subscription._event, request)
        subscription.assigned.set()
        return subscription


@contextmanager
def pva_context(**options: Any) -> Iterator[PvaContext]:
    """A client for the time of a test or a module."""
    with PvaContext(**options) as context:
        yield context


class Updates:
    """What came for one PV: Values, and exceptions for the rest."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def take(self, update: Any) -> None:
        self.all.append(update)

    @property
    def values(self) -> list[Value]:
        return [update for update in self.all if isinstance(update, Value)]

    def wait_for(self, count: int) -> Value:
        """The update of this number, counted from 1."""
        wait_until(lambda: len(self.values) >= count, what=f"{count} updates")
        return self.values[count - 1]

    def until(self, condition: Callable[[Value], bool]) -> Value:
        """The first update that meets the condition."""
        found = wait_until(lambda: [value for value in self.values if condition(value)])
        return found[0]


@contextmanager
def watched(context: PvaContext, name: str, request: str | None = None, disconnects: bool = False) -> Iterator[Updates]:
    """The updates of a PV, with the first one there."""
    updates = Updates()
    with context.monitor(name, updates.take, request, notify_disconnect=disconnects):
        updates.wait_for(1)
        yield updates


def leaves(value: Value) -> set[str]:
    """The fields that an update marks as changed, whole structures by their leaves."""
    marked = value.changedSet(expand=True)
    return {name for name in marked if not any(other.startswith(f"{name}.") for other in marked)}
