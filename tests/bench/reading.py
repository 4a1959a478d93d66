"""Many Channel Access clients that read: ``python reading.py HOST:PORT PREFIX COUNT PERIOD_S``; until it is ended."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from raw_ca_client import RawClient, RawMessage

PVS = ("WF1:Status", "WF1:Stage", "WF1:Percent", "DAQ1:FilesDone", "JOB:Active", "Heartbeat", "Message", "WF1:StdOut")
TIME_STRING, TIME_CHAR = 14, 18
MOST_CHARACTERS = 1000


def main(address: str, prefix: str, count: int, period_s: float) -> None:
    """Read each PV by each client, again and again."""
    clients = [RawClient(address, f"reader{number}") for number in range(count)]
    channels = [[(opened.parameter2, opened.count) for opened in opening(client, prefix)] for client in clients]
    while True:
        began_s = time.monotonic()
        for client, sids in zip(clients, channels, strict=True):
            for sid, length in sids:
                client.get(sid, TIME_CHAR if length > 1 else TIME_STRING, min(length, MOST_CHARACTERS))
        time.sleep(max(0.0, period_s - (time.monotonic() - began_s)))


def opening(client: RawClient, prefix: str) -> list[RawMessage]:
    """Channels of one client."""
    return [client.open(prefix + name, cid) for cid, name in enumerate(PVS, start=1)]


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
