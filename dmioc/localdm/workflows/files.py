"""Which files a job or a stage works on (``dm-protocol.md §6.4``, last keys of the table).

A path stays as it was given unless it is relative and a file of that name is found: the one recorded job with a
relative path shows it unresolved in the command (BSMI, ``§6.5``), and DM's rule is not known.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

from dmioc.localdm.wire import shortened

FindFiles = Callable[[str, Mapping[str, object]], Sequence[str]]

INVALID_INPUT = "Invalid input file specification."
FILE_KEYS = ("filePath", "filePathList", "filePathPattern", "fileQueryDict")


class InputError(Exception):
    """The files cannot be determined; the text begins with DM's own words for it."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(f"{INVALID_INPUT} {reason}".strip())


@dataclass(frozen=True, slots=True)
class InputFiles:
    """What was said about the files; absent parts are empty."""

    path: str = ""
    paths: tuple[str, ...] = ()
    pattern: str = ""
    query: Mapping[str, object] | None = None

    @property
    def is_given(self) -> bool:
        """Whether any file specification is there."""
        return bool(self.path or self.paths or self.pattern) or self.query is not None

    @property
    def is_path_alone(self) -> bool:
        """Whether nothing but ``filePath`` is there."""
        return bool(self.path) and not (self.paths or self.pattern) and self.query is None

    @property
    def named_count(self) -> int:
        """Files that are named one by one."""
        return len({self.path, *self.paths} - {""})


def input_files(keys: Mapping[str, Any]) -> InputFiles:
    """The file specification among the keys of a job or stage; raises `InputError` for a value of a wrong kind."""
    path, paths, pattern, query = (keys.get(key) for key in FILE_KEYS)
    for key, value in (("filePath", path), ("filePathPattern", pattern)):
        if value is not None and not isinstance(value, str):
            raise InputError(f"{key} must be text, not {shortened(repr(value))}")
    if isinstance(paths, str):  # the command line of DM can only give text
        paths = [part.strip() for part in paths.split(",")]
    if paths is not None and not _is_texts(paths):
        raise InputError(f"filePathList must be a list of texts, not {shortened(repr(paths))}")
    if query is not None and not isinstance(query, dict):
        raise InputError(f"fileQueryDict must be an object, not {shortened(repr(query))}")
    found_paths = tuple(item for item in cast(list[str], paths or []) if item)
    return InputFiles(path or "", found_paths, pattern or "", cast(Mapping[str, object] | None, query))


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast(list[object], value))


@dataclass(frozen=True, slots=True)
class FileResolver:
    """Turns a specification into paths; may look at the disk, so call it from a worker thread.

    ``directory`` answers where relative paths belong, or None where nobody said.
    """

    directory: Path | None
    experiment: str
    find_files: FindFiles | None
    max_files: int

    def resolved(self, files: InputFiles) -> list[str]:
        """The paths in the order path, list, pattern, query, each once; raises `InputError`."""
        named = [self._path(path) for path in (files.path, *files.paths) if path]
        found = list(dict.fromkeys([*named, *self._globbed(files.pattern), *self._queried(files.query)]))
        if len(found) > self.max_files:
            raise InputError(f"These are more files than one job may have: {self.max_files}.")
        if not found:
            raise InputError(f"No file fits {shortened(files.pattern or str(files.query))}.")
        return found

    def _path(self, path: str) -> str:
        if self.directory is None or Path(path).is_absolute():
            return path
        candidate = self.directory / path
        try:
            return str(candidate) if candidate.exists() else path
        except (OSError, ValueError):  # a name no file can have
            return path

    def _globbed(self, pattern: str) -> list[str]:
        if not pattern:
            return []
        if not Path(pattern).is_absolute() and self.directory is None:
            raise InputError(
                f"filePathPattern {shortened(pattern)} is relative: give dataDir or experimentName, or a whole path."
            )
        whole = str(Path(glob.escape(str(self.directory or "/"))) / pattern)
        found = (path for path in glob.iglob(whole, recursive=True) if Path(path).is_file())
        return sorted(islice(found, self.max_files + 1))

    def _queried(self, query: Mapping[str, object] | None) -> list[str]:
        if query is None:
            return []
        if self.find_files is None:
            raise InputError(
                "fileQueryDict is not known here: name the files by filePath, filePathList or filePathPattern."
            )
        return [self._path(path) for path in self.find_files(self.experiment, query)]
