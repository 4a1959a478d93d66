"""One station: whether its gateway is there, which PVs it has, and so what the page shows of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.catalogue.overview import station_overview
from dmioc.errors import GatewayLostError, RefusedError
from dmioc.web.fields import json_text
from dmioc.web.layout import layout_of

if TYPE_CHECKING:
    from dmioc.web.channel import Channel
    from dmioc.web.channels import Channels
    from dmioc.web.pva import PvaClient

_LOG = logging.getLogger(__name__)

_ASK_AGAIN_S = 2.0
_NOT_SHOWN = (Kind.STRUCTURE.value, Kind.RPC.value)


class Station:
    """Follows the gateway of one prefix; asks it for its PVs each time it appears, since it may have other slots then.

    ``changed`` is called when `message` is another one.
    """

    def __init__(self, prefix: str, client: PvaClient, channels: Channels, changed: Callable[[Station], None]) -> None:
        self.prefix = prefix
        self._client = client
        self._channels = channels
        self._changed = changed
        self._types: Mapping[str, str] = {}
        self._asking: asyncio.Task[None] | None = None
        self._head = channels.watch(prefix + station_overview().head.name, self._look)
        self._connected = False
        self.message = self._described()

    @property
    def is_away(self) -> bool:
        """Whether its gateway is not connected."""
        return not self._connected

    def check(self, name: str) -> None:
        """Raises `RefusedError` for a PV that this station does not have, or that is no value to show.

        A name is not judged before the gateway has told what it has.
        """
        known = self._types.get(name)
        if self._types and known is None:
            raise RefusedError(f"{name} is no PV of station {self.prefix}; dmioc pvs lists them")
        if known in _NOT_SHOWN:
            raise RefusedError(f"{name} is a {known}: subscribe to the scalar PVs of its group, or to a table")

    def close(self) -> None:
        """Follow it no longer."""
        self._channels.leave(self._head, self._look)
        if self._asking is not None:
            self._asking.cancel()

    def _look(self, head: Channel) -> None:
        if head.connected is self._connected:
            return
        self._connected = head.connected
        if self._asking is not None:
            self._asking.cancel()
        if self._connected:
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        self._tell()

    async def _ask(self) -> None:
        """Ask the gateway for its PVs until it has answered."""
        while True:
            try:
                answer = await self._client.ask(f"{self.prefix}RPC", "pvs")
                self._types = dict(zip(answer["value.pv"], answer["value.type"], strict=True))
                self._tell()
                return
            except (GatewayLostError, KeyError, ValueError) as error:
                # KeyError, ValueError: a table of other columns, so it is no gateway of ours, or not yet.
                _LOG.warning("%s: the list of its PVs is not known: %s", self.prefix, error)
            await asyncio.sleep(_ASK_AGAIN_S)

    def _tell(self) -> None:
        self.message = self._described()
        self._changed(self)

    def _described(self) -> str:
        """The message about it, an extension of PVWS that other clients never ask for."""
        return json_text(
            {
                "type": "station",
                "prefix": self.prefix,
                "connected": self._connected,
                "found": self._head.found,
                "since": self._head.since_s,
                "layout": layout_of(self.prefix, self._types),
            }
        )
