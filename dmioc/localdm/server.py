"""One DM service over HTTP: session, routing, answers and refusals (``dm-protocol.md §1.5, §2.2, §2.3, §11``)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from dmioc.localdm.answers import DmAnswerNo, InvalidArgument, InvalidSession
from dmioc.localdm.calls import Call, Handler
from dmioc.localdm.router import Router, parameters
from dmioc.localdm.services import Service
from dmioc.localdm.sessions import Sessions
from dmioc.localdm.wire import INTERNAL_ERROR, one_line, refusal_body, refusal_headers, refusal_words

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

    ``handlers`` has one for each endpoint of the service but ``login`` and ``logout``.
    """

    def __init__(self, service: Service, sessions: Sessions, handlers: Mapping[str, Handler]) -> None:
        self.service = service
        self._sessions = sessions
        self._handlers = handlers
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

    async def start(self, listener: socket.socket) -> None:
        """Serve on a socket that is bound and listens."""
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Close the port and every connection; requests that are being answered get a fifth of a second."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; the named supervisor, so that a bug in one handler costs one answer.

        Raises `ConnectionError` when the client goes before it has sent everything, which aiohttp expects.
        """
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit_mib = LARGEST_BODY_BYTES // 2**20
            return _refusal(*refusal_words(InvalidArgument(f"a request's body may have {limit_mib} MiB at most")))
        try:
            return await self._serve(request, body)
        except DmAnswerNo as refusal:
            return _refusal(*refusal_words(refusal), status=401 if isinstance(refusal, InvalidSession) else 200)
        except Exception as error:  # a bug of localdm: it is answered as DM does, and the server goes on
            _log.exception("%s %s %s", self.service.value, request.method, request.path[:200])
            return _refusal(*INTERNAL_ERROR, one_line(f"{type(error).__name__} in localdm: {error}"))

    async def _serve(self, request: web.Request, body: bytes) -> web.StreamResponse:
        path, _, query = _target(request).partition("?")
        endpoint, values = self._router.find(request.method, path)
        given = {**parameters(body.decode("utf-8", "replace")), **parameters(query)}
        cookie = request.headers.get("Cookie", "")
        if endpoint.name == "login":
            username = await asyncio.to_thread(self._sessions.check, given)
            headers = {"Set-Cookie": self._sessions.open(username), "Dm-Session-Role": "admin"}
            return await _success({"username": username, "sessionRole": "admin"}, headers)
        username = self._sessions.username(cookie)
        if endpoint.name == "logout":
            self._sessions.logout(cookie)
            return await _success({}, {})
        answer = await self._handlers[endpoint.name](Call(endpoint, username, {**given, **values}))
        return web.FileResponse(answer, headers=_ok({})) if isinstance(answer, Path) else await _success(answer, {})


def _target(request: web.Request) -> str:
    """Path and query as they came; some clients send the whole URL, as to a proxy."""
    target = request.raw_path
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target


def _ok(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Dm-Status-Code": "0", **headers}


async def _success(content: object, headers: Mapping[str, str]) -> web.Response:
    # In a thread, because a list of jobs can have tens of megabytes.
    body = await asyncio.to_thread(msgspec.json.encode, content)
    return web.Response(body=body, content_type="application/json", headers=_ok(headers))


def _refusal(code: int, wire_name: str, message: str, status: int = 200) -> web.Response:
    return web.Response(
        body=refusal_body(code, wire_name, message),
        status=status,
        content_type="application/json",
        headers=refusal_headers(code, wire_name, message),
    )
