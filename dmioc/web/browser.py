"""One browser, or another client of the socket: what it asks, and the news for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from dmioc.errors import RefusedError
from dmioc.web import requests
from dmioc.web.fields import json_text

if TYPE_CHECKING:
    from dmioc.web.channel import Channel
    from dmioc.web.channels import Channels
    from dmioc.web.requests import Request
    from dmioc.web.station import Station
    from dmioc.web.stations import Stations

_LOG = logging.getLogger(__name__)

MOST_PVS = 5_000
"""PVs of one browser."""
STALLED_S = 10.0
"""A browser that takes nothing for so long is dropped."""
LONGEST_MESSAGE_BYTES = 512 * 1024
"""Longest message of a browser: a subscription to `MOST_PVS` names."""
_PING_S = 20.0
_CLOSE_S = 1.0


class _Look:
    """A PV under the name that a browser calls it, and the revision that was sent last."""

    def __init__(self, name: str, news: _News) -> None:
        self.name = name
        self.seen = 0
        self.channel: Channel | None = None
        self._news = news

    def changed(self, _: Channel) -> None:
        """There is something new."""
        self._news.add(self)

    def next_message(self) -> str | None:
        """What is new; None if nothing is."""
        channel = self.channel
        if channel is None or channel.revision == self.seen:
            return None
        text = channel.message(self.name, self.seen)
        self.seen = channel.revision
        return text


class _News:
    """What a browser has not been told yet: names only, so that it holds no more than there are PVs and stations."""

    def __init__(self) -> None:
        self._waiting: dict[_Look | Station, None] = {}
        self._woken = asyncio.Event()

    def add(self, one: _Look | Station) -> None:
        self._waiting[one] = None
        self._woken.set()

    def forget(self, one: _Look | Station) -> None:
        self._waiting.pop(one, None)

    async def next(self) -> _Look | Station:
        """The one that has waited longest."""
        while not self._waiting:
            self._woken.clear()
            await self._woken.wait()
        one = next(iter(self._waiting))
        del self._waiting[one]
        return one


class Browser:
    """Serves one request for a socket, from its opening to its end."""

    def __init__(self, request: web.Request, stations: Stations, channels: Channels) -> None:
        self._request = request
        # No compression: it costs memory for each browser, and time in the loop that all share.
        self._socket = web.WebSocketResponse(
            heartbeat=_PING_S, timeout=_CLOSE_S, max_msg_size=LONGEST_MESSAGE_BYTES, compress=False
        )
        self._stations = stations
        self._channels = channels
        self._news = _News()
        self._looks: dict[str, _Look] = {}

    async def serve(self) -> web.WebSocketResponse:
        """Answer and send news until the browser goes."""
        await self._socket.prepare(self._request)
        sending = asyncio.create_task(self._send_news())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._send(_error("a message is text, one JSON object, not bytes"))
        except ConnectionError:
            _LOG.debug("a browser went away in the middle of an answer")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._stations.watchers.discard(self._news.add)
            self._clear(tuple(self._looks))
        return self._socket

    async def close(self) -> None:
        """Say that the server goes."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"dmioc web is stopped")

    async def _answer(self, text: str) -> None:
        try:
            request = requests.request_of(text)
        except RefusedError as error:
            await self._send(_error(str(error)))
            return
        if request.type == requests.SUBSCRIBE:
            await self._subscribe(request)
        elif request.type == requests.CLEAR:
            self._clear(request.pvs)
        elif request.type == requests.LIST:
            await self._send(json_text({"type": "list", "pvs": list(self._looks)}))
        elif request.type == requests.ECHO:
            await self._send(text)
        elif request.type == requests.PING:
            await self._socket.ping()
        else:
            self._follow_stations()

    async def _subscribe(self, request: Request) -> None:
        for name in request.pvs:
            if name in self._looks:
                continue
            try:
                self._look_at(name)
            except RefusedError as error:
                await self._send(_error(str(error)))

    def _look_at(self, name: str) -> None:
        if len(self._looks) >= MOST_PVS:
            raise RefusedError(f"{name} is not subscribed to: one page may have {MOST_PVS} PVs; clear some first")
        full_name = self._stations.name_of(name)
        look = _Look(name, self._news)
        look.channel = self._channels.watch(full_name, look.changed)
        self._looks[name] = look
        self._news.add(look)

    def _clear(self, names: tuple[str, ...]) -> None:
        for name in names:
            look = self._looks.pop(name, None)
            if look is not None and look.channel is not None:
                self._channels.leave(look.channel, look.changed)
                self._news.forget(look)

    def _follow_stations(self) -> None:
        self._stations.watchers.add(self._news.add)
        for station in self._stations:
            self._news.add(station)

    async def _send_news(self) -> None:
        """Send the newest of what has changed, as fast as the browser takes it, until cancelled or it is gone."""
        try:
            while True:
                one = await self._news.next()
                text = one.next_message() if isinstance(one, _Look) else one.message
                if text is not None:
                    await self._send(text)
        except ConnectionError:
            _LOG.debug("a browser went away")

    async def _send(self, text: str) -> None:
        """Raises `ConnectionError` when the browser is gone, or is dropped because it takes nothing."""
        try:
            async with asyncio.timeout(STALLED_S):
                await self._socket.send_str(text)
        except TimeoutError:
            _LOG.warning("%s takes nothing for %g s: dropped", self._request.remote, STALLED_S)
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionError("dropped") from None


def _error(message: str) -> str:
    return json_text({"type": "error", "message": message})
