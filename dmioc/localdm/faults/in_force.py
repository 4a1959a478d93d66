"""The faults in force: which of them a request meets, and how often each was met."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from dmioc.localdm.faults.kinds import Fault, Scope
from dmioc.localdm.faults.requests import Asked, is_for
from dmioc.localdm.service_port import PortState
from dmioc.localdm.services import Service

RESTART = "restart"
_PORT_STATES = {"refuse": PortState.REFUSED, "half-open": PortState.HALF_OPEN}


@dataclass(eq=False, slots=True)
class Armed:
    """One fault in force: requests that matched, those that were hit, and when it began (POSIX seconds)."""

    fault: Fault
    seen: int = 0
    hits: int = 0
    started_s: float = field(default_factory=time.time)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.fault.seed)

    def is_met(self) -> bool:
        """Count a request that matches; whether it is hit."""
        fault = self.fault
        self.seen += 1
        if self.seen <= fault.after or (fault.count is not None and self.hits >= fault.count):
            return False
        if fault.probability < 1.0 and self.chance.random() >= fault.probability:
            return False
        self.hits += 1
        return True


class FaultsInForce:
    """What is in force now; empty at first."""

    def __init__(self) -> None:
        self.armed: tuple[Armed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.armed)

    def replace(self, faults: Sequence[Fault]) -> Sequence[Armed]:
        """Put other faults in force and answer the new ones; one that stays as it was goes on with its counts."""
        old, kept, new = list(self.armed), list[Armed](), list[Armed]()
        for fault in faults:
            same = next((armed for armed in old if armed.fault == fault), None)
            if same is None:
                same = Armed(fault)
                new.append(same)
            else:
                old.remove(same)
            kept.append(same)
        self.armed = tuple(kept)
        for armed in old:
            armed.ended.set()
        return new

    def port_state(self, service: Service) -> PortState:
        """In which state the port of a service is to be."""
        for armed in self.armed:
            if armed.fault.kind in _PORT_STATES and concerns(armed.fault, service):
                return _PORT_STATES[armed.fault.kind]
        return PortState.OPEN

    def met_by(self, asked: Asked) -> list[Armed]:
        """The faults that a request meets, in the order of the file; each is counted."""
        return [armed for armed in self.armed if _matches(armed, asked) and armed.is_met()]


def concerns(fault: Fault, service: Service) -> bool:
    """Whether a fault is for a service."""
    return not fault.service or service.value in fault.service


def _matches(armed: Armed, asked: Asked) -> bool:
    if armed.fault.scope is Scope.PORT:
        return armed.fault.kind == RESTART and concerns(armed.fault, asked.service)
    return is_for(armed.fault, asked)
