"""A process that runs the transfers engine until it is killed: ``transfers_driver.py DIRECTORY KIND KEY=VALUE...``.

KIND is ``daq``, ``upload``, or ``upload-dies-when-cataloged``, which kills itself with the first files in the catalog
and not yet in the upload's own state. Writes the count of stored files to its standard output whenever it changes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from transfers_bench import EXPERIMENT, bench

from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.ports import CatalogFile


class LastEntries:
    """A catalog that is the last thing its process does."""

    def __init__(self, catalog: FileCatalogStore) -> None:
        self._catalog = catalog
        self.files_by_path = catalog.files_by_path

    def add_files(self, experiment: str, files: list[CatalogFile]) -> None:
        self._catalog.add_files(experiment, files)
        os.kill(os.getpid(), signal.SIGKILL)


async def main(directory: Path, kind: str, info: dict[str, object]) -> None:
    async with bench(directory, wrap_catalog=LastEntries if kind == "upload-dies-when-cataloged" else None) as station:
        transfers = station.transfers
        if kind == "daq":
            await transfers.start_daq(EXPERIMENT, str(station.source), info)
        else:
            await transfers.start_upload(EXPERIMENT, str(station.source), info)
        told = -1
        while True:
            [record] = transfers.daqs() if kind == "daq" else transfers.uploads()
            if record["nProcessedFiles"] != told:
                told = record["nProcessedFiles"]
                print(told, flush=True)
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    keys: dict[str, object] = dict(part.split("=", 1) for part in sys.argv[3:])  # type: ignore[misc]
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], keys))
