"""A bluesky queue server as a real process, and its Redis, which is made of Python."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import zmq
from epics_environment import client_environment, free_port
from waiting import wait_until

START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_MS = 5000


@contextmanager
def redis_server() -> Iterator[str]:
    """Host and port of a Redis for the time of a test."""
    server = import_module("fakeredis").TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)


class QueueServer:
    """``start-re-manager`` with the example's startup script.

    Args:
        folder: where the script and the permissions were copied to.
        redis: host and port of its Redis.
        environment: more environment, e.g. the station's prefix.
    """

    def __init__(self, folder: Path, redis: str, environment: dict[str, str]) -> None:
        self._address = f"tcp://127.0.0.1:{free_port()}"
        self._log_path = folder / "manager.log"
        command = [
            str(Path(sys.executable).with_name("start-re-manager")),
            *("--startup-script", str(folder / "queueserver.py")),
            *("--user-group-permissions", str(folder / "queueserver_permissions.yaml")),
            *("--existing-plans-devices", str(folder / "existing_plans_and_devices.yaml")),
            *("--redis-addr", redis, "--zmq-publish-console", "OFF"),
            *("--zmq-control-addr", self._address, "--zmq-info-addr", f"tcp://127.0.0.1:{free_port()}"),
        ]
        with self._log_path.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | client_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self) -> str:
        """What manager and worker wrote."""
        return self._log_path.read_text("utf-8")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A request as its clients send it; answers the reply, which says that all is well."""
        reply, error = self._request(method, parameters)
        assert not error and reply.get("success", True), f"{method}: {error or reply}\n{self.log()}"
        return reply

    def _request(self, method: str, parameters: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Reply and error of a request: the manager takes JSON by 0MQ (its own function leaves a socket open each time)."""
        with zmq.Context() as context, context.socket(zmq.REQ) as client:
            client.setsockopt(zmq.LINGER, 0)
            client.connect(self._address)
            client.send_json({"method": method, "params": parameters})
            if not client.poll(ANSWER_TIMEOUT_MS):
                return {}, f"no answer within {ANSWER_TIMEOUT_MS} ms"
            reply: Any = client.recv_json()
            return reply, ""

    def is_up(self) -> bool:
        """Whether it answers."""
        assert self._process.poll() is None, self.log()
        return not self._request("ping", {})[1]

    def status(self) -> dict[str, Any]:
        """Its status."""
        return self.ask("status")

    def wait_for(self, key: str, value: Any, timeout_s: float = 90.0) -> None:
        """Wait until its status says so."""
        wait_until(lambda: self.status()[key] == value, timeout_s, 0.1, what=f"{key} is {value}")

    def add(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Put a plan at the end of the queue."""
        item = {"item_type": "plan", "name": name, "args": list(args), "kwargs": kwargs}
        self.ask("queue_item_add", item=item, user="user", user_group="primary")

    def run(self) -> list[dict[str, Any]]:
        """Run the queue to its end; answers what became of each plan."""
        self.ask("queue_start")
        self.wait_for("manager_state", "idle")
        return [item["result"] for item in self.ask("history_get")["items"]]

    def end(self) -> None:
        """Stop worker and manager."""
        try:
            if not self._request("manager_stop", {"option": "safe_off"})[1]:
                self._process.wait(20.0)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, 9)
                self._process.wait(5.0)


@contextmanager
def queue_server(folder: Path, environment: dict[str, str]) -> Iterator[QueueServer]:
    """A queue server with an open environment."""
    with redis_server() as redis:
        server = QueueServer(folder, redis, environment)
        try:
            wait_until(server.is_up, START_TIMEOUT_S, 0.1, what="the manager answers")
            server.ask("environment_open")
            server.wait_for("worker_environment_exists", True)
            yield server
        finally:
            server.end()
