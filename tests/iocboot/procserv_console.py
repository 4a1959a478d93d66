"""A gateway under the real procServ, started by ``run_procserv``, and its console."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from boot_scripts import environment
from waiting import wait_until

START_TIMEOUT_S = 25.0
CONTROL_X, CONTROL_T, CONTROL_Q, RETURN = b"\x18", b"\x14", b"\x11", b"\n"


@dataclass
class ProcServ:
    """procServ with the gateway of one directory; the log is what it wrote there."""

    boot: Path
    process: subprocess.Popen[bytes]
    console: socket.socket | None = field(default=None)

    @property
    def log_path(self) -> Path:
        return self.boot / f"{self.boot.name}.log"

    def log(self) -> str:
        """All of it."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def wait_for_log(self, words: str, count: int = 1) -> str:
        """Wait until the words are there so often; answers the log."""
        wait_until(
            lambda: self.log().count(words) >= count, START_TIMEOUT_S, what=f"{words!r} in the log: {self.log()}"
        )
        return self.log()

    def children(self) -> list[psutil.Process]:
        """What procServ runs: `st.procserv` and what that runs, which ends as ``dmioc``."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def type(self, keys: bytes) -> None:
        """Type on the console."""
        if self.console is None:
            self.console = socket.socket(socket.AF_UNIX)
            self.console.connect(str(self.boot / "console"))
        self.console.sendall(keys)

    def pid(self) -> int:
        """That of procServ, as the file for logrotate has it."""
        found = re.search(r"^pid:(\d+)$", (self.boot / f"{self.boot.name}.info").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])


@contextmanager
def procserv(boot: Path, **variables: str) -> Iterator[ProcServ]:
    """procServ in the foreground, restarting after a second; nothing of it is left at the end."""
    settings = {"IOC_CONSOLE": f"unix:{boot}/console", "IOC_HOLDOFF_S": "1"} | variables
    process = subprocess.Popen(
        [boot / "run_procserv", "--foreground"],
        env=environment(**settings),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = ProcServ(boot, process)
    try:
        yield running
    finally:
        if running.console is not None:
            running.console.close()
        left = running.children() if process.poll() is None else []
        process.kill()
        process.wait(10)
        left += [one for one in psutil.process_iter(["cmdline"]) if str(boot) in " ".join(one.info["cmdline"] or [])]
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
