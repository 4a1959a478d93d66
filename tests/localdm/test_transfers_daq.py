from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from transfers_bench import EXPERIMENT, Bench, bench, make_tree, md5s, until, write

from dmioc.localdm.transfers import TransferSettings


def run(tmp_path: Path, work: Callable[[Bench], Awaitable[None]], settings: TransferSettings | None = None) -> None:
    async def main() -> None:
        async with bench(tmp_path, settings) if settings else bench(tmp_path) as station:
            await work(station)

    asyncio.run(main())


def test_two_thousand_files_of_all_kinds_of_arrival(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 1000)

    def produce(source: Path, stopped: threading.Event) -> None:
        make_tree(source / "later", 700)
        for number in range(200):
            temporary = write(source / ".tmp" / str(number), b"renamed" * number)
            (source / f"r{number % 9}").mkdir(exist_ok=True)
            temporary.rename(source / f"r{number % 9}" / f"renamed{number}.h5")
        moved = source.parent / "moved"
        make_tree(moved, 99)
        moved.rename(source / "moved")
        slow = [source / f"slow{number}.h5" for number in range(1)]
        for part in range(8):
            for path in slow:
                with path.open("ab") as stream:
                    stream.write(f"part {part} ".encode() * 1000)
            stopped.wait(0.08)  # less than the settle time: a file that grows
        (source / "a0" / "b0" / "f00000.h5").write_bytes(b"changed later")

    longest_s = 0.0

    async def tick() -> None:
        nonlocal longest_s
        while True:
            begin_s = time.perf_counter()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.perf_counter() - begin_s)

    async def work(station: Bench) -> None:
        ticker = asyncio.create_task(tick())
        daq_id = await station.daq(processExistingFiles="True")
        await asyncio.to_thread(produce, station.source, threading.Event())
        record = await station.processed(daq_id, 2000)

        def is_changed_one_there() -> bool:
            return (station.data / "a0" / "b0" / "f00000.h5").read_bytes() == b"changed later"

        await until(is_changed_one_there)
        ticker.cancel()
        assert longest_s < 1.0, "the event loop stood still"  # a bound that a loaded machine keeps, too
        record = await station.stop_daq(daq_id)
        expected = md5s(station.source)
        assert len(expected) == 2000
        assert md5s(station.data) == expected
        assert station.catalog_md5s() == expected
        assert record["status"] == "done"
        assert record["countFiles"] == record["nProcessedFiles"] == record["nCompletedFiles"] == 2000
        assert record["nWaitingFiles"] == record["nProcessingErrors"] == 0
        assert record["percentageComplete"] == 100
        assert record["processedBytes"] == sum(p.stat().st_size for p in station.data.rglob("*") if p.is_file())

    run(tmp_path, work)


def test_record_is_dm_shaped_and_echoes_its_info(tmp_path: Path) -> None:
    async def work(station: Bench) -> None:
        started = await station.transfers.start_daq(
            EXPERIMENT, str(station.source), {"maxRunTimeInHours": "5", "sampleName": "s1", "status": "mine"}
        )
        assert started["status"] == "running"
        assert started["experimentName"] == EXPERIMENT
        assert started["experimentStationName"] == "DEMO"
        assert started["dataDirectory"] == str(station.source)
        assert started["storageDirectory"] == str(station.data)
        assert started["storageHost"] == "host"
        assert started["workflowJobOwner"] == "dmioc"
        assert (started["maxRunTimeInHours"], started["sampleName"]) == ("5", "s1")
        assert isinstance(started["startTimestamp"], str)
        assert isinstance(started["startTime"], float)
        assert started["processingErrors"] == []
        assert started["percentageComplete"] == 100
        assert "endTime" not in started
        assert "errorMessage" not in started
        stopped = await station.stop_daq(str(started["id"]))
        assert stopped["endTime"] >= started["startTime"]  # type: ignore[operator]
        assert isinstance(stopped["endTimestamp"], str)
        assert [record["id"] for record in station.transfers.daqs()] == [started["id"]]
        assert station.transfers.clear_daq(str(started["id"]))["status"] == "done"
        assert station.transfers.daqs() == []

    run(tmp_path, work)


def test_without_existing_files_only_new_and_changed_ones_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "source" / "old.h5")
    write(tmp_path / "source" / "old2.h5", age_s=0)

    async def work(station: Bench) -> None:
        daq_id = await station.daq()
        write(station.source / "new.h5", b"new", age_s=0)
        write(station.source / "folder" / "deep" / "new2.h5", b"new2")
        await station.processed(daq_id, 2)
        (station.source / "old.h5").write_bytes(b"changed")
        await station.processed(daq_id, 3)
        await station.stop_daq(daq_id)
        assert set(md5s(station.data)) == {"new.h5", "folder/deep/new2.h5", "old.h5"}

    run(tmp_path, work)


def test_file_that_is_written_in_place_of_a_stored_one_is_stored_again(tmp_path: Path) -> None:
    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        for content in (b"first", b"second", b"third"):
            write(station.source / "scan.h5", content, age_s=0)
            await until(lambda: md5s(station.data) == md5s(station.source))
        record = await station.processed(daq_id, 1)
        assert record["countFiles"] == 1
        assert record["processedBytes"] == len(b"third")

    run(tmp_path, work)


FILTER_CASES = [
    ({}, {"a.h5", "b.TIF", "sub/c.h5", "sub/d.txt"}),
    ({"includeFileExtensions": "h5,.tif"}, {"a.h5", "b.TIF", "sub/c.h5"}),
    ({"excludeFileExtensions": "txt, h5"}, {"b.TIF"}),
    ({"filePathPattern": "sub/*"}, {"sub/c.h5", "sub/d.txt"}),
    ({"skipFilePathPattern": "*.txt,b.*"}, {"a.h5", "sub/c.h5"}),
    ({"processHiddenFiles": "True"}, {"a.h5", "b.TIF", "sub/c.h5", "sub/d.txt", ".e.h5", ".hid/f.h5"}),
]


@pytest.mark.parametrize(("info", "taken"), FILTER_CASES)
def test_filters(tmp_path: Path, info: dict[str, object], taken: set[str]) -> None:
    for name in ("a.h5", "b.TIF", "sub/c.h5", "sub/d.txt", ".e.h5", ".hid/f.h5"):
        write(tmp_path / "source" / name, name.encode())

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True, **info)
        await station.processed(daq_id, len(taken))
        record = await station.stop_daq(daq_id)
        assert set(md5s(station.data)) == taken
        assert record["countFiles"] == len(taken)

    run(tmp_path, work)


def test_destination_below_data_and_below_analysis(tmp_path: Path) -> None:
    write(tmp_path / "source" / "x" / "a.h5", b"a")

    async def work(station: Bench) -> None:
        first = await station.daq(processExistingFiles=True, destDirectory="sample/1/")
        await station.processed(first, 1)
        await station.stop_daq(first)
        second = await station.daq(processExistingFiles=True, useAnalysisDirectoryAsRoot=True, destDirectory="fit")
        record = await station.processed(second, 1)
        assert record["storageDirectory"] == str(station.storage / "analysis")
        assert record["lastFile"] == "fit/x/a.h5"
        await station.stop_daq(second)
        assert set(md5s(station.data)) == {"sample/1/x/a.h5"}
        assert set(md5s(station.storage / "analysis")) == {"fit/x/a.h5"}
        assert set(station.catalog_md5s()) == {"sample/1/x/a.h5", "analysis/fit/x/a.h5"}

    run(tmp_path, work)


def test_links_and_special_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source / "real.h5", b"real")
    outside = write(tmp_path / "outside.h5", b"secret")
    (source / "inside-link.h5").symlink_to("real.h5")
    (source / "outside-link.h5").symlink_to(outside)
    (source / "broken-link.h5").symlink_to("nothing")
    (source / "folder-link").symlink_to(tmp_path)
    os.mkfifo(source / "pipe")

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        await station.processed(daq_id, 2)
        record = await station.stop_daq(daq_id)
        assert md5s(station.data).keys() == {"real.h5", "inside-link.h5"}
        assert record["nProcessingErrors"] == 0
        assert record["filesSkipped"] == 4

    run(tmp_path, work)


def test_file_that_cannot_be_stored_is_an_error_until_it_changes(tmp_path: Path) -> None:
    write(tmp_path / "source" / "good.h5", b"good")
    write(tmp_path / "source" / "bad.h5", b"bad")

    async def work(station: Bench) -> None:
        (station.data / "bad.h5" / "in the way").mkdir(parents=True)
        daq_id = await station.daq(processExistingFiles=True)
        await until(lambda: station.transfers.daq(daq_id)["nProcessingErrors"] == 1)
        record = await station.processed(daq_id, 1)
        assert record["countFiles"] == 2
        assert record["percentageComplete"] == 50
        [error] = record["processingErrors"]  # type: ignore[misc]
        assert error.startswith("bad.h5: ")
        shutil.rmtree(station.data / "bad.h5")
        write(station.source / "bad.h5", b"better")
        record = await station.processed(daq_id, 2)
        assert record["processingErrors"] == []
        assert (station.data / "bad.h5").read_bytes() == b"better"

    run(tmp_path, work)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "source" / "locked.h5", b"locked").chmod(0)

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        await until(lambda: station.transfers.daq(daq_id)["nProcessingErrors"] == 1)
        (station.source / "locked.h5").chmod(0o600)
        await station.processed(daq_id, 1)

    run(tmp_path, work)


def test_name_that_is_no_text_is_a_problem_and_no_failure(tmp_path: Path) -> None:
    write(tmp_path / "source" / "good.h5")
    (tmp_path / "source").mkdir(exist_ok=True)
    with open(os.fsencode(tmp_path / "source") + b"/bad\xff.h5", "wb") as stream:
        stream.write(b"x")

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        record = await station.processed(daq_id, 1)
        assert record["nProcessingErrors"] == 1
        assert record["processingErrors"] == ["bad\\xff.h5: the name is not UTF-8; rename it"]
        assert (await station.stop_daq(daq_id))["status"] == "done"

    run(tmp_path, work)


def test_file_that_vanishes_before_it_is_settled_does_not_count(tmp_path: Path) -> None:
    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        write(station.source / "kept.h5", age_s=0)
        gone = write(station.source / "gone.h5", age_s=0)
        await until(lambda: station.transfers.daq(daq_id)["countFiles"] == 2)
        gone.unlink()
        record = await station.processed(daq_id, 1)
        assert record["countFiles"] == 1
        assert record["nProcessingErrors"] == 0

    run(tmp_path, work, TransferSettings(settle_s=0.5))


def test_stop_waits_for_a_growing_file_within_a_limit(tmp_path: Path) -> None:
    stopped = threading.Event()

    def grow(path: Path) -> None:
        while not stopped.wait(0.02):
            with path.open("ab") as stream:
                stream.write(b"more")

    async def work(station: Bench) -> None:
        write(station.source / "whole.h5")
        path = write(station.source / "growing.h5")
        growth = threading.Thread(target=grow, args=(path,))
        growth.start()
        try:
            daq_id = await station.daq(processExistingFiles=True)
            await until(lambda: station.transfers.daq(daq_id)["nProcessedFiles"] == 1)
            record = await station.stop_daq(daq_id)
        finally:
            stopped.set()
            growth.join()
        assert record["status"] == "done"
        assert record["nProcessingErrors"] == 1
        assert "still changing" in str(record["processingErrors"])
        assert set(md5s(station.data)) == {"whole.h5"}

    run(tmp_path, work, TransferSettings(settle_s=0.15, stop_wait_s=0.5))


def test_run_time_limit_ends_the_daq(tmp_path: Path) -> None:
    write(tmp_path / "source" / "a.h5")

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True, maxRunTimeInHours=str(0.3 / 3600))
        await until(lambda: station.transfers.daq(daq_id)["status"] == "done")
        assert station.transfers.daq(daq_id)["nProcessedFiles"] == 1

    run(tmp_path, work)


def test_sources_are_removed_once_stored(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 60)
    expected = md5s(tmp_path / "source")

    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True, removeSourceFiles="true")
        await station.processed(daq_id, 60)
        assert md5s(station.data) == expected
        await until(lambda: md5s(station.source) == {})
        write(station.source / "a0" / "b0" / "f00000.h5", b"again")
        await until(lambda: (station.data / "a0" / "b0" / "f00000.h5").read_bytes() == b"again")
        record = await station.stop_daq(daq_id)
        assert record["countFiles"] == record["nProcessedFiles"] == 60

    run(tmp_path, work)


def test_workflow_is_started_for_each_stored_file(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 25)

    async def work(station: Bench) -> None:
        daq_id = await station.daq(
            processExistingFiles=True,
            workflowName="xrf",
            workflowOwner="user2idd",
            workflowArgs="qmap:eiger.h5 gpu:-2",
            destDirectory="raw",
        )
        await station.processed(daq_id, 25)
        await station.stop_daq(daq_id)
        assert {(owner, workflow) for owner, workflow, _ in station.jobs.started} == {("user2idd", "xrf")}
        paths = {f"raw/{path}" for path in md5s(station.source)}
        assert sorted(str(a["experimentFilePath"]) for _, _, a in station.jobs.started) == sorted(paths)
        for _, _, arguments in station.jobs.started:
            assert arguments["filePath"] == f"{station.data}/{arguments['experimentFilePath']}"
            assert arguments["experimentName"] == EXPERIMENT
            assert (arguments["qmap"], arguments["gpu"]) == ("eiger.h5", "-2")

    run(tmp_path, work)


def test_workflow_that_is_refused_is_said_once(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 5)

    async def work(station: Bench) -> None:
        station.jobs.refuse = True
        daq_id = await station.daq(processExistingFiles=True, workflowName="none", workflowOwner="me")
        await station.processed(daq_id, 5)
        record = await station.stop_daq(daq_id)
        assert record["processingErrors"] == ["workflow none: Workflow none does not exist."]
        assert record["nProcessingErrors"] == 1

    run(tmp_path, work)


def test_steps_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "source" / "a.h5", b"a")

    async def one(station: Bench, **info: object) -> None:
        daq_id = await station.daq(processExistingFiles=True, **info)
        await station.processed(daq_id, 1)
        await station.stop_daq(daq_id)

    async def work(station: Bench) -> None:
        await one(station, skipTransfer=True, destDirectory="1")
        await one(station, skipChecksum=True, destDirectory="2")
        await one(station, skipCatalog=True, destDirectory="3")
        assert set(md5s(station.data)) == {"2/a.h5", "3/a.h5"}
        md5 = md5s(station.source)["a.h5"]
        assert station.catalog_md5s() == {"1/a.h5": md5, "2/a.h5": ""}

    run(tmp_path, work)


def test_upload_on_exit(tmp_path: Path) -> None:
    notes = write(tmp_path / "notes" / "log.txt", b"log").parent

    async def work(station: Bench) -> None:
        info = {"uploadDataDirectoryOnExit": str(notes), "uploadDestDirectoryOnExit": "logs"}
        daq_id = await station.daq(**info)
        await station.stop_daq(daq_id)
        [upload] = station.transfers.uploads()
        assert (await station.upload_over(str(upload["id"])))["status"] == "done"
        assert set(md5s(station.data)) == {"logs/log.txt"}

    run(tmp_path, work)


def test_tree_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    async def work(station: Bench) -> None:
        daq_id = await station.daq(processExistingFiles=True)
        write(station.source / "a.h5")
        await station.processed(daq_id, 1)
        station.source.rename(tmp_path / "away")
        await until(lambda: station.transfers.daq(daq_id)["nProcessingErrors"] == 1)
        write(station.source / "b.h5")
        record = await station.processed(daq_id, 2)
        assert record["nProcessingErrors"] == 0

    run(tmp_path, work, TransferSettings(settle_s=0.1, rescan_unwatched_s=0.1))
