"""Round trips over Channel Access by libca, server by server in turn: ``python ca_measuring.py ROUNDS OPERATIONS PREFIX ...``.

Prints JSON: for each prefix, for each operation, the median of each round in ms. PVs by their names in the catalogue.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import epicscorelibs.path.pyepics  # noqa: F401  # the libca to take

# isort: split
import epics
from medians import median_ms

NUMBER, TEXT, WATCHED = "LostAfter", "EXP:New:Description", "NoFilesAfter"
GIVEN_UP_S = 5.0


class Server:
    """PVs of one server."""

    def __init__(self, prefix: str) -> None:
        self.number = connected(epics.PV(prefix + NUMBER, auto_monitor=False))
        self.text = connected(epics.PV(prefix + TEXT, auto_monitor=False))
        self.seen: Any = None
        self.watched = connected(epics.PV(prefix + WATCHED, auto_monitor=True, callback=self.take))

    def take(self, value: Any = None, **_: Any) -> None:
        """Keep what a monitor brings."""
        self.seen = value

    def put_and_see(self, number: int) -> None:
        """Put without completion, and wait for the monitor's event."""
        value = 10.0 + number % 1000 + 0.25 * (self.seen == 10.0 + number % 1000)
        epics.ca.put(self.watched.chid, value, wait=False)
        epics.ca.flush_io()
        deadline_s = time.perf_counter() + GIVEN_UP_S
        while self.seen != value:
            epics.ca.poll(1e-5, 1e-4)
            assert time.perf_counter() < deadline_s, f"{value} never came, {self.seen} did"

    def operations(self) -> dict[str, Callable[[int], object]]:
        """What is timed; each takes the number of its turn."""
        return {
            "get": lambda _: self.number.get(use_monitor=False),
            "put": lambda turn: self.number.put(10.0 + turn % 7, wait=True),
            "get of a text": lambda _: self.text.get(use_monitor=False, as_string=True),
            "put of a text": lambda turn: self.text.put(f"text {turn}", wait=True),
            "put to monitor": self.put_and_see,
        }


def connected(pv: Any) -> Any:
    """The PV when it is connected."""
    assert pv.wait_for_connection(timeout=10.0), f"{pv.pvname} is not found"
    return pv


def main(rounds: int, count: int, prefixes: list[str]) -> None:
    """Measure and print."""
    servers = {prefix: Server(prefix).operations() for prefix in prefixes}
    found: dict[str, dict[str, list[float]]] = {prefix: {} for prefix in prefixes}
    for number in range(rounds):
        for name in next(iter(servers.values())):
            # Who comes first changes, so that nobody always has the warmer cache.
            for prefix in prefixes[:: 1 if number % 2 else -1]:
                found[prefix].setdefault(name, []).append(median_ms(servers[prefix][name], count))
    print(json.dumps(found), flush=True)
    os._exit(0)  # libca's threads take their time


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
