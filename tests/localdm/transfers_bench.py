"""A transfers engine with real storage, catalog and copy processes, for the tests of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dmioc.localdm.answers import ObjectNotFound
from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.database import Database
from dmioc.localdm.ports import Places
from dmioc.localdm.transfers import Transfers, TransferSettings

EXPERIMENT = "tomo-2026-1"
SETTINGS = TransferSettings(settle_s=0.15, rescan_s=30.0, stop_wait_s=2.0)


class OneExperiment:
    """The experiments port with one experiment."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        for name in ("data", "analysis"):
            (storage / name).mkdir(parents=True, exist_ok=True)

    def places(self, experiment: str) -> Places:
        if experiment != EXPERIMENT:
            raise ObjectNotFound(f"Experiment {experiment} does not exist.")
        data, analysis = self.storage / "data", self.storage / "analysis"
        return Places(experiment, "DEMO", self.storage, data, analysis, "host", f"file://{self.storage}")


@dataclass
class RecordingJobs:
    """The job port that keeps what it was asked for."""

    started: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    refuse: bool = False

    def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> str:
        if self.refuse:
            raise ObjectNotFound(f"Workflow {workflow} does not exist.")
        self.started.append((owner, workflow, arguments))
        return f"job-{len(self.started)}"


@dataclass
class Bench:
    """The engine and what it works on."""

    transfers: Transfers
    catalog: FileCatalogStore
    jobs: RecordingJobs
    source: Path
    storage: Path

    @property
    def data(self) -> Path:
        return self.storage / "data"

    async def daq(self, **info: object) -> str:
        return str((await self.transfers.start_daq(EXPERIMENT, str(self.source), info))["id"])

    async def upload(self, **info: object) -> dict[str, object]:
        """The record of an upload when it is over."""
        upload_id = str((await self.transfers.start_upload(EXPERIMENT, str(self.source), info))["id"])
        return await self.upload_over(upload_id)

    async def upload_over(self, upload_id: str) -> dict[str, object]:
        await until(lambda: self.transfers.upload(upload_id)["status"] not in ("running", "aborting"))
        return self.transfers.upload(upload_id)

    async def processed(self, daq_id: str, count: int) -> dict[str, object]:
        """The record of a DAQ when it has stored so many files and has none waiting."""

        def is_there() -> bool:
            record = self.transfers.daq(daq_id)
            return record["nProcessedFiles"] == count and record["nWaitingFiles"] == 0

        await until(is_there, lambda: self.transfers.daq(daq_id))
        return self.transfers.daq(daq_id)

    async def stop_daq(self, daq_id: str) -> dict[str, object]:
        """The record of a DAQ when it is over."""
        await self.transfers.stop_daq(EXPERIMENT, str(self.source))
        await until(lambda: self.transfers.daq(daq_id)["status"] != "running", lambda: self.transfers.daq(daq_id))
        return self.transfers.daq(daq_id)

    def catalog_md5s(self) -> dict[str, object]:
        return {str(f["experimentFilePath"]): f["md5Sum"] for f in self.catalog.files(EXPERIMENT, {}, 0, 100000)}


@asynccontextmanager
async def bench(
    directory: Path,
    settings: TransferSettings = SETTINGS,
    wrap_catalog: Callable[[FileCatalogStore], object] | None = None,
) -> AsyncIterator[Bench]:
    """A started engine below a directory; what an earlier one left there is resumed."""
    source, storage = directory / "source", directory / "storage"
    source.mkdir(parents=True, exist_ok=True)
    experiments = OneExperiment(storage)
    database = Database(directory / "records.sqlite")
    catalog, jobs = FileCatalogStore(database), RecordingJobs()
    seen_catalog = catalog if wrap_catalog is None else wrap_catalog(catalog)
    transfers = Transfers(database, experiments, seen_catalog, jobs, settings, "dmioc")  # type: ignore[arg-type]
    await transfers.start()
    try:
        yield Bench(transfers, catalog, jobs, source, storage)
    finally:
        await transfers.stop()
        database.close()


async def until(
    condition: Callable[[], object], show: Callable[[], object] = lambda: "", timeout_s: float = 30.0
) -> None:
    """Wait on the event loop until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {show()}"
        await asyncio.sleep(0.01)


def write(path: Path, content: bytes = b"x", age_s: float = 100.0) -> Path:
    """A file with its directories, last written some seconds ago, so that it is settled at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if age_s:
        moment = time.time() - age_s
        os.utime(path, (moment, moment))
    return path


def md5s(root: Path) -> dict[str, str]:
    """MD5 of every file of a tree by relative path, temporary ones too; not of those that get another name meanwhile."""
    found: dict[str, str] = {}
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(root))] = hashlib.md5(path.read_bytes()).hexdigest()
    return found


def make_tree(root: Path, files: int, size_bytes: int = 500) -> None:
    """Files with contents of their own in nested directories."""
    for number in range(files):
        content = f"{number} ".encode() * (size_bytes // 5)
        write(root / f"a{number % 5}" / f"b{number % 17}" / f"f{number:05}.h5", content)
