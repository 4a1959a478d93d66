"""What a transfer knows of each of its files, and the counts that follow from it. Pure: no disk, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Phase(IntEnum):
    """Where a file is on its way; the numbers are stored on disk."""

    SETTLING = 0
    READY = 1
    COPYING = 2
    STORED = 3
    FAILED = 4
    EXISTING = 5  # there before a DAQ that takes only new files; not counted
    ABANDONED = 6  # left over by an upload that was stopped; counts as waiting for ever


class Observed(NamedTuple):
    """One look at a file: path relative to the tree, size, times in ns, and whether its age says that it is whole."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    settled: bool


@dataclass(slots=True)
class FileEntry:
    """One file. ``touched``: something happened to it during its copy; ``stored_bytes`` -1: never stored."""

    size_bytes: int
    modified_ns: int
    changed_ns: int
    phase: Phase
    due_s: float = 0.0
    attempts: int = 0
    stored_bytes: int = -1
    touched: bool = False
    known_md5: str = ""


LARGE_BYTES = 16 << 20
"""From this size on a file is large: it takes turns with the small ones."""
UNKNOWN_SIZE = -1
"""Size of a stored file whose source is gone: whatever appears there next is new."""


class FileTable:
    """The files of one transfer by path; every method is quick and leaves the counts right."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._files: dict[str, FileEntry] = {}
        self._settling: deque[tuple[float, str]] = deque()
        self._ready: deque[str] = deque()
        self._ready_large: deque[str] = deque()
        self._large_next = False
        self._counts = [0] * len(Phase)
        self.errors: dict[str, str] = {}
        self.processed_bytes = 0
        self.last_file = ""

    def count(self, *phases: Phase) -> int:
        """How many files are in these phases."""
        return sum(self._counts[phase] for phase in phases)

    @property
    def seen(self) -> int:
        """Files of this transfer, whatever their phase."""
        return len(self._files) - self._counts[Phase.EXISTING]

    @property
    def processed(self) -> int:
        """Files whose newest version is stored."""
        return self._counts[Phase.STORED]

    @property
    def failed(self) -> int:
        """Files whose newest version could not be stored."""
        return self._counts[Phase.FAILED]

    @property
    def waiting(self) -> int:
        """Files that are neither stored nor failed."""
        return self.seen - self.processed - self.failed

    @property
    def unfinished(self) -> int:
        """Files that something still has to be done with."""
        return self.count(Phase.SETTLING, Phase.READY, Phase.COPYING)

    @property
    def has_ready(self) -> bool:
        """Whether a file waits to be copied."""
        return self._counts[Phase.READY] > 0

    def entry(self, path: str) -> FileEntry | None:
        """What is known of a file."""
        return self._files.get(path)

    def restore(self, path: str, entry: FileEntry, error: str) -> None:
        """Take over a file from an earlier life (stored, failed or existing)."""
        self._files[path] = entry
        self._counts[entry.phase] += 1
        if entry.phase is Phase.FAILED:
            self.errors[path] = error
        if entry.phase is Phase.STORED:
            self.processed_bytes += entry.stored_bytes

    def _move(self, entry: FileEntry, phase: Phase) -> None:
        self._counts[entry.phase] -= 1
        self._counts[phase] += 1
        entry.phase = phase

    def observe(self, seen: Observed, now_s: float, added: bool = False) -> None:
        """Take note of a file: one that is new, or differs from what was stored or failed, goes on its way.

        ``added``: the system says that the name appeared just now, so that a file that was there before is another.
        """
        entry = self._files.get(seen.path)
        if entry is None:
            entry = FileEntry(seen.size_bytes, seen.modified_ns, seen.changed_ns, Phase.SETTLING)
            self._files[seen.path] = entry
            self._counts[Phase.SETTLING] += 1
        elif entry.phase is Phase.COPYING:
            entry.touched = True
            return
        elif entry.phase <= Phase.READY or entry.phase is Phase.ABANDONED:
            return
        elif _is_same(entry, seen) and not (added and entry.phase is Phase.EXISTING):
            return
        self._begin(entry, seen, now_s)

    def _begin(self, entry: FileEntry, seen: Observed, now_s: float) -> None:
        if entry.phase is Phase.FAILED:
            self.errors.pop(seen.path, None)
        if entry.phase is Phase.STORED:
            self.processed_bytes -= entry.stored_bytes
        self._look_at(entry, seen)
        entry.attempts = 0
        if seen.settled:
            self._make_ready(seen.path, entry)
        else:
            self._settle(seen.path, entry, now_s)

    def _look_at(self, entry: FileEntry, seen: Observed) -> None:
        entry.size_bytes, entry.modified_ns, entry.changed_ns = seen.size_bytes, seen.modified_ns, seen.changed_ns

    def _make_ready(self, path: str, entry: FileEntry) -> None:
        self._move(entry, Phase.READY)
        (self._ready_large if entry.size_bytes >= LARGE_BYTES else self._ready).append(path)

    def _settle(self, path: str, entry: FileEntry, now_s: float) -> None:
        self._move(entry, Phase.SETTLING)
        entry.due_s = now_s + self._settle_s
        self._settling.append((entry.due_s, path))

    def observe_existing(self, seen: Observed) -> bool:
        """Note a file that was there before the DAQ; False when it is known already."""
        if seen.path in self._files:
            return False
        self._files[seen.path] = FileEntry(seen.size_bytes, seen.modified_ns, seen.changed_ns, Phase.EXISTING)
        self._counts[Phase.EXISTING] += 1
        return True

    def next_due_s(self) -> float | None:
        """When the next settling file is to be looked at."""
        return self._settling[0][0] if self._settling else None

    def take_due(self, now_s: float, limit: int) -> list[str]:
        """Settling files to be looked at again now; each must then go to `looked`."""
        due: list[str] = []
        while self._settling and self._settling[0][0] <= now_s and len(due) < limit:
            due_s, path = self._settling.popleft()
            entry = self._files.get(path)
            if entry is not None and entry.phase is Phase.SETTLING and entry.due_s == due_s:
                due.append(path)
        return due

    def looked(self, path: str, seen: Observed | None, now_s: float) -> None:
        """Take note of the second look at a settling file: the same is ready, another settles again."""
        entry = self._files.get(path)
        if entry is None or entry.phase is not Phase.SETTLING:
            return
        if seen is None:
            self.vanished(path)
        elif (seen.size_bytes, seen.modified_ns) == (entry.size_bytes, entry.modified_ns):
            entry.changed_ns = seen.changed_ns
            self._make_ready(path, entry)
        else:
            self._look_at(entry, seen)
            self._settle(path, entry, now_s)

    def take_ready(self, max_files: int, max_bytes: int) -> list[tuple[str, FileEntry]]:
        """The next files to copy, at least one if any is ready; they are COPYING from now on.

        Small and large files take turns, so that neither kind waits for all of the other.
        """
        self._large_next = not self._large_next
        queues = (self._ready_large, self._ready) if self._large_next else (self._ready, self._ready_large)
        return self._take(queues[0], max_files, max_bytes) or self._take(queues[1], max_files, max_bytes)

    def _take(self, ready: deque[str], max_files: int, max_bytes: int) -> list[tuple[str, FileEntry]]:
        batch: list[tuple[str, FileEntry]] = []
        total_bytes = 0
        while ready and len(batch) < max_files:
            entry = self._files.get(ready[0])
            if entry is None or entry.phase is not Phase.READY:
                ready.popleft()
                continue
            total_bytes += entry.size_bytes
            if batch and total_bytes > max_bytes:
                break
            path = ready.popleft()
            self._move(entry, Phase.COPYING)
            entry.touched = False
            batch.append((path, entry))
        return batch

    def stored(self, path: str) -> bool:
        """The copy is in place and on record; True when the file was touched meanwhile and is to be looked at."""
        entry = self._files[path]
        self._move(entry, Phase.STORED)
        entry.stored_bytes = entry.size_bytes
        self.processed_bytes += entry.size_bytes
        self.last_file = path
        return entry.touched

    def failed_with(self, path: str, error: str) -> bool:
        """The file cannot be stored, until it changes; True when it was touched meanwhile and is to be looked at."""
        entry = self._files[path]
        self._move(entry, Phase.FAILED)
        self.errors[path] = error
        return entry.touched

    def vanished(self, path: str) -> None:
        """The source is gone before its copy: it is forgotten, or what was stored of it before counts."""
        entry = self._files[path]
        if entry.stored_bytes < 0:
            self._drop(path, entry)
            return
        self._move(entry, Phase.STORED)
        self.processed_bytes += entry.stored_bytes
        entry.size_bytes = UNKNOWN_SIZE

    def skipped(self, path: str) -> None:
        """The file turned out to be in storage already: it does not count."""
        self._drop(path, self._files[path])

    def _drop(self, path: str, entry: FileEntry) -> None:
        self._counts[entry.phase] -= 1
        del self._files[path]

    def source_gone(self, path: str) -> None:
        """The name was removed from the tree: whatever appears there next is another file."""
        entry = self._files.get(path)
        if entry is not None and entry.phase in (Phase.EXISTING, Phase.FAILED):
            self.errors.pop(path, None)
            self._drop(path, entry)
        elif entry is not None and entry.phase is Phase.STORED:
            entry.size_bytes = UNKNOWN_SIZE

    def settle_again(self, path: str, now_s: float) -> None:
        """The file changed before or during its copy."""
        self._settle(path, self._files[path], now_s)

    def try_again(self, path: str) -> int:
        """The copy process was lost: copy again; answers how often that has happened to this file."""
        entry = self._files[path]
        entry.attempts += 1
        self._make_ready(path, entry)
        return entry.attempts

    def retry(self, is_passing: Callable[[str], bool]) -> None:
        """Copy again the failed files whose error may have passed without a change of the file."""
        for path in [path for path, error in self.errors.items() if is_passing(error)]:
            del self.errors[path]
            self._make_ready(path, self._files[path])

    def paths(self, *phases: Phase) -> Iterator[str]:
        """The paths of the files in these phases, as they are now."""
        return iter([path for path, entry in self._files.items() if entry.phase in phases])

    def abandon(self, *phases: Phase) -> None:
        """Leave the files in these phases where they are for good."""
        for path in self.paths(*phases):
            self._move(self._files[path], Phase.ABANDONED)


def _is_same(entry: FileEntry, seen: Observed) -> bool:
    """Whether the file is the version that was stored; a failed one is tried again also after a change of mode."""
    if entry.phase is Phase.FAILED and entry.changed_ns != seen.changed_ns:
        return False
    return (entry.size_bytes, entry.modified_ns) == (seen.size_bytes, seen.modified_ns)
