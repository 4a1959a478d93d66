"""Sessions of bluesky that send run metadata, as processes: which end in ways that a test cannot end in itself.

``metadata_driver.py ACTION PREFIX SPOOL ...`` prints what a test needs, one word or uid a line; no RunEngine is needed to
hand documents over.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import time
import uuid
from typing import Any

from dmioc.devices import DMMetadata

FILE_EVENTS = frozenset({"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir"})
PROMPT_S = 10.0


def say(*words: object) -> None:
    print(*words, flush=True)


def begin(callback: DMMetadata, run_uid: str) -> None:
    callback("start", {"uid": run_uid, "time": time.time()})
    callback("descriptor", {"uid": str(uuid.uuid4()), "run_start": run_uid, "name": "primary", "data_keys": {}})


def end(callback: DMMetadata, run_uid: str) -> None:
    callback("stop", {"uid": str(uuid.uuid4()), "run_start": run_uid, "time": time.time(), "exit_status": "success"})


def kept(callback: DMMetadata) -> None:
    """Wait until what was handed over is on disk, as a run that takes longer than a moment does by itself."""
    callback._started().keeper.drain(time.monotonic() + PROMPT_S)


def runs(prefix: str, spool: str, count: str, flush_s: str, timeout_s: str) -> None:
    """A session with some runs, which is left without further ado."""
    callback = DMMetadata(
        prefix, experiment="demo", spool_directory=spool, retry_period_s=0.2, timeout_s=float(timeout_s)
    )
    for _ in range(int(count)):
        run_uid = str(uuid.uuid4())
        begin(callback, run_uid)
        end(callback, run_uid)
        say(run_uid)
    if float(flush_s):
        say(callback.flush(float(flush_s)))


def killed(prefix: str, spool: str) -> None:
    """Sessions that are killed before their first touch of the spool, their second, and so on, until one comes to its end.

    Each has a spool of its own, named by that number. For each: its run's uid, and which of its documents were on disk.
    """
    number, status = 0, int(signal.SIGKILL)
    while not os.WIFEXITED(status):
        number += 1
        run_uid = str(uuid.uuid4())
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            session_to_kill(prefix, f"{spool}/{number}", run_uid, number, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            say(run_uid, pipe.read().replace("\n", " "))
        _, status = os.waitpid(child, 0)
    say("end", os.WEXITSTATUS(status))


def session_to_kill(prefix: str, spool: str, run_uid: str, number: int, pipe: int) -> None:
    touched = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touched
        if event in FILE_EVENTS and str(arguments[0]).startswith(spool):
            touched += 1
            if touched == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    callback = DMMetadata(prefix, experiment="demo", spool_directory=spool, retry_period_s=0.1, timeout_s=60)
    begin(callback, run_uid)
    kept(callback)
    os.write(pipe, b"start\n")
    end(callback, run_uid)
    kept(callback)
    os.write(pipe, b"stop\n")
    callback.close(PROMPT_S)
    os._exit(0)


def full_disk(prefix: str, spool: str) -> None:
    """A disk that takes nothing (a file may have 0 bytes), and later does; the gateway is away for all the time."""
    callback = DMMetadata(prefix, experiment="demo", spool_directory=spool, retry_period_s=0.05, timeout_s=0.2)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    run_uid = str(uuid.uuid4())
    begin(callback, run_uid)
    end(callback, run_uid)
    kept(callback)
    say(run_uid, callback.pending, len(list(callback.spool_directory.glob("*.json"))))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    while callback._opened_spool()._problem or not list(callback.spool_directory.glob("*.json")):
        time.sleep(0.01)
    say(callback.pending)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    {action.__name__: action for action in (runs, killed, full_disk)}[sys.argv[1]](*sys.argv[2:])
