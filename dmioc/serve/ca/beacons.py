"""Beacons: telling clients that the server is up, so that they look again for what they miss (``epics-notes.md §3.12``)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

from dmioc.serve.ca.wire import MINOR_VERSION, Command, frame

_log = logging.getLogger(__name__)

_FIRST_PERIOD_S = 0.02
_ADDRESS_OF_SENDER = 0


class Beacons:
    """Sends a beacon to each target, at first often and then every ``period_s``.

    A target that cannot be reached is told once, and once when it can be again.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], targets: Sequence[tuple[str, int]], port: int, period_s: float
    ):
        self._sockets = sockets
        self._targets = targets
        self._port = port
        self._period_s = period_s
        self._unreached: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Send until cancelled."""
        period_s = _FIRST_PERIOD_S
        number = 0
        while True:
            for target in self._targets:
                self._send(target, number)
            await asyncio.sleep(period_s)
            period_s = min(2 * period_s, self._period_s)
            number = (number + 1) % 2**32

    def _send(self, target: tuple[str, int], number: int) -> None:
        beacon = frame(
            Command.BEACON,
            data_type=MINOR_VERSION,
            count=self._port,
            parameter1=number,
            parameter2=_ADDRESS_OF_SENDER,
        )
        try:
            for sock in self._sockets:
                sock.sendto(beacon, target)
        except OSError as error:
            if target not in self._unreached:
                self._unreached.add(target)
                _log.warning("no beacons to %s:%d: %s", *target, error)
        else:
            if target in self._unreached:
                self._unreached.discard(target)
                _log.info("beacons to %s:%d again", *target)
