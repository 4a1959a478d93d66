"""What the parts of localdm need of one another, as protocols, so that none imports another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Places:
    """Where an experiment keeps its files, and how its records name those places."""

    experiment: str
    station: str
    storage_directory: Path
    data_directory: Path
    analysis_directory: Path
    storage_host: str
    storage_url: str


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """One stored file: its path relative to the experiment's storage root kind, size, MD5 and times (POSIX seconds)."""

    path: str
    size_bytes: int
    md5: str
    modified_s: float
    stored_s: float


class Experiments(Protocol):
    """The experiments as the other parts see them."""

    def places(self, experiment: str) -> Places:
        """Directories of an experiment; raises `ObjectNotFound`."""
        ...


class FileCatalog(Protocol):
    """The file catalog as the transfers see it; every call blocks (call it from a worker thread) and is thread-safe."""

    def add_files(self, experiment: str, files: Sequence[CatalogFile]) -> None:
        """Store or replace the entries, in one transaction."""
        ...

    def files_by_path(self, experiment: str, paths: Sequence[str]) -> Mapping[str, CatalogFile]:
        """The entries that exist among the paths."""
        ...


class JobStarter(Protocol):
    """The processing service as the transfers see it."""

    def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> str:
        """Submit a job from the event loop and answer its id at once; raises `ObjectNotFound`."""
        ...
