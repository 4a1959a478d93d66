"""The process that copies: reads batches of files from its standard input, answers on its standard output.

Started by `copy_pool` as a script, so that it begins within a few hundredths of a second: it imports the standard
library only and nothing of dmioc. One JSON object a line each way.

Request: ``{"batch", "source", "target", "staging", "tree", "transfer", "checksum", "sync_names", "files"}``; a file is
``[path, size_bytes, modified_ns, known_md5]`` with the path relative to ``source``. Answer: ``{"batch", "results"}``
with ``[outcome, text]`` for each file in order; the text is the MD5 of a stored file and the reason of a failed one.
``{"batch"}`` alone says that a large batch is copied and has only to be made durable.

A file is written under a temporary name in ``staging`` (on the file system of ``target``), made durable, and renamed:
a name in ``target`` never shows a torn file. Copying runs ahead in one thread while another makes durable whatever is
waiting, many small files by one ``syncfs`` (which costs as much as fsync of a few dozen of them).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import queue
import select
import signal
import stat
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

STORED, SAME, CHANGED, VANISHED, FAILED = "stored", "same", "changed", "vanished", "failed"

ONE_READ_BYTES = 4 << 20
"""Files up to this size are read in one go."""
CHUNK_BYTES = 1 << 20
WRITEBACK_BYTES = 8 << 20
"""A large file is pushed to the disk in steps of this size while it is copied, so that its fsync waits little."""
LARGE_BATCH_BYTES = 32 << 20
"""A batch of this size is reported when it is copied and not yet durable, so that the next one can come."""
KNOWN_FOLDERS = 100_000
FSYNC_EACH = 24
"""Up to this many files are made durable one by one; more by one ``syncfs``."""

_PR_SET_PDEATHSIG = 1
_SYNC_FILE_RANGE_WRITE = 2
_OPEN_SOURCE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OPEN_TEMPORARY = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class ChangedError(Exception):
    """The file is not, or no longer, the one that was asked for."""


@dataclass(slots=True)
class Batch:
    """One request, and what became of its files so far."""

    number: int
    source: str
    target: str
    staging: str
    tree: bool
    transfer: bool
    checksum: bool
    sync_names: bool
    files: list[tuple[str, int, int, str]]
    results: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    waiting: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """Copied and not yet in place: index in ``results``, temporary name, final name (empty: stays)."""


def parse_batch(line: bytes) -> Batch:
    """The batch of a request line."""
    values: dict[str, Any] = json.loads(line)
    return Batch(
        number=values["batch"],
        source=values["source"],
        target=values["target"],
        staging=values["staging"],
        tree=values["tree"],
        transfer=values["transfer"],
        checksum=values["checksum"],
        sync_names=values["sync_names"],
        files=[(name, size, modified, known) for name, size, modified, known in values["files"]],
    )


def reason(problem: OSError) -> str:
    """What the system said, with the errno's name in words only."""
    return problem.strerror or str(problem)


class Copier:
    """Copies the files of batches to temporary names; keeps what it knows of the target's directories."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._count = 0
        self._buffer = memoryview(bytearray(CHUNK_BYTES))

    def copy(self, batch: Batch) -> None:
        """Copy every file of the batch; fills its ``results`` and ``waiting``."""
        for index, (name, size_bytes, modified_ns, known_md5) in enumerate(batch.files):
            temporary = self._temporary(batch, name)
            try:
                md5 = self._copy_one(batch, name, size_bytes, modified_ns, temporary)
            except ChangedError:
                result = (CHANGED, "")
            except (FileNotFoundError, NotADirectoryError) as problem:
                gone = not os.path.lexists(f"{batch.source}/{name}")
                result = (VANISHED, "") if gone else (FAILED, reason(problem))
            except OSError as problem:
                result = (FAILED, reason(problem))
            else:
                batch.results.append((STORED, md5))
                if known_md5 and md5 == known_md5:
                    batch.results[index] = (SAME, md5)
                    remove(temporary)
                elif batch.transfer:
                    final = "" if batch.tree else f"{batch.target}/{name}"
                    batch.waiting.append((index, temporary, final))
                continue
            batch.results.append(result)
            remove(temporary)

    def _temporary(self, batch: Batch, name: str) -> str:
        if not batch.transfer:
            return ""
        if batch.tree:
            return f"{batch.staging}/{name}"
        self._count += 1
        return f"{batch.staging}/{os.getpid()}-{self._count}"

    def _copy_one(self, batch: Batch, name: str, size_bytes: int, modified_ns: int, temporary: str) -> str:
        """The file's MD5 (empty when none was asked for) after copying it, the same from beginning to end."""
        path = f"{batch.source}/{name}"
        source = os.open(path, _OPEN_SOURCE)
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (size_bytes, modified_ns):
                raise ChangedError
            target = self._open_target(batch, name, temporary, status) if batch.transfer else -1
            try:
                md5 = hashlib.md5(usedforsecurity=False) if batch.checksum else None
                if size_bytes <= ONE_READ_BYTES:
                    copy_at_once(source, target, size_bytes, md5)
                else:
                    copy_in_chunks(source, target, size_bytes, md5, self._buffer)
                if target >= 0:
                    os.utime(target, ns=(status.st_atime_ns, modified_ns))
            finally:
                if target >= 0:
                    os.close(target)
        finally:
            os.close(source)
        if not is_still(path, status):
            raise ChangedError
        return md5.hexdigest() if md5 else ""

    def _open_target(self, batch: Batch, name: str, temporary: str, status: os.stat_result) -> int:
        """An open new file under the temporary name, and the directory where its final name will be."""
        folder = os.path.dirname(temporary if batch.tree else f"{batch.target}/{name}")
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)
            if len(self._made) >= KNOWN_FOLDERS:
                self._made.clear()
            self._made.add(folder)
        mode = stat.S_IMODE(status.st_mode) & 0o777 | 0o600
        if batch.tree:
            remove(temporary)  # an earlier copy of a file that has changed since
        try:
            return os.open(temporary, _OPEN_TEMPORARY, mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            return os.open(temporary, _OPEN_TEMPORARY, mode)

    def forget_directory(self, folder: str) -> None:
        """The directory may be gone: make it again before the next file."""
        self._made.discard(folder)


def copy_at_once(source: int, target: int, size_bytes: int, md5: Any) -> None:
    """Copy a small file between open descriptors (``target`` -1: only read), feeding the hash."""
    content = os.read(source, size_bytes + 1)
    if len(content) != size_bytes:
        raise ChangedError
    if md5 is not None:
        md5.update(content)
    if target >= 0:
        write_all(target, memoryview(content))


def copy_in_chunks(source: int, target: int, size_bytes: int, md5: Any, buffer: memoryview) -> None:
    """Copy a large file between open descriptors, feeding the hash and the disk on the way."""
    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    done = pushed = 0
    while count := os.readv(source, [buffer]):
        chunk = buffer[:count]
        if md5 is not None:
            md5.update(chunk)
        if target >= 0:
            write_all(target, chunk)
            if done + count - pushed >= WRITEBACK_BYTES:
                start_writeback(target, pushed, done + count - pushed)
                pushed = done + count
        done += count
        if done > size_bytes:
            break
    if done != size_bytes:
        raise ChangedError


def write_all(target: int, content: memoryview) -> None:
    """Write all of it, also where the system takes it in parts."""
    while content:
        content = content[os.write(target, content) :]


def start_writeback(target: int, offset: int, count: int) -> None:
    """Ask the kernel to begin writing that range; only a hint, so a refusal does not matter."""
    _libc.sync_file_range(target, ctypes.c_longlong(offset), ctypes.c_longlong(count), _SYNC_FILE_RANGE_WRITE)


def is_still(path: str, before: os.stat_result) -> bool:
    """Whether the path still names the file that was copied; one that was removed after the copy was whole."""
    try:
        now = os.stat(path)
    except FileNotFoundError:
        return True
    return (now.st_ino, now.st_size, now.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def remove(path: str) -> None:
    """Remove a temporary file that may not be there."""
    try:
        os.unlink(path)
    except OSError:
        return


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
        os.read(self.bell, CHUNK_BYTES)
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
            fail_all(batch, synced[device])
            continue
        for index, temporary, _ in batch.waiting:
            try:
                sync_file(temporary)
            except OSError as problem:
                fail(batch, index, temporary, problem)


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


def fail(batch: Batch, index: int, temporary: str, problem: OSError) -> None:
    """The copy is no good."""
    batch.results[index] = (FAILED, reason(problem))
    remove(temporary)


def fail_all(batch: Batch, problem: OSError | None) -> None:
    """No copy of the batch is good, if there is a problem."""
    if problem is not None:
        for index, temporary, _ in batch.waiting:
            fail(batch, index, temporary, problem)


def place(batch: Batch, copier: Copier) -> None:
    """Give the final names to the durable copies of a batch."""
    for index, temporary, final in batch.waiting:
        if batch.results[index][0] != STORED or not final:
            continue
        try:
            rename(temporary, final)
        except OSError as problem:
            copier.forget_directory(os.path.dirname(final))
            fail(batch, index, temporary, problem)
    if batch.sync_names and batch.waiting:
        fail_all(batch, sync_problem(batch.staging))


def rename(temporary: str, final: str) -> None:
    """Move the file to its final name, making its directory again if that was removed; raises `OSError`."""
    try:
        os.rename(temporary, final)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(temporary, final)


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
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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
        content = os.read(0, CHUNK_BYTES)
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
                place(batch, copier)
                answer(batch)
        if requests.lines:
            batch = parse_batch(requests.lines.popleft())
            copier.copy(batch)
            if sum(size_bytes for _, size_bytes, _, _ in batch.files) >= LARGE_BATCH_BYTES:
                write_line({"batch": batch.number})
            syncer.put(batch)


def main() -> None:
    """Serve the parent, whose process id is the argument."""
    end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve()


if __name__ == "__main__":
    main()
