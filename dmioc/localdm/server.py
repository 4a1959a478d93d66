"""One DM service over HTTP: session, routing, answers and refusals (``dm-protocol.md §1.5, §2.2, §2.3, §11``)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from dmioc.localdm.answers import DmAnswerNo, InvalidArgument
from dmioc.localdm.calls import Call, Handler
from dmioc.localdm.endpoints import Endpoint
from dmioc.localdm.faults.in_force import RESTART, Armed, FaultsInForce, concerns
from dmioc.localdm.faults.replies import faulty_answer
from dmioc.localdm.faults.requests import Asked
from dmioc.localdm.responses import ok_headers, refusal, refused, success
from dmioc.localdm.router import Router, parameters
from dmioc.localdm.service_port import ServicePort
from dmioc.localdm.services import Service
from dmioc.localdm.sessions import Sessions
from dmioc.localdm.wire import INTERNAL_ERROR, one_line

_log = logging.getLogger(__name__)

LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""Longest request line: values travel in the URL, encoded twice (§2.2)."""

LARGEST_BODY_BYTES = 64 * 1024 * 1024
_CLOSE_TIMEOUT_S = 0.2


class _OneLineForJunk(logging.Filter):
    """Cuts the traceback from aiohttp's line about bytes that are no HTTP, or that end too early: anybody can do that."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionError):
            record.msg, record.args = f"{record.getMessage()}: {one_line(str(record.exc_info[1]))[:200]}", ()
            record.exc_info = None
        return True


class HttpService:
    """One service on one port.

    ``handlers`` has one for each endpoint of the service but ``login`` and ``logout``; ``faults`` may change at any time.
    """

    def __init__(
        self,
        service: Service,
        sessions: Sessions,
        handlers: Mapping[str, Handler],
        faults: FaultsInForce | None = None,
    ) -> None:
        self.service = service
        self._sessions = sessions
        self._handlers = handlers
        # What is in force may be nothing now, and then counts as false.
        self._faults = FaultsInForce() if faults is None else faults
        self._router = Router(service)
        application = web.Application(client_max_size=LARGEST_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._answer)
        logger = logging.getLogger(f"{__name__}.{service.value}")
        logger.addFilter(_OneLineForJunk())
        self._runner = web.AppRunner(
            application,
            logger=logger,
            access_log=None,
            auto_decompress=False,
            max_line_size=LONGEST_LINE_BYTES,
            max_field_size=LONGEST_LINE_BYTES,
            shutdown_timeout=_CLOSE_TIMEOUT_S,
        )

        self._port = ServicePort(self._runner)

    async def start(self, listener: socket.socket) -> None:
        """Serve on a socket that is bound and listens."""
        await self._runner.setup()
        await self._port.open(listener)

    async def stop(self) -> None:
        """Close the port and every connection; requests that are being answered get a fifth of a second."""
        await self._runner.cleanup()
        self._port.close()

    async def enforce(self, new: Sequence[Armed]) -> None:
        """Bring the port into the state that the faults in force ask for; ``new`` are those that have just begun."""
        if any(armed.fault.kind == RESTART and concerns(armed.fault, self.service) for armed in new):
            self._sessions.forget_all()
            self._port.drop_connections()
        await self._port.turn(self._faults.port_state(self.service))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or do what the faults in force want.

        Raises `ConnectionError` when the client goes before it has sent everything, which aiohttp expects.
        """
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit_mib = LARGEST_BODY_BYTES // 2**20
            return refused(InvalidArgument(f"a request's body may have {limit_mib} MiB at most"))
        if self._faults:
            return await self._faulty(request, body)
        return await self._true_answer(request, body)

    async def _true_answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """What DM says; the named supervisor, so that a bug in one handler costs one answer."""
        try:
            return await self._serve(request, body)
        except DmAnswerNo as error:
            return refused(error)
        except Exception as error:  # a bug of localdm: it is answered as DM does, and the server goes on
            _log.exception("%s %s %s", self.service.value, request.method, request.path[:200])
            return refusal(*INTERNAL_ERROR, one_line(f"{type(error).__name__} in localdm: {error}"))

    async def _faulty(self, request: web.Request, body: bytes) -> web.StreamResponse:
        try:
            endpoint, values = self._asked(request, body)
        except DmAnswerNo as error:
            return refused(error)
        asked = Asked.of(self.service, endpoint, values)

        async def look(name: str) -> object:
            return await self._handlers[name](Call(endpoint, "", values))

        return await faulty_answer(
            request, asked, self._faults.met_by(asked), lambda: self._true_answer(request, body), look
        )

    def _asked(self, request: web.Request, body: bytes) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint of a request and its values, as they came; raises `InvalidRequest`."""
        path, _, query = _target(request).partition("?")
        endpoint, values = self._router.find(request.method, path)
        return endpoint, {**parameters(body.decode("utf-8", "replace")), **parameters(query), **values}

    async def _serve(self, request: web.Request, body: bytes) -> web.StreamResponse:
        endpoint, values = self._asked(request, body)
        cookie = request.headers.get("Cookie", "")
        if endpoint.name == "login":
            username = await asyncio.to_thread(self._sessions.check, values)
            headers = {"Set-Cookie": self._sessions.open(username), "Dm-Session-Role": "admin"}
            return await success({"username": username, "sessionRole": "admin"}, headers)
        username = self._sessions.username(cookie)
        if endpoint.name == "logout":
            self._sessions.logout(cookie)
            return await success({}, {})
        answer = await self._handlers[endpoint.name](Call(endpoint, username, values))
        return (
            web.FileResponse(answer, headers=ok_headers({})) if isinstance(answer, Path) else await success(answer, {})
        )


def _target(request: web.Request) -> str:
    """Path and query as they came; some clients send the whole URL, as to a proxy."""
    target = request.raw_path
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target
