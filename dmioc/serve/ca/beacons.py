"""Beacons: telling clients that the server is up, so that they look again for what they miss (``epics-notes.md §3.12``)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

import caproto as ca

_log = logging.getLogger(__name__)

_FIRST_PERIOD_S = 0.02
_ADDRESS_OF_SENDER = "0.0.0.0"


class Beacons:
    """Sends a beacon to each target, at first often and then every ``period_s``.

    A target that cannot be reached is told once, and once when it can be again.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], targets: Sequence[tuple[str, int]], port: int, period_s: float
    ) -> None:
        self._sockets = sockets
        self._targets = targets
        self._port = port
        self._period_s = period_s
        self._broadcaster = ca.Broadcaster(ca.SERVER)
        self._unreached: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Send until cancelled."""
        period_s = _FIRST_PERIOD_S
        number = 0
        while True:
            beacon = ca.Beacon(ca.DEFAULT_PROTOCOL_VERSION, self._port, number, _ADDRESS_OF_SENDER)
            data = self._broadcaster.send(beacon)
            for target in self._targets:
                self._send(data, target)
            await asyncio.sleep(period_s)
            period_s = min(2 * period_s, self._period_s)
            number = (number + 1) % 2**32

    def _send(self, data: bytes, target: tuple[str, int]) -> None:
        try:
            for sock in self._sockets:
                sock.sendto(data, target)
        except OSError as error:
            if target not in self._unreached:
                self._unreached.add(target)
                _log.warning("no beacons to %s:%d: %s", *target, error)
        else:
            if target in self._unreached:
                self._unreached.discard(target)
                _log.info("beacons to %s:%d again", *target)
