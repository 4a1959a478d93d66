"""The HTTP server: the files of the page, and the socket."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from dmioc.errors import ConfigurationError, PortInUseError
from dmioc.web.browser import Browser
from dmioc.web.guards import HEADERS

if TYPE_CHECKING:
    from dmioc.web.channels import Channels
    from dmioc.web.guards import Guard
    from dmioc.web.stations import Stations

_LOG = logging.getLogger(__name__)

SOCKET_PATH = "/pvws/pv"
"""Where clients of PVWS expect it."""
MOST_BROWSERS = 100
_STOP_S = 2.0
_PAGE = "index.html"
_CONTENT_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NoTracebackOfJunk(logging.Filter):
    """Makes one line of what aiohttp logs about bytes that are no HTTP: anybody may send some."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args, record.exc_info = "%s: %.200r", (record.getMessage(), error.message), None
        return True


class WebServer:
    """Serves the page and the socket at one port."""

    def __init__(self, stations: Stations, channels: Channels, guard: Guard) -> None:
        self._stations = stations
        self._channels = channels
        self._guard = guard
        self._files = _page_files()
        self._browsers: set[Browser] = set()
        application = web.Application(middlewares=[self._guarded])
        application.router.add_get(SOCKET_PATH, self._socket)
        application.router.add_get("/{name:[a-z.]*}", self._file)
        application.on_response_prepare.append(_add_headers)
        _LOG.addFilter(_NoTracebackOfJunk())
        self._runner = web.AppRunner(application, logger=_LOG, access_log=None, shutdown_timeout=_STOP_S)

    async def start(self, host: str, port: int) -> int:
        """Listen; answers the port. Raises `PortInUseError` and, for a host that is not this one, `ConfigurationError`."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise _port_error(host, port, error) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every socket and the port."""
        await asyncio.gather(*(browser.close() for browser in self._browsers))
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        fault = self._guard.fault_of_host(request.headers)
        if fault:
            raise web.HTTPForbidden(text=fault + "\n")
        return await handler(request)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"] or _PAGE
        if name not in self._files:
            raise web.HTTPNotFound(text=f"there is no /{name}; the page is at /\n")
        content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
        # A newer dmioc must not meet older scripts of its own page.
        return web.Response(
            body=self._files[name], content_type=content_type, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        fault = self._guard.fault_of_origin(request.headers)
        if fault:
            raise web.HTTPForbidden(text=fault + "\n")
        if len(self._browsers) >= MOST_BROWSERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_BROWSERS} browsers are connected, more are not taken\n")
        browser = Browser(request, self._stations, self._channels)
        self._browsers.add(browser)
        try:
            return await browser.serve()
        finally:
            self._browsers.discard(browser)


def _page_files() -> dict[str, bytes]:
    """The files of the page by their names, in memory: nothing of the file system is ever reachable."""
    return {one.name: one.read_bytes() for one in files("dmioc.web").joinpath("page").iterdir() if one.is_file()}


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _port_error(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"port {port} on {host} is taken: choose another --port, or 0 for a free one")
    return ConfigurationError(f"port {port} on {host} cannot be listened at: {error.strerror or error}")
