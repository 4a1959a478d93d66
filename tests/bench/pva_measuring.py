"""Round trips over PVAccess by p4p, server by server in turn: ``python pva_measuring.py ROUNDS OPERATIONS ADDRESS PREFIX ...``.

Prints JSON: for each prefix, for each operation, the median of each round in ms. PVs by their names in the catalogue.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from medians import median_ms
from pva_client import PvaContext, Updates

from dmioc.catalogue import Kind, station_catalogue

NUMBER, WATCHED = "LostAfter", "NoFilesAfter"
AT_ONCE_EVERY = 10
"""One operation of all PVs at once for so many of one PV."""
GIVEN_UP_S = 10.0
SCALARS = [pv.name for pv in station_catalogue().scalars()]
TEXTS = [
    pv.name for pv in station_catalogue().scalars() if pv.writable and pv.kind is Kind.TEXT and pv.name.startswith("WF")
]


class Server:
    """PVs of one server; ``everything`` holds every scalar, ``texts`` the setpoints of workflow slots."""

    def __init__(self, context: PvaContext, prefix: str) -> None:
        self.context = context
        self.number = prefix + NUMBER
        self.watched = prefix + WATCHED
        self.everything = [prefix + name for name in SCALARS]
        self.texts = [prefix + name for name in TEXTS]
        context.get(self.everything, timeout=GIVEN_UP_S)
        self.updates = Updates()
        self.subscription = context.monitor(self.watched, self.updates.take)
        self.updates.wait_for(1)

    def put_and_see(self, number: int) -> None:
        """Put, and wait for the monitor's event with it."""
        value = 20.0 + number % 1000 + (0.25 if self.updates.all[-1].value == 20.0 + number % 1000 else 0.0)
        del self.updates.all[:-1]
        self.context.put(self.watched, value, get=False, wait=None)
        deadline_s = time.perf_counter() + GIVEN_UP_S
        while self.updates.all[-1].value != value:
            time.sleep(0)
            assert time.perf_counter() < deadline_s, f"{value} never came"

    def operations(self) -> dict[str, tuple[Callable[[int], object], int]]:
        """What is timed, and for how many PVs it stands; each takes the number of its turn."""
        context = self.context

        def put_all(turn: int) -> None:
            context.put(self.texts, [f"text {turn}"] * len(self.texts), get=False)

        return {
            "get": (lambda _: context.get(self.number), 1),
            "put": (lambda turn: context.put(self.number, 10.0 + turn % 7, get=False), 1),
            "put to monitor": (self.put_and_see, 1),
            f"get of {len(self.everything)} at once": (lambda _: context.get(self.everything), len(self.everything)),
            f"put of {len(self.texts)} at once": (put_all, len(self.texts)),
        }


def main(rounds: int, count: int, addressed: list[tuple[str, str]]) -> None:
    """Measure and print."""
    prefixes = [prefix for _, prefix in addressed]
    servers = {}
    for address, prefix in addressed:
        conf = {"EPICS_PVA_NAME_SERVERS": address, "EPICS_PVA_ADDR_LIST": "", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
        servers[prefix] = Server(PvaContext(conf=conf, useenv=False), prefix).operations()
    found: dict[str, dict[str, list[float]]] = {prefix: {} for prefix in prefixes}
    for number in range(rounds):
        for name in next(iter(servers.values())):
            for prefix in prefixes[:: 1 if number % 2 else -1]:
                operation, size = servers[prefix][name]
                turns = count if size == 1 else max(3, count // AT_ONCE_EVERY)
                found[prefix].setdefault(name, []).append(median_ms(operation, turns))
    print(json.dumps(found), flush=True)
    os._exit(0)  # p4p's threads take their time


words = sys.argv[3:]
main(int(sys.argv[1]), int(sys.argv[2]), list(zip(words[::2], words[1::2], strict=True)))
