"""What localdm is told at start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmioc.errors import ConfigurationError

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HIGHEST_PORT_BASE = 65532  # four ports from there


@dataclass(frozen=True, slots=True)
class LocalDmSettings:
    """Settings of one localdm; whoever makes them has read the environment and the command line, nothing here does.

    ``directory`` holds everything: records, storage, login file. Port 0 as ``port_base`` means the ports of the last
    start where they are free, else any free ones; otherwise DS, DAQ, PROC and CAT take it and the next three.
    ``stage_environment`` is added to the environment of the processes that workflow stages run; ``faults`` is a file of
    faults to make. Raises `ConfigurationError` for a value that cannot be.
    """

    directory: Path
    host: str = "127.0.0.1"
    port_base: int = 0
    station: str = "DEMO"
    username: str = "dmioc"
    session_lifetime_s: float = 12 * 3600.0
    max_running_jobs: int = max(2, os.cpu_count() or 2)
    stage_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    faults: Path | None = None

    def __post_init__(self) -> None:
        for what, name in (("station", self.station), ("username", self.username)):
            if not _PLAIN_NAME.fullmatch(name):
                raise ConfigurationError(f"{what} of localdm has letters, digits and ._- (at most 64), not {name!r}")
        if not 0 <= self.port_base <= _HIGHEST_PORT_BASE:
            raise ConfigurationError(f"port base of localdm is 0 to {_HIGHEST_PORT_BASE}, not {self.port_base}")
        if self.max_running_jobs < 1:
            raise ConfigurationError(f"max_running_jobs of localdm is 1 or more, not {self.max_running_jobs}")

    @property
    def login_file(self) -> Path:
        """The login file, one line ``username|password`` (``dm-protocol.md §1.4``)."""
        return self.directory.absolute() / "login"

    @property
    def storage_root(self) -> Path:
        """The folder that holds the storage of every station."""
        return self.directory.absolute() / "storage"
