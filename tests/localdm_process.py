"""localdm as a real process, and a client that speaks to it in the odd ways of the vendor's Python package."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from waiting import wait_until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


@dataclass
class LocalDmProcess:
    """One localdm process; ``urls`` by service name, without ``/dm``."""

    directory: Path
    process: subprocess.Popen[str]
    ready_line: str
    urls: dict[str, str]
    username: str
    password: str
    station: str
    stopped_in_s: float = field(default=-1.0)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal and answer its exit code; its children must end with it."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(STOP_TIMEOUT_S)
        self.stopped_in_s = time.monotonic() - began
        return code

    @property
    def environment(self) -> dict[str, str]:
        """The DM_* variables for a client."""
        urls = {f"DM_{name}_WEB_SERVICE_URL": url for name, url in self.urls.items()}
        return {"DM_STATION_NAME": self.station, "DM_LOGIN_FILE": str(self.directory / "login"), **urls}

    def session(self, service: str) -> VendorSession:
        """A session with one service that has logged in."""
        session = VendorSession(self.urls[service])
        session.login(self.username, self.password)
        return session


def launch(directory: Path, port_base: int = 0, *arguments: str) -> subprocess.Popen[str]:
    """Start the process, with further arguments, and wait for nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    log = (directory / "stderr.log").open("a", encoding="utf-8")
    with log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dmioc",
                "localdm",
                "--dir",
                str(directory),
                "--port-base",
                str(port_base),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def start_localdm(directory: Path, port_base: int = 0, *arguments: str) -> LocalDmProcess:
    """Start a localdm and wait until it says it is ready."""
    process = launch(directory, port_base, *arguments)
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    line = ""

    def is_ready() -> bool:
        nonlocal line
        assert process.stdout is not None
        line += process.stdout.readline() or ""
        return line.endswith("\n") or process.poll() is not None

    try:
        wait_until(is_ready, START_TIMEOUT_S, what="localdm ready")
    except AssertionError:
        process.kill()
    if not line.startswith("localdm ready:"):
        process.kill()
        process.wait()
        process.stdout.close()
        raise AssertionError(f"localdm did not start: {line!r}\n{(directory / 'stderr.log').read_text()}")
    running = json.loads((directory / "localdm.json").read_text())
    username, password = (directory / "login").read_text().strip().split("|")
    return LocalDmProcess(directory, process, line, running["urls"], username, password, running["station"])


@contextmanager
def running_localdm(directory: Path, port_base: int = 0, *arguments: str) -> Iterator[LocalDmProcess]:
    """A localdm for a with statement: ended at its end whatever happened."""
    localdm = start_localdm(directory, port_base, *arguments)
    try:
        yield localdm
    finally:
        if localdm.process.poll() is None:
            localdm.process.send_signal(signal.SIGTERM)
            try:
                localdm.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                localdm.process.kill()
                localdm.process.wait()
        if localdm.process.stdout is not None:
            localdm.process.stdout.close()


def encoded(value: object) -> str:
    """A value as the vendor's Python package writes it into a URL: ``b'…'``, with line feeds in the inner base64."""
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(base64.b64encode(base64.encodebytes(text.encode())))


def encoded_json(value: object) -> str:
    """A value as JSON, written the same way."""
    return encoded(json.dumps(value))


class DmSaidNoError(Exception):
    """An error reply of DM: its code, class name and text."""

    def __init__(self, code: int, kind: str, message: str) -> None:
        super().__init__(f"{message} ({kind} {code})")
        self.code, self.kind, self.message = code, kind, message


@dataclass(frozen=True)
class Reply:
    """One reply as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)


class VendorSession:
    """Sends what the vendor's package sends: ``Content-Type: html`` on a GET, the whole Set-Cookie sent back."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self.cookie = ""

    def raw(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One request as it is given, with no look at the answer."""
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            sent = {"Content-Type": "html", "Content-Length": str(len(body)), "Cookie": self.cookie, **(headers or {})}
            connection.request(verb, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def login(self, username: str, password: str) -> Reply:
        """Log in by form, and keep the cookie if there is one."""
        form = urlencode({"username": username, "password": password}).encode()
        reply = self.raw("POST", "/dm/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        self.cookie = reply.headers.get("Set-Cookie", "")
        return reply

    def call(self, verb: str, *segments: str, query: Mapping[str, object] | None = None, form: object = None) -> Any:
        """The JSON of a reply; raises `DmSaidNoError` for an error reply."""
        path = "/dm/" + "/".join(segments)
        if query:
            path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        body = urlencode(form).encode() if isinstance(form, dict) else b""  # pyright: ignore[reportUnknownArgumentType]
        reply = self.raw(verb, quote(path, safe="/?&='"), body)
        if reply.headers.get("Dm-Status-Code") != "0":
            error = reply.content
            raise DmSaidNoError(error["errorCode"], error["exceptionType"], error["errorMessage"])
        return reply.content
