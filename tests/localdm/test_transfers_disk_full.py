"""Storage without room: a real file system of two megabytes, filled by the copies themselves."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from transfers_bench import SETTINGS, Bench, bench, md5s, until, write

from dmioc.localdm.transfers import TransferSettings

ROOM_BYTES = 2 << 20
FILES = 8
SIZE_BYTES = 400_000
"""Of eight such files not all have room."""


@pytest.fixture(params=["storage", "all of it"])
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A station whose storage, or whose records and catalog too, lie on a small file system; the sources never do."""
    directory = tmp_path / "station"
    mounted = directory / "storage" if request.param == "storage" else directory
    mounted.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    source = tmp_path / "measured"
    for number in range(FILES):
        write(source / f"f{number}.h5", bytes([number]) * SIZE_BYTES)
    (directory / "source").symlink_to(source)
    yield directory
    subprocess.run(["umount", str(mounted)], check=True)


def fill(station: Bench) -> Path:
    """Somebody else's file in the storage."""
    return write(station.storage / "other", b"o" * SIZE_BYTES * 3)


def counted(record: dict[str, object]) -> tuple[object, object, object]:
    return record["nProcessedFiles"], record["nProcessingErrors"], record["nWaitingFiles"]


def assert_whole(station: Bench) -> int:
    """Every file under its final name is the source's; answers how many there are."""
    sources, stored = md5s(station.source.resolve()), md5s(station.data)
    assert {name: sources.get(name) for name in stored} == stored, "no torn file, no temporary one"
    return len(stored)


def test_daq_goes_on_when_there_is_room_again(small: Path) -> None:
    async def work(station: Bench) -> None:
        other = fill(station)
        daq_id = await station.daq(processExistingFiles=True)
        await until(lambda: station.transfers.daq(daq_id)["nProcessingErrors"], lambda: station.transfers.daq(daq_id))
        await until(lambda: station.transfers.daq(daq_id)["countFiles"] == FILES)
        record = station.transfers.daq(daq_id)
        assert record["status"] == "running"
        assert "No space left" in str(record["processingErrors"]) or "full" in str(record["processingErrors"])
        other.unlink()
        for number in range(FILES - 2):
            (station.source / f"f{number}.h5").write_bytes(b"shorter")
        record = await station.processed(daq_id, FILES)
        assert counted(record) == (FILES, 0, 0)
        assert record["processingErrors"] == []
        assert assert_whole(station) == FILES
        assert station.catalog_md5s() == md5s(station.source.resolve())

    settings = TransferSettings(settle_s=SETTINGS.settle_s, rescan_s=0.3, stop_wait_s=SETTINGS.stop_wait_s)
    run(small, work, settings)


def test_upload_fails_in_words_and_the_next_one_goes_on(small: Path) -> None:
    async def work(station: Bench) -> None:
        other = fill(station)
        record = await station.upload()
        assert record["status"] == "failed"
        processed, errors, _ = counted(record)
        assert int(str(processed)) + int(str(errors)) == FILES
        assert str(record["errorMessage"]).startswith(f"{errors} of {FILES} files could not be stored: ")
        assert_whole(station)
        other.unlink()
        for number in range(FILES - 2):
            (station.source / f"f{number}.h5").write_bytes(b"shorter")
        record = await station.upload()
        assert record["status"] == "done", record
        assert assert_whole(station) == FILES
        assert station.catalog_md5s() == md5s(station.source.resolve())

    run(small, work, SETTINGS)


def run(directory: Path, work: Callable[[Bench], Awaitable[None]], settings: TransferSettings) -> None:
    async def main() -> None:
        async with bench(directory, settings) as station:
            await work(station)

    asyncio.run(main())
