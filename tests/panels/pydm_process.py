"""The process that shows panels in PyDM (`pydm_session`), from the test's side."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OPENED_AGAIN = 3
ANSWER_TIMEOUT_S = 25.0


class PyDm:
    """Panels in PyDM; each request waits for its answer."""

    def __init__(self, process: subprocess.Popen[str], log_path: Path) -> None:
        self._process = process
        self._log_path = log_path
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)

    def join(self) -> None:
        """Wait until what it printed is read to its end."""
        self._reader.join(10)

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """One request; fails with what PyDM said when there is no answer or an error."""
        assert self._process.stdin is not None
        assert self._process.poll() is None, f"PyDM has ended: {self.log()}"
        print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        try:
            answer = json.loads(self._answers.get(timeout=ANSWER_TIMEOUT_S))
        except queue.Empty:
            raise AssertionError(f"{do}: no answer within {ANSWER_TIMEOUT_S} s: {self.log()}") from None
        assert "error" not in answer, (do, arguments, answer["error"], self.log())
        return answer

    def open(self, path: Path, macros: Mapping[str, str]) -> dict[str, Any]:
        """Open a panel; every channel of it must connect.

        Opened again where one did not: PyDM 1.29 shows a PV as disconnected for good when it connects in the instant in which
        its listener is added (``pyepics_plugin_component.add_listener`` asks first and tells afterwards).
        """
        arguments = {"path": str(path), "macros": dict(macros), "timeout_s": 10.0}
        answer = self.ask("open", **arguments)
        for _ in range(OPENED_AGAIN):
            if answer["missing"]:
                answer = self.ask("open", **arguments)
        assert answer["missing"] == [], f"{path.name}: not connected: {answer['missing']}; {self.log()}"
        return answer

    def log(self) -> str:
        """What PyDM wrote to stderr."""
        return self._log_path.read_text("utf-8")


@contextmanager
def pydm_process(directory: Path) -> Iterator[PyDm]:
    """PyDM for a module of tests; it finds the PVs by the environment of EPICS."""
    log_path = directory / "pydm.log"
    with log_path.open("w", encoding="utf-8") as log:
        with subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("pydm_session.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process:
            pydm = PyDm(process, log_path)
            try:
                yield pydm
            finally:
                process.kill()
                pydm.join()
