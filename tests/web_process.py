"""``dmioc web`` as a real process, and sockets of it that no browser opens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from epics_environment import client_environment
from waiting import wait_until


class WebProcess:
    """One ``dmioc web`` at a free port, which it tells in its line."""

    def __init__(self, log_path: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.log_path = log_path
        self.lines: list[str] = []
        with log_path.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dmioc", "web", "--port", "0", *arguments],
                env=os.environ | client_environment() | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        threading.Thread(target=self._read, daemon=True).start()
        self.line = wait_until(self._first_line, 20.0, what="dmioc web tells its address")

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            self.lines.extend(line.rstrip("\n") for line in out)

    def _first_line(self) -> str:
        assert self.process.poll() is None, f"dmioc web ended with {self.process.returncode}: {self.log()}"
        return self.lines[0] if self.lines else ""

    @property
    def url(self) -> str:
        """Address of the page."""
        return next(word.rstrip(",") for word in self.line.split() if word.startswith("http://"))

    @property
    def socket_url(self) -> str:
        """Address of the socket."""
        return self.url.replace("http://", "ws://") + "pvws/pv"

    def log(self) -> str:
        """What it wrote to stderr."""
        return self.log_path.read_text("utf-8")

    def stop(self) -> int:
        """End it by SIGTERM; answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextmanager
def running_web(log_path: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[WebProcess]:
    """``dmioc web`` for the time of a test or a module; it must end well and have logged no traceback."""
    process = WebProcess(log_path, *arguments, environment=environment)
    try:
        yield process
        assert process.stop() == 0, process.log()
        assert "Traceback" not in process.log()
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait(10)


class PvwsClient:
    """One socket, as a client of PVWS has it: merges the updates of each PV."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.values: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}

    async def send(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await self.socket.receive_str())
        self.messages.append(message)
        if message["type"] == "update":
            before = {} if "vtype" in message or not message["connected"] else self.values.get(message["pv"], {})
            self.values[message["pv"]] = before | message
            self.history.setdefault(message["pv"], []).append(before | message)
        return message

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that meets the condition."""
        while not condition(message := await self.next()):
            pass
        return message

    async def value(
        self, pv: str, condition: Callable[[dict[str, Any]], bool] = lambda value: value["connected"]
    ) -> dict[str, Any]:
        """The merged value of a PV once it meets the condition."""
        while pv not in self.values or not condition(self.values[pv]):
            await self.next()
        return self.values[pv]

    async def error(self) -> str:
        """The text of the next error."""
        return str((await self.until(lambda message: message["type"] == "error"))["message"])


@asynccontextmanager
async def pvws(web: WebProcess, **headers: str) -> AsyncIterator[PvwsClient]:
    """A socket of its own session."""
    async with aiohttp.ClientSession() as session, session.ws_connect(web.socket_url, headers=headers) as socket:
        yield PvwsClient(socket)
