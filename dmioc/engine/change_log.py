"""What changed since the last save, one line each, written before anybody is told of the change.

A save takes its time and a disk; a line appended to a file outlives ``kill -9`` of this process at once (and a loss of power
only when the operating system has written it). Each save begins a new file, ``autosave.log.<number>``; those before it are
of no more use when it is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dmioc.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "autosave.log."

Saved = int | float | str


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed at once: setpoints by PV name (enums by label), and by slot what it holds now."""

    setpoints: Mapping[str, Saved] = {}
    held: Mapping[str, Mapping[str, str]] = {}


class ChangeLog:
    """The file of the changes since one save. Calls come from one thread and take microseconds.

    Args:
        directory: the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._file: int | None = None

    def begin(self, number: int) -> None:
        """What is noted from now on comes after the state of this number."""
        self.close()
        self._number = number

    def note(self, changes: Changes) -> None:
        """Append; raises `StateFileError` naming the file."""
        # No Path, here and below: see `dmioc.engine.autosave`.
        path = f"{self._directory}/{PREFIX}{self._number}"
        try:
            if self._file is None:
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            # Escaped to ASCII: a text may hold half surrogates, which are not UTF-8.
            _write_all(self._file, json.dumps(msgspec.to_builtins(changes)).encode() + b"\n")
        except OSError as error:
            raise StateFileError(f"{path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; the next note opens one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def drop_before(directory: Path, number: int) -> None:
    """Remove the files whose changes are in the state of this number; one that cannot be removed does no harm."""
    with suppress(OSError):
        for at, path in _files(directory):
            if at < number:
                os.unlink(path)


def changes_since(directory: Path, number: int) -> tuple[list[Changes], list[str]]:
    """The changes after the state of this number, in their order, and a line for each part that could not be read.

    The last line of a file may be cut, when the process was killed in the middle of it: nobody was told of that change.
    """
    found: list[Changes] = []
    complaints: list[str] = []
    try:
        files = list(_files(directory))
    except OSError as error:
        return [], [f"changes since the last save are not used, {directory} cannot be listed: {error.strerror}"]
    for at, path in files:
        if at < number:
            continue
        try:
            lines = Path(path).read_bytes().split(b"\n")[:-1]
            found.extend(msgspec.convert(json.loads(line), Changes) for line in lines)
        except (OSError, ValueError) as error:
            complaints.append(f"{path} is not used to its end: {error}")
    return found, complaints


def _files(directory: Path) -> Iterator[tuple[int, str]]:
    """The files with their numbers, oldest first; raises `OSError`."""
    numbers = (name.removeprefix(PREFIX) for name in os.listdir(directory) if name.startswith(PREFIX))
    yield from sorted((int(number), f"{directory}/{PREFIX}{number}") for number in numbers if number.isdecimal())
