"""What localdm is told at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalDmSettings:
    """Settings of one localdm; whoever makes them has read the environment and the command line, nothing here does.

    ``directory`` holds everything: records, storage, login file. Port 0 as ``port_base`` means the ports of the last
    start where they are free, else any free ones; otherwise DS, DAQ, PROC and CAT take it and the next three.
    ``stage_environment`` is added to the environment of the processes that workflow stages run.
    """

    directory: Path
    host: str = "127.0.0.1"
    port_base: int = 0
    station: str = "DEMO"
    username: str = "dmioc"
    session_lifetime_s: float = 12 * 3600.0
    max_running_jobs: int = max(2, os.cpu_count() or 2)
    stage_environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def login_file(self) -> Path:
        """The login file, one line ``username|password`` (``dm-protocol.md §1.4``)."""
        return self.directory / "login"

    @property
    def storage_root(self) -> Path:
        """The folder that holds the storage of every station."""
        return self.directory / "storage"
