"""Walking a tree and looking at its files; every function blocks and runs in a thread."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dmioc.localdm.transfers.file_table import Observed
from dmioc.localdm.transfers.filters import FileFilter

CHUNK_FILES = 400
SETTLED_AGES = 3
"""A file that a walk finds and that was last written more than this many settle times ago is taken as whole."""


@dataclass(slots=True)
class Walk:
    """What a walk of a tree or a part of it gives besides the files: problems by path, and files that were left out."""

    problems: dict[str, str] = field(default_factory=dict[str, str])
    skipped: set[str] = field(default_factory=set[str])
    links: set[str] = field(default_factory=set[str])
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree and what is taken of it: the real path of its root, the filters, the settle time in seconds."""

    root: str
    filter: FileFilter
    settle_s: float

    def walk(self, under: str, emit: Callable[[list[Observed]], None], stopped: Callable[[], bool]) -> Walk:
        """Walk the directory ``under`` (relative, empty for all), giving its files to ``emit`` in chunks.

        Directories that cannot be read and names that are not UTF-8 are problems of the answer. Ends early when
        ``stopped`` says so. Links to directories are not followed.
        """
        begin_s = time.monotonic()
        walk = Walk()
        chunk: list[Observed] = []
        folders = [under]
        while folders and not stopped():
            folder = folders.pop()
            self._walk_folder(folder, folders, chunk, walk)
            while len(chunk) >= CHUNK_FILES:
                emit(chunk[:CHUNK_FILES])
                del chunk[:CHUNK_FILES]
        if chunk:
            emit(chunk)
        walk.duration_s = time.monotonic() - begin_s
        return walk

    def _walk_folder(self, folder: str, folders: list[str], chunk: list[Observed], walk: Walk) -> None:
        prefix = f"{folder}/" if folder else ""
        settled_before_ns = self._settled_before_ns()
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if not is_text(entry.name):
                            walk.problems[printable(path)] = _NOT_TEXT
                        elif self.filter.enters(entry.name):
                            folders.append(path)
                        continue
                    seen = self._look(path, entry, settled_before_ns, walk)
                    if seen is not None:
                        chunk.append(seen)
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                walk.problems[self.root] = "the directory is not there"
        except OSError as problem:
            walk.problems[folder or self.root] = problem.strerror or str(problem)

    def _look(self, path: str, entry: os.DirEntry[str], settled_before_ns: int, walk: Walk) -> Observed | None:
        if not self.filter.takes(path):
            walk.skipped.add(path)
            return None
        if not is_text(path):
            walk.problems[printable(path)] = _NOT_TEXT
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return self.judge(path, status, settled_before_ns, walk)

    def judge(self, path: str, status: os.stat_result, settled_before_ns: int, walk: Walk) -> Observed | None:
        """The file of that status as it is taken, None when it is not; one last written before is settled."""
        if stat.S_ISLNK(status.st_mode):
            target = self._link_target(path)
            if target is None:
                walk.links.add(path)
                walk.skipped.add(path)
                return None
            status = target
        if not stat.S_ISREG(status.st_mode):
            walk.skipped.add(path)
            return None
        settled = status.st_mtime_ns < settled_before_ns
        return Observed(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, settled)

    def _settled_before_ns(self) -> int:
        return time.time_ns() - int(SETTLED_AGES * self.settle_s * 1e9)

    def _link_target(self, path: str) -> os.stat_result | None:
        """Status of the regular file that a link leads to inside the tree; None for every other link."""
        try:
            real = os.path.realpath(f"{self.root}/{path}", strict=True)
            status = os.stat(real)
        except OSError:
            return None
        inside = real.startswith(self.root.rstrip("/") + "/")
        return status if inside and stat.S_ISREG(status.st_mode) else None

    def look_at(self, paths: Iterable[str], walk: Walk | None = None) -> list[tuple[str, Observed | None]]:
        """Each file's state now; None for one that is gone or is nothing that is taken."""
        found: list[tuple[str, Observed | None]] = []
        walk = walk or Walk()
        settled_before_ns = self._settled_before_ns()
        for path in paths:
            status = self.status(path)
            seen = None if status is None else self.judge(path, status, settled_before_ns, walk)
            found.append((path, seen))
        return found

    def status(self, path: str) -> os.stat_result | None:
        """The status of what a relative path names, a link itself, None for nothing."""
        try:
            return os.lstat(f"{self.root}/{path}")
        except OSError:
            return None

    def is_real_folder(self, folder: str) -> bool:
        """Whether a relative path is a directory of this tree that walks enter: no link and no hidden part in it."""
        path = self.root
        for part in folder.split("/") if folder else ():
            path = f"{path}/{part}"
            if not self.filter.enters(part):
                return False
            try:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    return False
            except OSError:
                return False
        return True


_NOT_TEXT = "the name is not UTF-8; rename it"


def is_text(name: str) -> bool:
    """Whether a name from the file system is proper UTF-8: the records hold only text."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """A name with its undecodable bytes shown as escapes."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
