from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from transfers_bench import Bench, bench, make_tree, md5s, until, write
from waiting import wait_until

DRIVER = Path(__file__).with_name("transfers_driver.py")


def driver(directory: Path, kind: str, *info: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(DRIVER), str(directory), kind, *info]
    environment = {**os.environ, "PYTHONPATH": str(DRIVER.parent)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def run_until_killed(directory: Path, kind: str, stored: int, *info: str) -> None:
    """Run the engine in a process and kill it when it has stored so many files; its children must end by themselves."""
    with driver(directory, kind, *info) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= stored:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert children or not stored
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def stored_inodes(data: Path) -> dict[str, int]:
    return {str(path.relative_to(data)): path.stat().st_ino for path in data.rglob("*.h5")}


@pytest.mark.parametrize("stored", [0, 1, 400])
def test_daq_goes_on_after_a_kill(tmp_path: Path, stored: int) -> None:
    make_tree(tmp_path / "source", 1200)
    write(tmp_path / "source" / "large.h5", b"0123456789abcdef" * (2 << 20))
    expected = md5s(tmp_path / "source")
    run_until_killed(tmp_path, "daq", stored, "processExistingFiles=True")
    data = tmp_path / "storage" / "data"
    visible = {path: md5 for path, md5 in md5s(data).items() if not path.startswith(".")}
    assert visible.items() <= expected.items(), "a torn file has its final name"
    before = stored_inodes(data)

    async def main() -> None:
        async with bench(tmp_path) as station:
            known = set(station.catalog_md5s())
            [record] = station.transfers.daqs()
            assert record["status"] == "running"
            assert int(str(record["nProcessedFiles"])) >= stored, "what was told before the kill is told at once"
            write(station.source / "later.h5", b"later")
            record = await station.processed(str(record["id"]), 1202)
            assert record["countFiles"] == 1202
            record = await station.stop_daq(str(record["id"]))
            assert record["nProcessedFiles"] == 1202
            assert record["processedBytes"] == sum(path.stat().st_size for path in station.source.rglob("*.h5"))
            assert md5s(station.data) == station.catalog_md5s() == md5s(station.source)
            after = stored_inodes(data)
            copied_twice = [path for path in before if path in known and after[path] != before[path]]
            # Only files whose state was not yet on record when the process was killed.
            assert stored < 400 or len(copied_twice) <= len(before) - 400

    asyncio.run(main())


def test_kill_loses_no_file_whose_source_is_to_be_removed(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 800)
    expected = md5s(tmp_path / "source")
    run_until_killed(tmp_path, "daq", 200, "processExistingFiles=True", "removeSourceFiles=True")

    async def main() -> None:
        async with bench(tmp_path) as station:
            [record] = station.transfers.daqs()
            record = await station.processed(str(record["id"]), 800)
            await station.stop_daq(str(record["id"]))
            assert md5s(station.data) == station.catalog_md5s() == expected
            assert md5s(station.source) == {}

    asyncio.run(main())


def test_upload_goes_on_after_a_kill(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 800)
    run_until_killed(tmp_path, "upload", 200)

    async def main() -> None:
        async with bench(tmp_path) as station:
            [record] = station.transfers.uploads()
            record = await station.upload_over(str(record["id"]))
            assert (record["status"], record["countFiles"], record["nProcessedFiles"]) == ("done", 800, 800)
            assert md5s(station.data) == station.catalog_md5s() == md5s(station.source)

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["files", "directory"])
def test_upload_counts_what_was_in_the_catalog_and_not_yet_in_its_state(tmp_path: Path, mode: str) -> None:
    make_tree(tmp_path / "source", 40)
    with driver(tmp_path, "upload-dies-when-cataloged", f"processingMode={mode}") as process:
        assert process.wait(timeout=30) == -signal.SIGKILL

    async def main() -> None:
        async with bench(tmp_path) as station:
            assert station.catalog_md5s(), "the process was killed before it had cataloged anything"
            [record] = station.transfers.uploads()
            record = await station.upload_over(str(record["id"]))
            assert (record["status"], record["countFiles"], record["nProcessedFiles"]) == ("done", 40, 40)
            assert md5s(station.data) == station.catalog_md5s() == md5s(station.source)

    asyncio.run(main())


def test_directory_upload_goes_on_after_a_kill(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 600)
    run_until_killed(tmp_path, "upload", 0, "processingMode=directory")

    async def main() -> None:
        async with bench(tmp_path) as station:
            [record] = station.transfers.uploads()
            record = await station.upload_over(str(record["id"]))
            assert (record["status"], record["nProcessedFiles"]) == ("done", 600)
            assert md5s(station.data) == station.catalog_md5s() == md5s(station.source)

    asyncio.run(main())


def test_stop_is_quick_and_what_it_leaves_is_resumed_without_copying_again(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 50)
    before: dict[str, int] = {}

    async def first() -> float:
        async with bench(tmp_path) as station:
            await station.processed(await station.daq(processExistingFiles=True), 50)
            before.update(stored_inodes(station.data))
            large = write(station.source / "large.h5")
            os.truncate(large, 4 << 30)  # a hole, so that its copy takes longer than the stop may
            os.utime(large, (1e9, 1e9))
            await until(lambda: station.transfers.daqs()[0]["countFiles"] == 51)
            begin_s = time.monotonic()
            await station.transfers.stop()
            return time.monotonic() - begin_s

    async def second() -> None:
        (tmp_path / "source" / "large.h5").unlink()
        write(tmp_path / "source" / "while away.h5")
        async with bench(tmp_path) as station:
            [record] = station.transfers.daqs()
            record = await station.processed(str(record["id"]), 51)
            after = stored_inodes(station.data)
            assert {path: after[path] for path in before} == before
            assert record["countFiles"] == 51
            assert len(md5s(station.data)) == 51 or station.transfers.daqs()[0]["status"] == "running"

    assert asyncio.run(first()) < 2
    asyncio.run(second())


def test_new_files_daq_remembers_what_was_there_at_its_start(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 30)

    async def first(station: Bench) -> None:
        daq_id = await station.daq()
        write(station.source / "new1.h5")
        await station.processed(daq_id, 1)

    async def second(station: Bench) -> None:
        [record] = station.transfers.daqs()
        await station.processed(str(record["id"]), 2)
        record = await station.stop_daq(str(record["id"]))
        assert record["countFiles"] == 2
        assert set(md5s(station.data)) == {"new1.h5", "new2.h5"}

    async def main() -> None:
        async with bench(tmp_path) as station:
            await first(station)
        write(tmp_path / "source" / "new2.h5")
        async with bench(tmp_path) as station:
            await second(station)
        async with bench(tmp_path) as station:
            assert [record["status"] for record in station.transfers.daqs()] == ["done"]

    asyncio.run(main())


def test_lost_copy_process_is_replaced(tmp_path: Path) -> None:
    make_tree(tmp_path / "source", 800)

    async def main() -> None:
        async with bench(tmp_path) as station:
            daq_id = await station.daq(processExistingFiles=True)
            await until(lambda: station.transfers.daq(daq_id)["nProcessedFiles"])
            for child in psutil.Process().children():
                if "dmioc.localdm.copying" in " ".join(child.cmdline()):
                    child.kill()
            record = await station.processed(daq_id, 800)
            assert record["nProcessingErrors"] == 0
            assert md5s(station.source) == station.catalog_md5s()

    asyncio.run(main())
