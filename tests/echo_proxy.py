"""A proxy before the services of a DM that remembers every cookie, and on demand answers with what it was sent."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_COOKIE = re.compile(r"=([0-9a-fA-F]{16,})")


@dataclass(frozen=True)
class Answer:
    """What is sent in place of DM's answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Fault = Callable[[str], Answer]
"""Makes an answer of what the client sent: its cookie, its form and its password, in one line."""


def _dm_error(echo: str, code: int, status: int, in_headers: bool) -> Answer:
    body = json.dumps({"errorMessage": echo, "errorCode": code, "exceptionType": "DmException"}).encode()
    message = {"Dm-Status-Code": str(code), "Dm-Status-Message": echo, "Dm-Exception-Type": "DmException"}
    return Answer(status, body, message if in_headers else {})


FAULTS: dict[str, Fault] = {
    "500 and a page": lambda echo: Answer(500, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"}),
    "503 of a proxy": lambda echo: Answer(503, echo.encode()),
    "404 and a page": lambda echo: Answer(404, f"<html>{echo}</html>".encode()),
    "200 and a page": lambda echo: Answer(200, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"}),
    "an error in the body": lambda echo: _dm_error(echo, 1, 200, in_headers=False),
    "an error in the headers": lambda echo: _dm_error(echo, 1, 500, in_headers=True),
    "cut JSON": lambda echo: Answer(200, json.dumps([{"name": echo}]).encode()[:-3]),
    "a text for a list": lambda echo: Answer(200, json.dumps(echo).encode()),
    "a wrong type": lambda echo: Answer(200, json.dumps([{"id": [echo], "name": {echo: echo}, "status": 7}]).encode()),
    "a code that is none": lambda echo: Answer(200, b"[]", {"Dm-Status-Code": echo}),
    "a redirection": lambda echo: Answer(302, b"", {"Location": f"http://127.0.0.1:1/{echo}"}),
    "an odd content type": lambda echo: Answer(500, b"", {"Content-Type": echo}),
    "a login that is refused": lambda echo: _dm_error(echo, 6, 401, in_headers=True),
    "sessions that expire": lambda echo: _dm_error(echo, 12, 401, in_headers=True),
    "a bare 401": lambda echo: Answer(401, echo.encode()),
}


class EchoProxy:
    """One address for each service of a DM."""

    def __init__(self, targets: Mapping[str, str], password: str) -> None:
        self._password = password
        self.fault: Fault | None = None
        self.faults_made = 0
        self.cookies: set[str] = set()
        self.servers = {name: self._server(url) for name, url in targets.items()}

    @property
    def urls(self) -> dict[str, str]:
        """Address by service."""
        return {name: f"http://127.0.0.1:{server.server_address[1]}" for name, server in self.servers.items()}

    def _server(self, url: str) -> ThreadingHTTPServer:
        proxy, host = self, urlsplit(url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.fault
                if fault is None:
                    answer = proxy.forward(host, self.command, self.path, dict(self.headers), body)
                else:
                    answer = fault(proxy.echo(self.headers.get("Cookie", ""), body))
                    proxy.faults_made += 1
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value.encode().decode("latin-1"))
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda request, client_address: None  # a client that hangs up
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def echo(self, cookie: str, body: bytes) -> str:
        """What the client sent, and the password as it is."""
        form = body.decode("ascii", "replace")
        return f"{cookie} {form} {self._password}"[:2000].replace("\n", " ")

    def forward(self, host: str, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """DM's own answer."""
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            connection.request(verb, path, body, {**headers, "Host": host})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        self.cookies.update(_COOKIE.findall(kept.get("Set-Cookie", "")))
        return Answer(answer.status, content, kept)


_HOP_BY_HOP = frozenset({"content-length", "connection", "transfer-encoding", "date", "server"})


@contextmanager
def echo_proxy(targets: Mapping[str, str], password: str) -> Iterator[EchoProxy]:
    """A running proxy."""
    proxy = EchoProxy(targets, password)
    try:
        yield proxy
    finally:
        for server in proxy.servers.values():
            server.shutdown()
            server.server_close()
