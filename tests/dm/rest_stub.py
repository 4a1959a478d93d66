"""A stub of one DM service on a real socket: answers what the test says, remembers what came; and a client for it."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from dmioc.dm.rest import RestDm, RestSettings

USER, PASSWORD = "s25idcuser", "pa55=wort|&ü"


@dataclass
class Seen:
    """One request as it came."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """An answer; ``raw`` writes to the socket in place of everything else."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[socket.socket], None] | None = None


def json_reply(content: object) -> Reply:
    return Reply(json.dumps(content).encode(), headers={"Content-Type": "application/json"})


def refusal(code: int, message: str, kind: str, status: int = 200, with_headers: bool = True) -> Reply:
    """DM's way to say no (dm-protocol.md §2.3)."""
    body = json.dumps({"errorMessage": message, "errorCode": code, "exceptionType": kind}).encode()
    dm = {"Dm-Status-Code": str(code), "Dm-Status-Message": message, "Dm-Exception-Type": kind}
    return Reply(body, status, dm if with_headers else {})


class Stub:
    """One service; ``answer`` is called in the server's threads with each request that is no login."""

    def __init__(self, answer: Callable[[Seen], Reply]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.logins: list[Seen] = []
        self.sessions: set[str] = set()
        self.wants_login = False
        self.expired_reply = refusal(12, "Session id has expired.", "InvalidSession", 401)
        self.login_reply: Reply | None = None
        self.url = ""
        self.released = threading.Event()

    def reply_to(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if seen.target == "/dm/login":
            return self._login(seen)
        if self.wants_login and not any(session in seen.headers.get("cookie", "") for session in self.sessions):
            return self.expired_reply
        return self.answer(seen)

    def _login(self, seen: Seen) -> Reply:
        self.logins.append(seen)
        if self.login_reply is not None:
            return self.login_reply
        form = parse_qs(seen.body.decode())
        if form != {"username": [USER], "password": [PASSWORD]}:
            return refusal(6, "Incorrect username or password", "AuthenticationError", 401)
        session = secrets.token_hex(20)
        self.sessions = {session}
        cookie = f"session_id={session}; expires=Fri, 20 Nov 2036 11:00:00 GMT; Path=/"
        return Reply(headers={"Set-Cookie": cookie, "Dm-Status-Code": "0"})

    @property
    def asked(self) -> list[Seen]:
        """Requests that were no logins."""
        return [seen for seen in self.seen if seen.target != "/dm/login"]


def _handler_of(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = stub.reply_to(Seen(self.command, self.path, headers, body))
            if reply.raw is not None:
                self.close_connection = True
                reply.raw(self.connection)
                return
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@contextmanager
def serving(answer: Callable[[Seen], Reply], tls: ssl.SSLContext | None = None) -> Iterator[Stub]:
    """A running stub on a free port of 127.0.0.1."""
    stub = Stub(answer)
    server = _Server(("127.0.0.1", 0), _handler_of(stub))
    scheme = "http"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    stub.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def settings_for(url: str, folder: Path, **changes: object) -> RestSettings:
    """Settings with one address for all services, and a login file."""
    login = folder / "login"
    if not login.exists():
        login.write_text(f"{USER}|{PASSWORD}\n")
        login.chmod(0o600)
    content: dict[str, object] = {
        "ds_url": url,
        "daq_url": url,
        "proc_url": url,
        "cat_url": url,
        "station": "25IDC",
        "login_file": login,
        "deadline_s": 10.0,
        **changes,
    }
    return RestSettings(**content)  # pyright: ignore[reportArgumentType] - a test may change any key


def client_for(url: str, folder: Path, **changes: object) -> RestDm:
    return RestDm(settings_for(url, folder, **changes))
