"""A session with one service of DM: logs in when asked to, sends requests, judges answers (``dm-protocol.md §1.5``)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote_plus, urlencode

import httpx

from dmioc.dm.calls.values import INVALID_ARGUMENT
from dmioc.dm.login import LoginFile, LoginPause
from dmioc.dm.readers.bodies import IgnoringReader, Reader
from dmioc.dm.readers.refusals import SessionExpiredError, without_secrets
from dmioc.dm.rest.answers import error_of
from dmioc.dm.rest.connection import Connections, http_client, is_lost_connection, transport_error
from dmioc.dm.rest.cookies import Cookies
from dmioc.dm.rest.endpoints import Endpoint
from dmioc.dm.rest.settings import RestSettings
from dmioc.errors import DmAnswerError, DmError, DmLoginError, DmNotFoundError, DmRefusedError, DmUnreachableError
from dmioc.model import Service

T = TypeVar("T")

LONGEST_ANSWER_BYTES = 256 * 1024 * 1024
_ERROR_BYTES = 65536  # of an error's body that are read
_LARGE_JSON = 65536  # characters; what is longer is encoded in a thread
_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass
class Counters:
    """Requests sent since start, logins included, and those that ended in an error."""

    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class _Request:
    """One request ready to be sent; without ``repr``, as the form of a login holds the password."""

    what: str
    verb: str
    target: str
    form: str
    hint: str = ""


class Session:
    """Calls endpoints of one service; any number of calls may run at once and share one login."""

    def __init__(
        self,
        service: Service,
        settings: RestSettings,
        login_file: LoginFile,
        context: ssl.SSLContext,
        counters: Counters,
    ) -> None:
        self._service = service
        self._settings = settings
        self._login_file = login_file
        self._counters = counters
        self._connections = Connections(lambda: http_client(service, settings, context), settings.pool_timeout_s)
        self._cookies = Cookies()
        self._login_lock = asyncio.Lock()
        self._pause = LoginPause()
        self._unanswered = ""

    async def call(
        self,
        endpoint: Endpoint,
        values: Mapping[str, str],
        make_reader: Callable[[str], Reader[T]],
        is_question: bool = False,
    ) -> T:
        """Ask an endpoint and answer what the reader made of the body.

        Args:
            endpoint: What to ask.
            values: A text for each of its placeholders.
            make_reader: Makes the reader of the body from the words that errors begin with.
            is_question: Whether "not found" is an answer like any other, which does not count as an error.

        Raises:
            DmError: one of its children, with a text that begins with the service and the endpoint.
        """
        what = f"{self._service.value} {endpoint.name}"
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                return await self._call(await self._request(what, endpoint, values), make_reader)
        except TimeoutError:
            error: DmError = DmUnreachableError(
                f"{what}: {self._settings.url(self._service)}: no whole answer within {self._settings.deadline_s:g} s"
            )
        except DmError as came:
            error = without_secrets(came, [*self._cookies.secrets, *self._login_file.secrets])
        if not (is_question and isinstance(error, DmNotFoundError)):
            self._counters.errors += 1
        raise error

    async def _request(self, what: str, endpoint: Endpoint, values: Mapping[str, str]) -> _Request:
        target = endpoint.target(values)
        if len(values.get("json", "")) > _LARGE_JSON:
            form = await asyncio.to_thread(endpoint.body, values)
        else:
            form = endpoint.body(values)
        origin = "known" if endpoint.is_known else "assumed"
        hint = f"the path {endpoint.verb} {endpoint.path} is {origin}; endpoints.{endpoint.name} corrects it"
        return _Request(what, endpoint.verb, target, form, hint)

    async def _call(self, request: _Request, make_reader: Callable[[str], Reader[T]]) -> T:
        logins = self._cookies.logins
        try:
            answer = await self._send(request, make_reader)
        except SessionExpiredError as expired:
            await self._log_in_once(logins, expired)
        else:
            self._taken_again(request)
            return answer
        try:
            answer = await self._send(request, make_reader)
        except SessionExpiredError as expired:
            refused = DmLoginError(f"{expired}; though the login was taken", expired.code)
            self._pause.refused(refused, asyncio.get_running_loop().time())
            self._unanswered = request.what
            raise refused from None
        self._pause.taken()
        return answer

    def _taken_again(self, request: _Request) -> None:
        """End the pause when what DM refused, though a login was taken, is answered again without another one.

        An answer to anything else says nothing: logins for an endpoint that always wants one would then never pause.
        """
        if request.what == self._unanswered:
            self._unanswered = ""
            self._pause.taken()

    async def _log_in_once(self, logins: int, expired: SessionExpiredError) -> None:
        """Log in, unless another request has done so since this one was sent."""
        async with self._login_lock:
            if self._cookies.logins != logins:
                return
            self._pause.check(asyncio.get_running_loop().time())
            try:
                await self._log_in()
            except DmRefusedError as refused:
                self._pause.refused(refused, asyncio.get_running_loop().time())
                raise
            if not self._cookies.header:
                raise DmAnswerError(f"{expired}; but the login was answered without a cookie")
            self._cookies.logins += 1

    async def _log_in(self) -> None:
        """``POST /dm/login`` with the form that ``dm-protocol.md §1.5`` tells; the same for each service."""
        what = f"{self._service.value} login"
        login = await asyncio.to_thread(self._login_file.read)
        self._cookies.clear()
        form = urlencode({"username": login.user, "password": login.password})
        try:
            await self._send(_Request(what, "POST", "/dm/login", form), IgnoringReader)
        except SessionExpiredError as refused:
            raise DmLoginError(str(refused), refused.code) from None
        except DmError as error:
            raise without_secrets(error, [quote_plus(login.password), login.password]) from None

    async def _send(self, request: _Request, make_reader: Callable[[str], Reader[T]]) -> T:
        """Send once; a question whose kept connection the server had just closed is sent once more."""
        for is_last in (request.verb != "GET", True):
            try:
                return await self._exchange(request, make_reader(request.what))
            except httpx.RequestError as error:
                if is_last or not is_lost_connection(error):
                    url = self._settings.url(self._service)
                    raise transport_error(request.what, url, self._settings, error) from None
            except httpx.InvalidURL as error:  # longer than httpx lets an address be, 65536 characters
                raise DmRefusedError(f"{request.what}: cannot be sent: {error}", INVALID_ARGUMENT) from None
        raise DmUnreachableError(request.what)

    async def _exchange(self, request: _Request, reader: Reader[T]) -> T:
        headers = {"Cookie": self._cookies.header} if self._cookies.header else {}
        if request.form:
            headers["Content-Type"] = _FORM_TYPE
        content = request.form.encode("ascii") if request.form else None
        async with self._connections.client() as client:
            to_send = client.build_request(request.verb, request.target, content=content, headers=headers)
            self._counters.requests += 1
            response = await client.send(to_send, stream=True)
            try:
                return await self._judge(request, response, reader)
            finally:
                await response.aclose()

    async def _judge(self, request: _Request, response: httpx.Response, reader: Reader[T]) -> T:
        if error_of(request.what, response.status_code, response.headers, b"") is not None:
            body = await _beginning(response)
            error = error_of(request.what, response.status_code, response.headers, body, request.hint)
            if error is not None:
                raise error
        # Not from refusals: one that comes late would put a cookie without a login over the one of a login.
        self._cookies.keep(response.headers.get_list("Set-Cookie"))
        size_bytes = 0
        async for chunk in response.aiter_bytes():
            size_bytes += len(chunk)
            if size_bytes > LONGEST_ANSWER_BYTES:
                raise DmAnswerError(f"{request.what}: the answer is longer than {LONGEST_ANSWER_BYTES} bytes")
            reader.feed(chunk)
        return reader.result()

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= _ERROR_BYTES:
            break
    return bytes(body)
