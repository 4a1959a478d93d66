"""Whether each DM service answers: measured at every poll, shown on PVs, asked by waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.engine.projection import fit
from dmioc.errors import DmError
from dmioc.model import Service, Severity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import Clock
    from dmioc.engine.store import Store

ERROR_BYTES = 512
_UNKNOWN, _CONNECTED, _DISCONNECTED = 0, 1, 2
_STARTING, _ALL, _SOME, _NONE = 0, 1, 2, 3


class ServiceLink:
    """One service: it answers while every kind of question polled of it is answered."""

    def __init__(
        self, service: Service, store: Store, clock: Clock, messages: Messages, on_change: Callable[[], None]
    ) -> None:
        self.service = service
        self._on_change = on_change
        self._store = store
        self._clock = clock
        self._messages = messages
        self._failures: dict[str, str] = {}
        self._answered_s: float | None = None
        self._away_since_s = clock.monotonic_s()
        self.state = _UNKNOWN
        self._store.set(f"{service.value}:Age", -1.0)

    @property
    def answers(self) -> bool:
        """Whether the last poll of every kind was answered, and at least one was made."""
        return self.state == _CONNECTED

    @property
    def error(self) -> str:
        """What went wrong last, in one line; empty while the service answers."""
        return next(iter(self._failures.values()), "")

    def away_for_s(self) -> float:
        """Seconds since the service stopped to answer, or since start if it never did; 0.0 while it answers."""
        return 0.0 if self.answers else self._clock.monotonic_s() - self._away_since_s

    async def ask(self, question: str, work: Callable[[], Awaitable[bool]]) -> bool:
        """Put one polled question; answers whether all is well: DM answered it, or there was nothing to ask.

        ``work`` asks DM and uses the answer; False from it says that there was nothing to ask. Any `DmError` of it counts as
        no answer: what is not understood is not known.
        """
        started_s = self._clock.monotonic_s()
        try:
            asked = await work()
        except DmError as error:
            self.failed(question, str(error))
            return False
        if not asked:
            self.forget(question)
            return True
        self._store.set(f"{self.service.value}:Latency", round(1e3 * (self._clock.monotonic_s() - started_s), 1))
        self.answered(question)
        return True

    def answered(self, question: str) -> None:
        """Note an answer; stages the service's PVs."""
        self._answered_s = self._clock.monotonic_s()
        self._failures.pop(question, None)
        self.tick()
        if not self._failures and self.state != _CONNECTED:
            self._enter(_CONNECTED)

    def failed(self, question: str, error: str) -> None:
        """Note a failure; stages the service's PVs."""
        self._failures[question] = error
        if self.state != _DISCONNECTED:
            self._away_since_s = self._clock.monotonic_s()
            self._enter(_DISCONNECTED)
        self._store.set(f"{self.service.value}:Error", fit(self.error, ERROR_BYTES))

    def forget(self, question: str) -> None:
        """The question is no longer put: its failure no longer counts."""
        if self._failures.pop(question, None) is not None and not self._failures and self._answered_s is not None:
            self._enter(_CONNECTED)

    def tick(self) -> None:
        """Stage the age of the last answer, in whole seconds."""
        if self._answered_s is not None:
            self._store.set(f"{self.service.value}:Age", float(int(self._clock.monotonic_s() - self._answered_s)))

    def _enter(self, state: int) -> None:
        before, self.state = self.state, state
        self._store.set(f"{self.service.value}:State", state)
        self._store.set(f"{self.service.value}:Error", fit(self.error, ERROR_BYTES))
        self._store.set_answering(self.service, state == _CONNECTED)
        if state == _DISCONNECTED:
            self._messages.add(f"DM {self.service.value}", f"does not answer: {self.error}", Severity.MAJOR)
        elif before == _DISCONNECTED:
            self._messages.add(f"DM {self.service.value}", "answers again")
        self._on_change()


class Links:
    """All services, and the state of the whole that follows from theirs."""

    def __init__(self, store: Store, clock: Clock, messages: Messages) -> None:
        self._store = store
        self.by_service: Mapping[Service, ServiceLink] = {
            service: ServiceLink(service, store, clock, messages, self.stage_state) for service in Service
        }

    def __getitem__(self, service: Service) -> ServiceLink:
        return self.by_service[service]

    def stage_state(self) -> None:
        """Stage the gateway's own ``State``: services not asked yet do not count, none known is Starting."""
        known = [link.answers for link in self.by_service.values() if link.state != _UNKNOWN]
        state = _STARTING if not known else _ALL if all(known) else _SOME if any(known) else _NONE
        self._store.set("State", state)

    def tick(self) -> None:
        """Stage what changes with time alone."""
        for link in self.by_service.values():
            link.tick()
