from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from transfers_bench import EXPERIMENT, SETTINGS, Bench, bench, make_tree, md5s, until, write

from dmioc.localdm.answers import InvalidRequest, ObjectNotFound
from dmioc.localdm.transfers import TransferSettings


def run(tmp_path: Path, work: Callable[[Bench], Awaitable[None]], settings: TransferSettings = SETTINGS) -> None:
    async def main() -> None:
        async with bench(tmp_path, settings) as station:
            await work(station)

    asyncio.run(main())


MODES = ["files", "Directory"]


@pytest.mark.parametrize("mode", MODES)
def test_upload_of_a_tree(tmp_path: Path, mode: str) -> None:
    make_tree(tmp_path / "source", 300)
    write(tmp_path / "source" / "fresh.h5", b"fresh", age_s=0)

    async def work(station: Bench) -> None:
        write(station.data / "in" / "a0" / "was here before.txt")
        record = await station.upload(processingMode=mode, destDirectory="in")
        assert record["status"] == "done"
        assert record["countFiles"] == record["nProcessedFiles"] == record["nCompletedFiles"] == 301
        assert "errorMessage" not in record
        expected = {f"in/{path}": md5 for path, md5 in md5s(station.source).items()}
        assert station.catalog_md5s() == expected
        stored = md5s(station.data)
        assert stored.pop("in/a0/was here before.txt")
        assert stored == expected

    run(tmp_path, work)


@pytest.mark.parametrize("mode", MODES)
def test_empty_directory_has_nothing_for_upload(tmp_path: Path, mode: str) -> None:
    async def work(station: Bench) -> None:
        record = await station.upload(processingMode=mode)
        assert (record["status"], record["countFiles"]) == ("done", 0)
        assert record["errorMessage"] == "no new files for upload"

    run(tmp_path, work)


@pytest.mark.parametrize("mode", MODES)
def test_unchanged_files_are_skipped_unless_reprocessed(tmp_path: Path, mode: str) -> None:
    make_tree(tmp_path / "source", 40)

    async def work(station: Bench) -> None:
        await station.upload(processingMode=mode)
        record = await station.upload(processingMode=mode)
        assert (record["countFiles"], record["filesSkipped"]) == (0, 40)
        assert record["errorMessage"] == "no new files for upload"
        write(station.source / "a0" / "b0" / "f00000.h5", b"changed")
        os.utime(station.source / "a1" / "b1" / "f00001.h5")  # another time, the same content
        (station.data / "a2" / "b2" / "f00002.h5").unlink()
        record = await station.upload(processingMode=mode)
        assert (record["countFiles"], record["filesSkipped"]) == (2, 38)
        assert md5s(station.data) == station.catalog_md5s() == md5s(station.source)
        record = await station.upload(processingMode=mode, reprocessFiles="True")
        assert record["nProcessedFiles"] == 40

    run(tmp_path, work)


def test_single_file(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 10)

    async def work(station: Bench) -> None:
        record = await station.upload(experimentFilePath="a1/b1/f00001.h5", processingMode="Single File")
        assert (record["status"], record["countFiles"]) == ("done", 1)
        assert set(md5s(station.data)) == {"a1/b1/f00001.h5"}

    run(tmp_path, work)


def test_filters_hold_for_uploads(tmp_path: Path) -> None:
    for name in ("a.h5", "b.txt", ".c.h5"):
        write(tmp_path / "source" / name)

    async def work(station: Bench) -> None:
        record = await station.upload(includeFileExtensions="h5")
        assert (record["countFiles"], record["filesSkipped"]) == (1, 2)

    run(tmp_path, work)


def test_file_that_cannot_be_stored_fails_the_upload_and_no_other_file(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 10)

    async def work(station: Bench) -> None:
        (station.data / "a1" / "b1" / "f00001.h5" / "in the way").mkdir(parents=True)
        record = await station.upload()
        assert record["status"] == "failed"
        assert (record["nProcessedFiles"], record["nProcessingErrors"]) == (9, 1)
        assert str(record["errorMessage"]).startswith("1 of 10 files could not be stored: a1/b1/f00001.h5: ")
        assert len(station.catalog_md5s()) == 9

    run(tmp_path, work)


def test_stopped_upload_is_aborted_and_keeps_what_is_stored(tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_tree(source, 20)
    for number in range(4):
        path = write(source / f"zz{number}.h5")
        os.truncate(path, 250 << 20)  # a hole: no disk is used in the source
        os.utime(path, (1e9, 1e9))

    async def work(station: Bench) -> None:
        started = await station.transfers.start_upload(EXPERIMENT, str(source), {"skipFilePathPattern": "*.tmp"})
        upload_id = str(started["id"])
        await until(lambda: station.transfers.upload(upload_id)["nProcessedFiles"])
        record = await station.transfers.stop_upload(upload_id)
        assert record["status"] == "aborting"
        record = await station.upload_over(upload_id)
        assert record["status"] == "aborted"
        stored = len(md5s(station.data))
        assert 1 <= stored < 24
        assert (record["countFiles"], record["nProcessedFiles"], record["nWaitingFiles"]) == (24, stored, 24 - stored)
        assert [path.name for path in station.data.iterdir() if path.name.startswith(".")] == []
        with pytest.raises(InvalidRequest, match="over"):
            await station.transfers.stop_upload(upload_id)

    run(tmp_path, work, TransferSettings(settle_s=0.1, abort_wait_s=0.05))


def test_history_outlives_clearing_and_restarts(tmp_path: Path) -> None:
    write(tmp_path / "source" / "a.h5")

    async def first(station: Bench) -> None:
        ids = [str((await station.upload())["id"]), str((await station.upload())["id"])]
        assert station.transfers.clear_upload(ids[0])["countFiles"] == 1
        assert [record["id"] for record in station.transfers.uploads()] == ids[1:]
        with pytest.raises(ObjectNotFound):
            station.transfers.upload(ids[0])
        assert [record["id"] for record in station.transfers.upload_records({})] == ids

    async def second(station: Bench) -> None:
        assert len(station.transfers.uploads()) == 1
        assert [r["countFiles"] for r in station.transfers.upload_records({"status": "done"})] == [1, 0]
        assert len(station.transfers.upload_records({"countFiles": 0, "experimentName": EXPERIMENT})) == 1
        assert station.transfers.upload_records({"experimentName": "other"}) == []

    run(tmp_path, first)
    run(tmp_path, second)
