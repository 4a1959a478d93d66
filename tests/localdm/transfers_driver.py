"""A process that runs the transfers engine until it is killed: ``transfers_driver.py DIRECTORY daq|upload KEY=VALUE...``.

Writes the count of stored files to its standard output whenever it changes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from transfers_bench import EXPERIMENT, bench


async def main(directory: Path, kind: str, info: dict[str, object]) -> None:
    async with bench(directory) as station:
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
