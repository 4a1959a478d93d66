"""The HTTP connections to each service, and what their failures mean."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import cast

import httpx

from dmioc.dm.readers.refusals import one_line
from dmioc.dm.rest.settings import RestSettings
from dmioc.errors import DmAnswerError, DmError, DmUnreachableError
from dmioc.model import Service

# DM's server has 10 threads for all its clients (dm-protocol.md §2.2).
_MOST_CONNECTIONS = 4
# An idle connection is dropped before the server does it, so that a request seldom meets a closed one.
_KEEPALIVE_S = 5.0


def http_client(service: Service, settings: RestSettings, context: ssl.SSLContext) -> httpx.AsyncClient:
    """A client of one service: HTTP/1.1 with kept connections, no redirects, no proxies, no cookies of its own.

    The environment is not read (``trust_env``): only the settings say where DM is. Answers are asked for uncompressed,
    which keeps each piece that arrives small.
    """
    return httpx.AsyncClient(
        base_url=settings.url(service),
        verify=context,
        http1=True,
        http2=False,
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"Accept-Encoding": "identity", "Accept": "application/json"},
        timeout=httpx.Timeout(
            connect=settings.connect_timeout_s,
            read=settings.read_timeout_s,
            write=settings.write_timeout_s,
            pool=None,
        ),
        limits=httpx.Limits(
            max_connections=None,
            max_keepalive_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_S,
        ),
    )


@dataclass(slots=True, eq=False)
class _Pool:
    """A client with its kept connections, and how many requests use it now."""

    client: httpx.AsyncClient
    users: int = 0


class Connections:
    """At most four requests to one service at once, over connections that are kept.

    They are counted here and not by httpcore: a request of it that is cut off in the middle (a deadline, a caller that gives
    up) can leave its connection in use for ever, and after four of them nothing would be sent any more. A pool in which that
    may have happened gets no new requests and is closed when its last one has ended.

    Args:
        make_client: makes a client of the service.
        wait_s: how long a request waits for others to end.
    """

    def __init__(self, make_client: Callable[[], httpx.AsyncClient], wait_s: float) -> None:
        self._make_client = make_client
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._pool = _Pool(make_client())

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx.AsyncClient]:
        """A client for one request, to the end of its answer; raises `httpx.PoolTimeout` when none ended in time."""
        await self._wait()
        pool = self._pool
        pool.users += 1
        try:
            yield pool.client
        except (asyncio.CancelledError, httpx.TimeoutException):
            if pool is self._pool:
                self._pool = _Pool(self._make_client())
            raise
        finally:
            pool.users -= 1
            self._free.release()
            if pool is not self._pool and not pool.users:
                await pool.client.aclose()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("") from None

    async def close(self) -> None:
        """Close the kept connections; those of requests that are under way are closed with them."""
        await self._pool.client.aclose()


def is_lost_connection(error: httpx.RequestError) -> bool:
    """Whether a kept connection was found closed by the server, as it may close an idle one at any time."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "disconnected without sending a response" in str(error)
    return isinstance(error, httpx.ReadError | httpx.WriteError)


def transport_error(what: str, url: str, settings: RestSettings, error: httpx.RequestError) -> DmError:
    """The error of ``dmioc.errors`` for one of httpx; ``what`` names service and endpoint."""
    if isinstance(error, httpx.DecodingError):
        return DmAnswerError(f"{what}: {url}: the answer cannot be decompressed: {one_line(str(error))}")
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error) and "closed" not in str(error):
        return DmAnswerError(f"{what}: {url}: what answers speaks no HTTP: {one_line(str(error))}")
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return DmUnreachableError(f"{what}: {url}: {_reason(settings, error)}", request_sent=not never_sent)


def _reason(settings: RestSettings, error: httpx.RequestError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {settings.connect_timeout_s:g} s"
    if isinstance(error, httpx.ReadTimeout):
        return f"no byte of an answer for {settings.read_timeout_s:g} s"
    if isinstance(error, httpx.WriteTimeout):
        return f"the request was not taken within {settings.write_timeout_s:g} s"
    if isinstance(error, httpx.PoolTimeout):
        return f"all {_MOST_CONNECTIONS} connections were in use for {settings.pool_timeout_s:g} s"
    root = _root_cause(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        words = root.verify_message if hasattr(root, "verify_message") else str(root)
        return f"the certificate was not taken: {one_line(words)}; set ca_file or fingerprint"
    if isinstance(root, ssl.SSLError):
        return f"no TLS connection: {one_line(root.reason or str(root))}"
    if isinstance(root, OSError) and not isinstance(root, socket.gaierror) and root.errno:
        return os.strerror(root.errno).lower()  # asyncio puts a longer text with the address in the error itself
    return one_line(str(root)) or "connection lost"


def _root_cause(error: Exception) -> Exception:
    """The first cause: httpx and anyio wrap the error of the system, which says most, in several of their own."""
    for _ in range(10):
        cause = _cause(error)
        if not isinstance(cause, Exception):
            break
        error = cause
    return error


def _cause(error: Exception) -> BaseException | None:
    if isinstance(error, ExceptionGroup):  # one error for each address of the host
        return cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error.__cause__ or error.__context__
