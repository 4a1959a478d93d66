"""The driver as a process."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from epics_environment import client_environment, server_environment
from raw_ca_client import RawClient, RawMessage
from waiting import wait_until

__all__ = ["CaProcess", "RawClient", "RawMessage"]

_DRIVER = Path(__file__).with_name("ca_driver.py")


class CaProcess:
    """A running ``ca_driver.py`` under a random prefix."""

    driver = _DRIVER

    def __init__(self, log_path: Path, port: int = 0) -> None:
        self.prefix = f"T{secrets.token_hex(3)}:"
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.driver), self.prefix, str(port)],
                env=os.environ | client_environment() | server_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.addresses: list[str] = self._answer()["addresses"]

    def ask(self, do: str, **arguments: Any) -> Any:
        """Send a request and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def settled(self) -> Any:
        """The figures, once the server has heard of every client that has gone."""
        process = psutil.Process(self.process.pid)

        def open_clients() -> int:
            return sum(connection.status == psutil.CONN_ESTABLISHED for connection in process.net_connections("tcp4"))

        wait_until(lambda: self.ask("figures")["clients"] == open_clients(), what="the server counts its clients right")
        return self.ask("figures")

    def publish(self, name: str, *values: Any, **more: Any) -> None:
        """Publish the values one after the other, without a turn of the loop between."""
        self.ask("publish", name=name, values=values, **more)

    def log(self) -> str:
        """What the server wrote to stderr."""
        return self.log_path.read_text()

    def stop(self) -> int:
        """End of stdin, and the exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise AssertionError(f"the driver ended: {self.log()}")
        return json.loads(line)
