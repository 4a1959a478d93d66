"""Copying files to temporary names, one after the other, each the same from beginning to end."""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
from typing import Any

from dmioc.localdm.copying.batches import CHANGED, FAILED, SAME, STORED, VANISHED, Batch, reason, remove, write_all

ONE_READ_BYTES = 4 << 20
"""Files up to this size are read in one go."""
CHUNK_BYTES = 1 << 20
WRITEBACK_BYTES = 8 << 20
"""A large file is pushed to the disk in steps of this size while it is copied, so that its fsync waits little."""
KNOWN_FOLDERS = 100_000

_SYNC_FILE_RANGE_WRITE = 2
_OPEN_SOURCE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OPEN_TEMPORARY = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class ChangedError(Exception):
    """The file is not, or no longer, the one that was asked for."""


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
