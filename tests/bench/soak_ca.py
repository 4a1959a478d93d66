"""Channel Access clients of a soak, each with a circuit of its own.

``python soak_ca.py HOST:PORT PREFIX CLIENTS PVS_EACH``: client n monitors the PVs from n * PVS_EACH on, from the
beginning again after the last. Asked ``check``, each compares what its monitors brought last with a fresh get, time stamp and
severity included.
"""

from __future__ import annotations

import os
import selectors
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from raw_ca_client import RawClient, RawMessage
from soak_names import scalar_names
from soak_process import serve

EVENT, GET, OPENED, REFUSED = 1, 15, 18, 26
TO_TIME = 14
"""From a native type to the one with a time stamp."""
AGREE_WITHIN_S = 15.0
SETTLE_S = 0.3
PERIOD_S = 0.05


class Client:
    """One circuit with its monitors; what each brought last, by the number of the PV."""

    def __init__(self, address: str, names: list[str]) -> None:
        self.names = names
        self.raw = RawClient(address, f"soak{os.getpid()}")
        self.events = 0
        self.last: dict[int, bytes] = {}
        self.got: dict[int, bytes] = {}
        self.channels: list[tuple[int, int]] = []
        for number, name in enumerate(names):
            opened = self.raw.open(name, number)
            assert opened.command == OPENED, f"{name} is not found"
            self.channels.append((opened.parameter2, opened.data_type + TO_TIME))
        for number, (sid, kind) in enumerate(self.channels):
            # Count 0: as many elements as there are.
            self.raw.send(EVENT, kind, 0, sid, number, struct.pack(">fffHH", 0, 0, 0, 5, 0))
        self.raw.sock.setblocking(False)

    def drain(self) -> None:
        """Take what has come."""
        while True:
            try:
                message = self.raw._next()
            except BlockingIOError:
                return
            self._take(message)

    def _take(self, message: RawMessage) -> None:
        if message.command == EVENT:
            self.events += 1
            self.last[message.parameter2] = message.payload
        elif message.command == GET:
            self.got[message.parameter2] = message.payload

    def ask(self, numbers: list[int]) -> None:
        """Get some anew."""
        self.got.clear()
        self.raw.sock.settimeout(AGREE_WITHIN_S)
        for number in numbers:
            sid, kind = self.channels[number]
            self.raw.send(GET, kind, 0, sid, number)
        self.raw.sock.setblocking(False)

    def differing(self, numbers: list[int]) -> list[int]:
        """Those whose monitor and whose get do not agree."""
        return [number for number in numbers if self.last.get(number) != self.got.get(number, b"none")]


class Clients:
    """All of them, and the selector that tells which have something."""

    def __init__(self, address: str, prefix: str, count: int, each: int, names: list[str]) -> None:
        self.all: list[Client] = []
        self._selector = selectors.DefaultSelector()
        for client in range(count):
            first = client * each
            own = [prefix + names[(first + offset) % len(names)] for offset in range(min(each, len(names)))]
            self.all.append(Client(address, own))
            self._selector.register(self.all[-1].raw.sock, selectors.EVENT_READ, self.all[-1])

    def drain(self, lasts_s: float = 0.0) -> None:
        """Take what has come, or what comes within this time."""
        ends_s = time.monotonic() + lasts_s
        while True:
            for key, _ in self._selector.select(max(0.0, min(PERIOD_S, ends_s - time.monotonic()))):
                key.data.drain()
            if time.monotonic() >= ends_s:
                return

    def check(self) -> dict[str, object]:
        """What did not agree, although it was looked at again and again; values may change meanwhile."""
        open_: dict[Client, list[int]] = {client: list(range(len(client.names))) for client in self.all}
        deadline_s = time.monotonic() + AGREE_WITHIN_S
        while open_ and time.monotonic() < deadline_s:
            for client, numbers in open_.items():
                client.ask(numbers)
            self.drain(SETTLE_S)
            open_ = {client: left for client, numbers in open_.items() if (left := client.differing(numbers))}
        lost = [client.names[number] for client, numbers in open_.items() for number in numbers]
        return {"checked": sum(len(client.names) for client in self.all), "lost": lost, "events": self.events()}

    def events(self) -> int:
        """How many events came since the start."""
        return sum(client.events for client in self.all)


if __name__ == "__main__":
    clients = Clients(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), scalar_names())
    serve({"check": clients.check}, clients.drain, PERIOD_S)
