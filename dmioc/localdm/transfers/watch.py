"""Watching a tree through the system (inotify, by watchfiles), in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from watchfiles import Change, watch

from dmioc.localdm.transfers.file_table import Observed
from dmioc.localdm.transfers.scan import CHUNK_FILES, Tree, Walk, is_text

_STEP_MS = 40
_DEBOUNCE_MS = 200


@dataclass(slots=True)
class Happened:
    """What happened in a tree since the last report."""

    seen: list[tuple[Observed, bool]] = field(default_factory=list[tuple[Observed, bool]])
    """Files as they are now, and whether their name is new."""
    gone: list[str] = field(default_factory=list[str])
    folders: list[str] = field(default_factory=list[str])
    """Directories that appeared: walk them, for the system may have missed what was put there at once."""
    walk: Walk = field(default_factory=Walk)


class TreeWatch:
    """One watched tree; ``report`` and ``ended`` are called in the watching thread.

    ``ended`` gets the reason when the system cannot watch, or cannot any longer; it is not called after `close`.
    """

    def __init__(self, tree: Tree, report: Callable[[Happened], None], ended: Callable[[str], None]) -> None:
        self._tree = tree
        self._report = report
        self._ended = ended
        self._stop = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tree-watch", daemon=True)

    def start(self, wait_s: float) -> None:
        """Begin; blocks until the whole tree is watched, the system has refused, or ``wait_s`` is over."""
        self._thread.start()
        self._began.wait(wait_s)

    def close(self) -> None:
        """End the watch; does not wait for the thread, which ends within a few hundredths of a second."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end after `close`."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._watch()
        except (OSError, RuntimeError) as problem:  # RuntimeError: WatchfilesRustInternalError is one
            self._end(str(problem))
        finally:
            self._began.set()

    def _end(self, reason: str) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self._ended(reason)

    def _watch(self) -> None:
        logging.getLogger("watchfiles.main").setLevel(logging.WARNING)  # it writes a line for each group of changes
        # With this time-out the first step of the generator ends soon: by then the whole tree is watched.
        changes = watch(
            self._tree.root,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_STEP_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for group in changes:
            self._began.set()
            if group:
                self._pass_on(group)

    def _pass_on(self, group: set[tuple[Change, str]]) -> None:
        happened = Happened()
        prefix = self._tree.root.rstrip("/") + "/"
        kinds: dict[str, set[Change]] = {}
        for change, path in group:
            kinds.setdefault(path, set()).add(change)
        real: dict[str, bool] = {}
        for path, changes in kinds.items():
            if path == self._tree.root:
                if not os.path.isdir(path):
                    self._end("the directory is not there")
                continue
            if path.startswith(prefix):
                self._sort(path[len(prefix) :], Change.added in changes, happened, real)
            if len(happened.seen) >= CHUNK_FILES:
                self._report(happened)
                happened = Happened()
        if happened.seen or happened.gone or happened.folders:
            self._report(happened)

    def _sort(self, path: str, added: bool, happened: Happened, real: dict[str, bool]) -> None:
        folder = path.rpartition("/")[0]
        if not is_text(path):
            happened.folders.append(folder)
            return
        if folder not in real:
            real[folder] = self._tree.is_real_folder(folder)
        if not real[folder]:
            return
        if self._tree.is_folder(path):
            if added and self._tree.filter.enters(path.rpartition("/")[2]):
                happened.folders.append(path)
            return
        if not self._tree.filter.takes(path):
            happened.walk.skipped.add(path)
            return
        [(_, seen)] = self._tree.look_at([path], happened.walk)
        if seen is None:
            happened.gone.append(path)
        else:
            happened.seen.append((seen._replace(settled=False), added))
