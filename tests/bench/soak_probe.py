"""Gets over Channel Access, 50 in a second, for as long as a soak lasts: ``python soak_probe.py HOST:PORT PREFIX NAME ...``.

Asked ``times``, it gives the seconds of each get since it was last asked.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from raw_ca_client import RawClient
from soak_process import serve

PERIOD_S = 0.02
TO_TIME = 14


class Probe:
    """One client that asks for one PV after the other."""

    def __init__(self, address: str, names: list[str]) -> None:
        self._client = RawClient(address, "probe")
        self._client.sock.settimeout(60)
        opened = [self._client.open(name, number) for number, name in enumerate(names)]
        self._turns = itertools.cycle((one.parameter2, one.data_type + TO_TIME) for one in opened)
        self._times: list[float] = []

    def get(self) -> None:
        """One get."""
        sid, kind = next(self._turns)
        began_s = time.perf_counter()
        self._client.get(sid, kind, 0)
        self._times.append(round(time.perf_counter() - began_s, 6))

    def times(self) -> list[float]:
        """Seconds of each since it was last asked."""
        times, self._times = self._times, []
        return times


if __name__ == "__main__":
    probe = Probe(sys.argv[1], [sys.argv[2] + name for name in sys.argv[3:]])
    serve({"times": probe.times}, probe.get, PERIOD_S)
