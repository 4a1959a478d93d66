"""Watching a tree through the system: a process that watches (`tree_watcher`), a thread that hears it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import Change

from dmioc.localdm.transfers.file_table import Observed
from dmioc.localdm.transfers.priority import WATCH_NICENESS, make_way
from dmioc.localdm.transfers.scan import CHUNK_FILES, Tree, Walk, is_text

_SCRIPT = str(Path(__file__).with_name("tree_watcher.py"))


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
    """One watched tree; ``began``, ``report`` and ``ended`` are called in the hearing thread.

    ``began``: from now on the whole tree is watched.
    ``ended`` gets the reason when the system cannot watch, or cannot any longer; it is not called after `close`.
    """

    def __init__(
        self,
        tree: Tree,
        began: Callable[[], None],
        report: Callable[[Happened], None],
        ended: Callable[[str], None],
    ) -> None:
        self._tree = tree
        self._began = began
        self._report = report
        self._ended = ended
        self._closed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="tree-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch; does not wait."""
        self._thread.start()

    def close(self) -> None:
        """End the watch at once; nothing is reported any more."""
        self._closed.set()
        process = self._process
        if process is not None:
            process.kill()

    def _run(self) -> None:
        # -P: the directory of the script is no place to import from.
        command = [sys.executable, "-P", _SCRIPT, self._tree.root]
        pipe = subprocess.PIPE
        reason = "the watching process could not be started"
        try:
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
                self._process = process
                make_way(process.pid, WATCH_NICENESS)
                self._hear(process)
                process.kill()
                reason = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        except OSError as problem:
            reason = str(problem)
        if not self._closed.is_set():
            self._ended(reason or "the watching process has ended")

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        """Report until the process ends, the tree goes, or `close`."""
        heard = False
        for line in process.stdout or ():
            if self._closed.is_set():
                return
            if not heard:
                heard = True
                self._began()
            if not self._pass_on(json.loads(line)):
                return

    def _pass_on(self, group: list[tuple[str, int]]) -> bool:
        """Report a group of changes; False when the tree itself is gone."""
        happened = Happened()
        prefix = self._tree.root.rstrip("/") + "/"
        kinds: dict[str, set[int]] = {}
        for path, change in group:
            kinds.setdefault(path, set()).add(change)
        real: dict[str, bool] = {}
        for path, changes in kinds.items():
            if path == self._tree.root and not os.path.isdir(path):
                return False
            if path.startswith(prefix):
                self._sort(path[len(prefix) :], Change.added in changes, happened, real)
            if len(happened.seen) >= CHUNK_FILES:
                self._report(happened)
                happened = Happened()
        if happened.seen or happened.gone or happened.folders:
            self._report(happened)
        return True

    def _sort(self, path: str, added: bool, happened: Happened, real: dict[str, bool]) -> None:
        folder = path.rpartition("/")[0]
        if not is_text(path):
            happened.folders.append(folder)
            return
        if folder not in real:
            real[folder] = self._tree.is_real_folder(folder)
        if not real[folder]:
            return
        status = self._tree.status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            if added and self._tree.filter.enters(path.rpartition("/")[2]):
                happened.folders.append(path)
            return
        if not self._tree.filter.takes(path):
            happened.walk.skipped.add(path)
            return
        seen = None if status is None else self._tree.judge(path, status, 0, happened.walk)
        if seen is None:
            happened.gone.append(path)
        else:
            happened.seen.append((seen, added))
