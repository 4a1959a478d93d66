"""The stations of the page, and which names of PVs belong to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from dmioc.catalogue import shown
from dmioc.catalogue.entries import NAME_CHARACTERS
from dmioc.errors import RefusedError
from dmioc.web.station import Station

if TYPE_CHECKING:
    from dmioc.web.channels import Channels
    from dmioc.web.pva import PvaClient

_HURRY_S = 2.0
_SCHEMES = ("pva://", "ca://")
"""How displays write names; every scalar PV of a gateway is the same over both protocols, so both mean it."""


class Stations:
    """Every station, in the order of the page.

    ``watchers`` are called with a station when what is told of it has changed.
    """

    def __init__(self, prefixes: Sequence[str], client: PvaClient, channels: Channels) -> None:
        self.watchers: set[Callable[[Station], None]] = set()
        self._client = client
        self._stations = {prefix: Station(prefix, client, channels, self._tell) for prefix in prefixes}

    def __iter__(self) -> Iterator[Station]:
        return iter(self._stations.values())

    def name_of(self, asked: str) -> str:
        """The PV that a client means; raises `RefusedError` for one that is of no station, or that is not shown.

        Other PVs of the network are nobody's business here: this server would be a way to them past their gateways.
        """
        name = asked
        for scheme in _SCHEMES:
            name = name.removeprefix(scheme)
        prefix = max((prefix for prefix in self._stations if name.startswith(prefix)), key=len, default=None)
        if prefix is None or len(name) > NAME_CHARACTERS:
            raise RefusedError(f"{shown(asked)} is not shown here: PVs of {', '.join(self._stations)} are")
        self._stations[prefix].check(name)
        return name

    async def search(self) -> None:
        """Search again and again for the gateways that are away, until cancelled."""
        while True:
            await asyncio.sleep(_HURRY_S)
            if any(station.is_away for station in self):
                self._client.hurry()

    def close(self) -> None:
        """Follow none of them any more."""
        for station in self:
            station.close()

    def _tell(self, station: Station) -> None:
        for watcher in tuple(self.watchers):
            watcher(station)
