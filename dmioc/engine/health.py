"""The gateway's own health in the words of iocStats (``pv-contract.md §2``)."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dmioc import __version__
from dmioc.engine.projection import iso8601

if TYPE_CHECKING:
    from dmioc.engine.core import Core

SLOW_S = 10
"""Seconds between two looks at processor, memory and files, as in iocStats."""

_OWN_FDS = Path("/proc/self/fd")
_OWN_MEMORY = Path("/proc/self/statm")


class Health:
    """Counts the heartbeat and looks at the process.

    Attributes:
        clients: counts of clients by their PV, asked each second in the loop.
        slow_clients: likewise, but dear: asked with processor and memory, in a thread.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._started_s = core.clock.monotonic_s()
        self._beats = 0
        self._cpu = (self._started_s, _cpu_s())
        self.clients: dict[str, Callable[[], int]] = {}
        self.slow_clients: dict[str, Callable[[], int]] = {}
        store = core.store
        store.set("StartTime", iso8601(core.clock.now_s()))
        store.set("Host", platform.node()[:39])
        store.set("Pid", os.getpid())
        store.set("PVCount", len(core.catalogue))
        store.set("Version", __version__)
        store.set("Station", core.dm.station)
        store.set("Owner", core.dm.owner)
        store.set("Backend", core.dm.name)
        self._look()

    async def beat(self) -> None:
        """Stage what changes each second, and every `SLOW_S` seconds the rest; the caller commits."""
        store, dm = self._core.store, self._core.dm
        self._beats += 1
        store.set("Heartbeat", self._beats % 2**31)
        store.set("Uptime", float(int(self._core.clock.monotonic_s() - self._started_s)))
        store.set("Requests", dm.requests)
        store.set("RequestErrors", dm.request_errors)
        store.set("Owner", dm.owner)
        for name, count in self.clients.items():
            store.set(name, count())
        if self._beats % SLOW_S == 1:
            self._look()
            for name, count in self.slow_clients.items():
                store.set(name, await asyncio.to_thread(count))

    def _look(self) -> None:
        store = self._core.store
        before_s, before_cpu_s = self._cpu
        self._cpu = (self._core.clock.monotonic_s(), _cpu_s())
        if self._cpu[0] - before_s >= 1.0:
            store.set("Cpu", round(100.0 * (self._cpu[1] - before_cpu_s) / (self._cpu[0] - before_s), 1))
        store.set("Memory", round(_memory_bytes() / 2**20, 1))
        store.set("Fds", len(os.listdir(_OWN_FDS)) if _OWN_FDS.exists() else 0)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _memory_bytes() -> int:
    if _OWN_MEMORY.exists():
        return int(_OWN_MEMORY.read_text("ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
