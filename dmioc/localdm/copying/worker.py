"""The process that copies: reads batches of files from its standard input, answers on its standard output (`batches`).

Started by `dmioc.localdm.transfers.copy_pool`, so that it begins within a few hundredths of a second: it imports the standard
library and this folder only.

A file is written under a temporary name in ``staging`` (on the file system of ``target``), made durable, and renamed:
a name in ``target`` never shows a torn file. Copying runs ahead in one thread while another makes durable whatever is
waiting, many small files by one ``syncfs`` (which costs as much as fsync of a few dozen of them).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import threading
from collections import deque

from dmioc.localdm.copying.batches import Batch, parse_batch, write_all
from dmioc.localdm.copying.copier import Copier
from dmioc.localdm.copying.durable import Syncer, place

LARGE_BATCH_BYTES = 32 << 20
"""A batch of this size is reported when it is copied and not yet durable, so that the next one can come."""
_READ_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


def answer(batch: Batch) -> None:
    """Write the answer line of a batch."""
    write_line({"batch": batch.number, "results": batch.results})


def write_line(fields: dict[str, object]) -> None:
    """Write one line to the parent; ends the process when that is gone."""
    line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
    try:
        write_all(1, memoryview(line))
    except BrokenPipeError:
        os._exit(0)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, also by SIGKILL in the middle of a copy."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


class Requests:
    """The request lines on the standard input."""

    def __init__(self) -> None:
        self._begun = b""
        self.lines: deque[bytes] = deque()
        self.closed = False

    def read(self) -> None:
        """Take what is there; call it when there is something, or the end."""
        content = os.read(0, _READ_BYTES)
        self.closed = not content
        *lines, self._begun = (self._begun + content).split(b"\n")
        self.lines.extend(lines)


def serve() -> None:
    """Copy and place until the input is closed and everything is answered.

    One thread does both, because two that make short system calls would spend their time on the interpreter's lock.
    """
    copier, syncer, requests = Copier(), Syncer(), Requests()
    threading.Thread(target=syncer.run, name="syncer", daemon=True).start()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(syncer.bell, select.POLLIN)
    while requests.lines or syncer.in_hand or not requests.closed:
        for descriptor, _ in poll.poll(0 if requests.lines else None):
            if descriptor == 0:
                requests.read()
                if requests.closed:
                    poll.unregister(0)
                continue
            for batch in syncer.take():
                place(batch, copier.forget_directory)
                answer(batch)
        if requests.lines:
            batch = parse_batch(requests.lines.popleft())
            copier.copy(batch)
            if batch.size_bytes >= LARGE_BATCH_BYTES:
                write_line({"batch": batch.number})
            syncer.put(batch)


def main(parent: int) -> None:
    """Serve the parent, whose process id is given."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve()
