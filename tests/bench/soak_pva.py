"""PVAccess clients of a soak, each with a connection of its own.

``python soak_pva.py HOST:PORT PREFIX CLIENTS PVS_EACH``; as `soak_ca`: monitors of a share of the names, and ``check``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from p4p import Value
from p4p.util import WorkQueue
from pva_client import PvaContext
from soak_names import scalar_names
from soak_process import serve

AGREE_WITHIN_S = 15.0
GIVEN_UP_S = 20.0
SETTLE_S = 0.3
PERIOD_S = 0.2


def one_worker() -> WorkQueue:
    """One thread for the monitors of all clients of a process; p4p would make four for each."""
    queue = WorkQueue(maxsize=0)
    threading.Thread(target=queue.handle, daemon=True).start()
    return queue


class Client:
    """One connection with its monitors; the last of each by the name of its PV."""

    def __init__(self, address: str, names: list[str], queue: WorkQueue) -> None:
        conf = {"EPICS_PVA_NAME_SERVERS": address, "EPICS_PVA_ADDR_LIST": "", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
        self.context = PvaContext(conf=conf, useenv=False, queue=queue)
        self.names = names
        self.last: dict[str, Any] = {}
        self.events = 0
        self._lock = threading.Lock()
        self.subscriptions = [self.context.monitor(name, self._taker(name)) for name in names]

    def _taker(self, name: str) -> Callable[[Any], None]:
        def take(update: Any) -> None:
            if isinstance(update, Value):
                with self._lock:
                    self.events += 1
                    self.last[name] = shown(update)

        return take

    def is_ready(self) -> bool:
        """Whether every monitor has brought something."""
        return len(self.last) == len(self.names)

    def got(self, names: list[str]) -> dict[str, Any]:
        """Fresh gets."""
        return dict(zip(names, map(shown, self.context.get(names, timeout=GIVEN_UP_S)), strict=True))


def shown(value: Value) -> Any:
    """What is compared: revision of a table or structure; value, severity and time of the others."""
    if "revision" in value:
        return value["revision"]
    stamp = value["timeStamp"]
    found = value["value"]
    index = found["index"] if isinstance(found, Value) else found
    return [
        list(index) if isinstance(index, list | tuple) else index,
        value["alarm"]["severity"],
        stamp["secondsPastEpoch"],
        stamp["nanoseconds"],
    ]


class Clients:
    """All of them."""

    def __init__(self, address: str, prefix: str, count: int, each: int, names: list[str]) -> None:
        self.all: list[Client] = []
        queue = one_worker()
        for client in range(count):
            first = client * each
            own = [prefix + names[(first + offset) % len(names)] for offset in range(min(each, len(names)))]
            self.all.append(Client(address, own, queue))
        deadline_s = time.monotonic() + GIVEN_UP_S
        while not all(client.is_ready() for client in self.all):
            assert time.monotonic() < deadline_s, "not every PV was found"
            time.sleep(PERIOD_S)

    def check(self) -> dict[str, object]:
        """What did not agree, although it was looked at again and again; values may change meanwhile."""
        open_: dict[Client, list[str]] = {client: client.names for client in self.all}
        deadline_s = time.monotonic() + AGREE_WITHIN_S
        while open_ and time.monotonic() < deadline_s:
            got = {client: client.got(names) for client, names in open_.items()}
            time.sleep(SETTLE_S)
            open_ = {
                client: left
                for client, names in open_.items()
                if (left := [name for name in names if client.last[name] != got[client][name]])
            }
        lost = [name for names in open_.values() for name in names]
        return {"checked": sum(len(client.names) for client in self.all), "lost": lost, "events": self.events()}

    def events(self) -> int:
        """How many events came since the start."""
        return sum(client.events for client in self.all)


if __name__ == "__main__":
    clients = Clients(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), scalar_names())
    serve({"check": clients.check}, lambda: None, PERIOD_S)
    os._exit(0)  # p4p's threads end the process with an abort when Python ends before them
