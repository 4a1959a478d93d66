"""The gateway as a real process, and a Channel Access client (libca through pyepics) for its PVs."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from client_timeouts import ANSWER_TIMEOUT_S
from epics_environment import client_environment, server_environment
from gateway_resources import Held, check_for_leaks, held_by
from waiting import wait_until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class GatewayProcess:
    """One ``dmioc run`` in a state directory; may be started again there after `stop` or `kill`.

    ``process`` is the gateway itself; the local DM it starts is found as its child.
    """

    launcher: tuple[str, ...] = ("-m", "dmioc")

    def __init__(self, state: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.state = state
        self.prefix = f"T{secrets.token_hex(3)}:"
        self.arguments = arguments
        self.environment = environment or {}
        self.log_path = state.with_name(state.name + ".log")
        self.process: subprocess.Popen[str]
        self.lines: list[str] = []
        self._at_start: tuple[int, Held] | None = None

    def start(self) -> GatewayProcess:
        """Start it and return when it says that it serves."""
        self.launch()
        wait_until(self._serves, START_TIMEOUT_S, what="dmioc run says that it serves")
        self._at_start = (self.process.pid, held_by(self))
        return self

    def check_for_leaks(self) -> None:
        """Fails when it holds more files, threads, tasks or native objects than when it had started; not if it has ended."""
        if self._at_start is not None and self._at_start[0] == self.process.pid and self.process.poll() is None:
            check_for_leaks(self, self._at_start[1])

    def launch(self, stdin: int = subprocess.DEVNULL) -> None:
        """Start it and wait for nothing."""
        self.lines = []
        with self.log_path.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *self.launcher,
                    "run",
                    "--state",
                    str(self.state),
                    "--prefix",
                    self.prefix,
                    *self.arguments,
                ],
                env=os.environ | client_environment() | server_environment() | self.environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as out:
            self.lines.extend(line.rstrip("\n") for line in out)

    def _serves(self) -> bool:
        assert self.process.poll() is None, f"dmioc run ended with {self.process.returncode}: {self.log()}"
        return any(line.startswith("dmioc serves") for line in self.lines)

    def log(self) -> str:
        """What it wrote to stderr."""
        return self.log_path.read_text("utf-8")

    def localdm(self) -> psutil.Process:
        """The process of its local DM."""
        for child in psutil.Process(self.process.pid).children():
            if "localdm" in child.cmdline():
                return child
        raise AssertionError("the gateway has no local DM")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9; the local DM goes on, as after a crash."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)

    def end(self) -> None:
        """Leave nothing behind, whatever a test did."""
        children = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        try:
            self.stop()
        finally:
            for one in [*children, *_localdms_of(self.state)]:
                if one.is_running():
                    one.kill()


def _localdms_of(state: Path) -> Iterator[psutil.Process]:
    for one in psutil.process_iter(["cmdline"]):
        if "localdm" in (one.info["cmdline"] or []) and any(str(state) in word for word in one.info["cmdline"]):
            yield one


@contextmanager
def running_gateway(
    state: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """A gateway for the time of a test or a module, which must hold no more at its end than when it had started."""
    gateway = GatewayProcess(state, *arguments, environment=environment)
    try:
        yield gateway.start()
        gateway.check_for_leaks()
    finally:
        gateway.end()


class CaClient:
    """PVs of one prefix by libca; names without the prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._pvs: dict[str, Any] = {}

    def pv(self, name: str) -> Any:
        """The connected ``epics.PV``."""
        import epics

        if name not in self._pvs:
            self._pvs[name] = epics.PV(self.prefix + name, auto_monitor=False)
        pv = self._pvs[name]
        assert pv.wait_for_connection(timeout=ANSWER_TIMEOUT_S), f"{self.prefix}{name} is not found"
        return pv

    def connect(self, names: Iterable[str]) -> None:
        """Connect to many PVs at once, which is faster than one after the other."""
        import epics

        missing = [name for name in names if name not in self._pvs]
        self._pvs |= {name: epics.PV(self.prefix + name, auto_monitor=False) for name in missing}
        for name in missing:
            self.pv(name)

    def get(self, name: str) -> Any:
        """Value now; texts and enum labels as str."""
        pv = self.pv(name)
        as_string = "enum" in pv.type or "char" in pv.type
        value = pv.get(as_string=as_string, use_monitor=False, timeout=ANSWER_TIMEOUT_S)
        assert value is not None, f"{self.prefix}{name} gave no value"
        return value

    def metadata(self, name: str) -> dict[str, Any]:
        """``status``, ``severity`` and ``timestamp`` now."""
        values = self.pv(name).get_with_metadata(form="time", use_monitor=False, timeout=ANSWER_TIMEOUT_S)
        assert values is not None, f"{self.prefix}{name} gave no value"
        return values

    def severity(self, name: str) -> int:
        """Alarm severity now, 0 to 3."""
        return int(self.metadata(name)["severity"])

    def put(self, name: str, value: Any, wait: bool = True, timeout_s: float = 30.0) -> None:
        """Put, by default with completion."""
        answer = self.pv(name).put(value, wait=wait, timeout=timeout_s)
        assert answer == 1, f"put to {self.prefix}{name} did not complete within {timeout_s} s"

    def puts(self, group: str, **values: Any) -> None:
        """Put several setpoints of one group."""
        for name, value in values.items():
            self.put(group + name, value)

    def command(self, name: str, timeout_s: float = 30.0) -> tuple[str, str]:
        """Run a command to its end; answers ``CmdStatus`` and ``CmdMessage`` of its group."""
        self.put(name, 1, timeout_s=timeout_s)
        return self.outcome(name)

    def outcome(self, name: str) -> tuple[str, str]:
        """``CmdStatus`` and ``CmdMessage`` of the group of a PV."""
        head, colon, _ = name.partition(":")
        group = head + colon if colon else ""
        return self.get(f"{group}CmdStatus"), self.get(f"{group}CmdMessage")

    def wait_for(self, name: str, is_right: Any, timeout_s: float = 30.0) -> Any:
        """Wait until the PV has a value, or a value for which a function is true."""

        def check(value: Any) -> bool:
            return bool(is_right(value) if callable(is_right) else value == is_right)

        seen: list[Any] = []

        def right() -> bool:
            seen[:] = [self.get(name)]
            return check(seen[0])

        wait_until(right, timeout_s, what=f"{self.prefix}{name}")
        return seen[0]

    def close(self, clear_channels: bool = False) -> None:
        """Forget every PV.

        ``clear_channels`` is for a gateway that is about to start again: pyepics keeps a channel for the next PV of its name, and
        libca searches ever more seldom for a lost one. It must not be used where ophyd shares the channels.
        """
        import epics

        for pv in self._pvs.values():
            pv.disconnect()
            if clear_channels and pv.chid is not None:
                epics.ca.clear_channel(pv.chid)
        self._pvs.clear()


def timed(action: Callable[[], Any]) -> float:
    """Seconds an action took."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
