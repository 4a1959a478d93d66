"""The audit's file: lines appended, the file put aside when it has grown enough."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dmioc.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODE = 0o640


class RotatingFile:
    """A `dmioc.engine.ports.AuditWriter`: ``audit.log``, and the older ``audit.log.1``, ``audit.log.2`` …

    The file is opened for each batch, so that it may be moved or removed by others at any time.

    Args:
        path: of the newest.
        size_bytes: it is put aside before it grows beyond this.
        count: how many are kept, the newest included.
    """

    def __init__(self, path: Path, size_bytes: int, count: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._count = count

    def write(self, lines: Sequence[str]) -> None:
        """Append the lines, all or none; see `dmioc.engine.ports.AuditWriter.write`."""
        data = "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._put_aside_if_full(len(data))
            self._append(data)
        except OSError as error:
            raise StateFileError(f"audit file {self._path} cannot be written: {error.strerror or error}") from error

    def _append(self, data: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            before_bytes = os.fstat(file).st_size
            try:
                written = 0
                while written < len(data):
                    written += os.write(file, data[written:])
            except OSError:
                # No line stays that has only a beginning.
                with suppress(OSError):
                    os.ftruncate(file, before_bytes)
                raise
        finally:
            os.close(file)

    def _put_aside_if_full(self, more_bytes: int) -> None:
        size_bytes = self._path.stat().st_size if self._path.exists() else 0
        if size_bytes == 0 or size_bytes + more_bytes <= self._size_bytes:
            return
        for number in range(self._count - 1, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                os.replace(newer, older)
        if self._count == 1:
            self._path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
