"""Every PV that somebody looks at: one subscription each, however many look."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dmioc.errors import RefusedError
from dmioc.web.channel import Channel
from dmioc.web.fields import fields_of

if TYPE_CHECKING:
    from p4p import Value

    from dmioc.web.pva import Monitor, PvaClient

_LOG = logging.getLogger(__name__)

MOST_CHANNELS = 20_000
"""PVs that may be looked at by all browsers together."""


class Channels:
    """The PVs in use, by their names; a PV that nobody looks at any more is let go."""

    def __init__(self, client: PvaClient) -> None:
        self._client = client
        self._open: dict[str, tuple[Channel, Monitor]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def watch(self, name: str, watcher: Callable[[Channel], None]) -> Channel:
        """Have a function called after each change of a PV; raises `RefusedError` when there are too many PVs."""
        if name not in self._open:
            if len(self._open) >= MOST_CHANNELS:
                raise RefusedError(f"{name} cannot be shown: {MOST_CHANNELS} PVs are watched already, for all browsers")
            channel = Channel(name, time.time())
            self._open[name] = channel, self._client.monitor(name, lambda update: _take(channel, update))
        channel, _ = self._open[name]
        channel.watchers.add(watcher)
        return channel

    def leave(self, channel: Channel, watcher: Callable[[Channel], None]) -> None:
        """The function is no longer called."""
        channel.watchers.discard(watcher)
        if not channel.watchers and channel.name in self._open:
            _, monitor = self._open.pop(channel.name)
            monitor.close()

    def close(self) -> None:
        """Let every PV go."""
        for _, monitor in self._open.values():
            monitor.close()
        self._open.clear()


def _take(channel: Channel, update: Value | Exception) -> None:
    if isinstance(update, Exception):
        channel.lose(time.time())
        return
    try:
        fields = fields_of(update, first=not channel.connected)
    except (KeyError, TypeError, ValueError) as error:
        # A server that is no gateway of ours may serve anything under this name; it is one PV without a value.
        _LOG.warning("%s: a value that cannot be shown: %s", channel.name, error)
        channel.lose(time.time())
        return
    channel.take(fields, time.time())
