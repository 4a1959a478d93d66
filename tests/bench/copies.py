"""A DAQ's copy, with its MD5 sums and its catalog, beside ``cp -r`` and ``md5sum``."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, times_at_most
from gateway_process import CaClient
from options import Options
from servers import bench_gateway, ca_client

COPY_MOST = 1.2
LARGE_FILES = 4
SMALL_BYTES = 20_000
IN_A_DIRECTORY = 500
COPIED_WITHIN_S = 900.0


def large_files(options: Options) -> Iterator[Figure]:
    """Four large files."""
    if options.large_mb:
        yield compared(f"{LARGE_FILES} x {options.large_mb} MB", LARGE_FILES, options.large_mb * 2**20, options)


def small_files(options: Options) -> Iterator[Figure]:
    """Many small files."""
    yield compared(f"{options.small_files} x 20 kB", options.small_files, SMALL_BYTES, options)


def compared(what: str, count: int, size_bytes: int, options: Options) -> Figure:
    """Both ways in turn; each time to a new directory, with all that was written before on the disk."""
    ours, plain = list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="dmioc-bench-") as directory:
        source = Path(directory) / "source"
        write_files(source, count, size_bytes)
        with bench_gateway() as gateway, ca_client(gateway) as ca:
            ca.put("PollPeriod", 0.1)
            for _ in range(options.copy_rounds):
                plain.append(plain_copy_s(source, Path(directory) / "plain"))
                ours.append(daq_s(ca, source, count))
    return times_at_most("DAQ", what, ours, plain, "s", COPY_MOST, "cp -r and md5sum")


def write_files(directory: Path, count: int, size_bytes: int) -> None:
    """Files of random bytes, some hundred in a directory."""
    for number in range(count):
        path = directory / f"d{number // IN_A_DIRECTORY:03}" / f"f{number:05}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for begin in range(0, size_bytes, 2**20):
                file.write(os.urandom(min(2**20, size_bytes - begin)))


def plain_copy_s(source: Path, target: Path) -> float:
    """Seconds of cp and md5sum."""
    os.sync()
    began_s = time.perf_counter()
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    with Path(f"{target}.md5").open("wb") as sums:
        subprocess.run(f"find '{target}' -type f -print0 | xargs -0 md5sum", shell=True, stdout=sums, check=True)
    took_s = time.perf_counter() - began_s
    shutil.rmtree(target)
    return took_s


def daq_s(ca: CaClient, source: Path, count: int) -> float:
    """Seconds from the put to Start until all files are stored, summed and in the catalog."""
    os.sync()
    stored_in = secrets.token_hex(4)
    ca.puts(
        "DAQ1:",
        DataDirectory=str(source),
        DestDirectory=stored_in,
        Options='{"processExistingFiles": true}',
        Expect=count,
        WaitTimeout=COPIED_WITHIN_S,
    )
    began_s = time.perf_counter()
    for command in ("DAQ1:Start", "DAQ1:Wait"):
        state, message = ca.command(command, COPIED_WITHIN_S)
        assert state == "OK", message
    took_s = time.perf_counter() - began_s
    ca.command("DAQ1:Stop")
    shutil.rmtree(Path(ca.get("EXP:DataDirectory")) / stored_in)
    return took_s
