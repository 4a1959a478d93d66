"""The C softIoc of EPICS base as a process, on loopback with ports of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from epics_environment import free_port
from waiting import wait_until

SHELL = Path(__file__).with_name("softioc_shell.py")
COMPLAINTS = r"(?im)^.*(?:error|warning|illegal|can't|unable|invalid).*$"
"""Lines in which it says that it did not like something."""


def is_taken(port: int) -> bool:
    """Whether a process listens to the UDP port."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        try:
            udp.bind(("", port))
        except OSError:
            return True
        return False


def loopback_environment() -> dict[str, str]:
    """EPICS on loopback with ports of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")}
    address = "127.0.0.1"
    for name in ("CA_ADDR_LIST", "CAS_INTF_ADDR_LIST", "CAS_BEACON_ADDR_LIST", "PVA_ADDR_LIST", "PVAS_INTF_ADDR_LIST"):
        environment[f"EPICS_{name}"] = address
    environment["EPICS_PVAS_BEACON_ADDR_LIST"] = address
    for name in ("CA_AUTO_ADDR_LIST", "CAS_AUTO_BEACON_ADDR_LIST", "PVA_AUTO_ADDR_LIST", "PVAS_AUTO_BEACON_ADDR_LIST"):
        environment[f"EPICS_{name}"] = "NO"
    for name in ("CA_SERVER_PORT", "CA_REPEATER_PORT", "CAS_BEACON_PORT", "PVA_SERVER_PORT", "PVA_BROADCAST_PORT"):
        environment[f"EPICS_{name}"] = str(free_port())
    return environment


@dataclass
class SoftIoc:
    """A running one.

    Attributes:
        process: with its standard input open.
        environment: where clients find it.
        log_path: what it says.
    """

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log_path: Path

    def output(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text()

    def end(self) -> str:
        """Close its input and wait for its end; answers all that it said."""
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0, self.output()
        return self.output()


@contextmanager
def running_softioc(arguments: Sequence[str | Path], directory: Path, ready: str, lines: str = "") -> Iterator[SoftIoc]:
    """One for the time of a module, with a CA repeater beside it.

    Args:
        arguments: of Python.
        directory: for its log.
        ready: what it says when it serves.
        lines: for its standard input, which stays open.
    """
    environment = loopback_environment()
    log_path = directory / "output"
    with ExitStack() as stack:
        log = stack.enter_context(log_path.open("wb"))
        repeater_arguments = [Path(sys.executable).with_name("caproto-repeater"), "--quiet"]
        repeater = stack.enter_context(subprocess.Popen(repeater_arguments, env=environment, stdout=log, stderr=log))
        stack.callback(repeater.terminate)
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, *arguments], env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        )
        stack.callback(process.kill)
        softioc = SoftIoc(process, environment, log_path)
        repeater_port = int(environment["EPICS_CA_REPEATER_PORT"])
        wait_until(lambda: is_taken(repeater_port), timeout_s=60, what="the CA repeater listens")
        assert process.stdin is not None
        process.stdin.write(lines.encode())
        process.stdin.flush()
        wait_until(lambda: ready in softioc.output() or process.poll() is not None, 20.0, what=ready)
        assert process.poll() is None, softioc.output()
        yield softioc
