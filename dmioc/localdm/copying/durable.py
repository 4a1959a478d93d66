"""Making copies durable and giving them their final names, so that these never show a torn file."""

from __future__ import annotations

import ctypes
import os
import queue
from collections.abc import Callable

from dmioc.localdm.copying.batches import STORED, Batch

FSYNC_EACH = 24
"""Up to this many files are made durable one by one; more by one ``syncfs``."""

_RINGS_AT_ONCE = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def sync_file(path: str) -> None:
    """Make one file durable; raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Syncer:
    """Makes copied batches durable in a thread of its own, all that wait at once; tells through a pipe."""

    def __init__(self) -> None:
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._durable: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self.bell, self._bell_rope = os.pipe()
        self.in_hand = 0

    def put(self, batch: Batch) -> None:
        """Take over a copied batch."""
        self.in_hand += 1
        self._batches.put(batch)

    def take(self) -> list[Batch]:
        """The batches that have become durable; called when there is something to read at ``bell``."""
        os.read(self.bell, _RINGS_AT_ONCE)
        batches: list[Batch] = []
        while not self._durable.empty():
            batches.append(self._durable.get())
        self.in_hand -= len(batches)
        return batches

    def run(self) -> None:
        """Work until the process ends."""
        while True:
            group = [self._batches.get()]
            while not self._batches.empty():
                group.append(self._batches.get())
            make_durable(group)
            for batch in group:
                self._durable.put(batch)
            os.write(self._bell_rope, b".")


def make_durable(group: list[Batch]) -> None:
    """One ``syncfs`` for each file system with many files, an fsync for each of a few."""
    total = sum(len(batch.waiting) for batch in group)
    synced: dict[int, OSError | None] = {}
    for batch in group:
        if not batch.waiting:
            continue
        if total > FSYNC_EACH:
            device = os.stat(batch.staging).st_dev
            if device not in synced:
                synced[device] = sync_problem(batch.staging)
            batch.fail_all(synced[device])
            continue
        for index, temporary, _ in batch.waiting:
            try:
                sync_file(temporary)
            except OSError as problem:
                batch.fail(index, temporary, problem)


def sync_problem(folder: str) -> OSError | None:
    """Make durable all that was written on the folder's file system; what went wrong, if anything."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        return problem
    try:
        if _libc.syncfs(descriptor) == 0:
            return None
        code = ctypes.get_errno()
        return OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def place(batch: Batch, forget_directory: Callable[[str], None]) -> None:
    """Give the final names to the durable copies of a batch; told is a directory that may be gone."""
    for index, temporary, final in batch.waiting:
        if batch.results[index][0] != STORED or not final:
            continue
        try:
            rename(temporary, final)
        except OSError as problem:
            forget_directory(os.path.dirname(final))
            batch.fail(index, temporary, problem)
    if batch.sync_names and batch.waiting:
        batch.fail_all(sync_problem(batch.staging))


def rename(temporary: str, final: str) -> None:
    """Move the file to its final name, making its directory again if that was removed; raises `OSError`."""
    try:
        os.rename(temporary, final)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(temporary, final)
