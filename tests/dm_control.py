"""A hand on the local DM behind a gateway: its process, its records, its API as another client uses it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localdm_process import VendorSession, encoded_json


class DmControl:
    """The local DM that keeps its records in a directory; which process that is may change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _note(self) -> dict[str, object]:
        return json.loads((self.directory / "localdm.last.json").read_text("utf-8"))

    @property
    def pid(self) -> int:
        """Its process id now."""
        return int(str(self._note()["pid"]))

    @property
    def urls(self) -> dict[str, str]:
        """Where it serves, by service."""
        urls = self._note()["urls"]
        assert isinstance(urls, dict)
        return urls

    def session(self, service: str) -> VendorSession:
        """A session of another client."""
        session = VendorSession(self.urls[service])
        session.login(*(self.directory / "login").read_text("utf-8").strip().split("|"))
        return session

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def add_workflow(self, name: str, *commands: str) -> None:
        """A workflow of the user ``dmioc`` with one stage for each command."""
        stages = {f"{number:02}-STAGE": {"command": command} for number, command in enumerate(commands, start=1)}
        document = {"name": name, "owner": "dmioc", "stages": stages}
        query = {"allowCurrentUsername": "0", "workflow": encoded_json(document)}
        self.session("PROC").call("PUT", "workflows", "upsertWorkflow", query=query)

    def forget(self, table: str, ids: Sequence[str]) -> None:
        """Delete records behind its back, while it does not run."""
        with sqlite3.connect(self.directory / "localdm.sqlite") as database:
            marks = ", ".join("?" * len(ids))
            deleted = database.execute(f"DELETE FROM {table} WHERE id IN ({marks})", tuple(ids)).rowcount
        database.close()
        assert deleted == len(ids)
