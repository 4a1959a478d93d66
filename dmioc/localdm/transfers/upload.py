"""An upload: transfers once what is in a directory tree and not yet in storage (``dm-protocol.md §5``)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from dmioc.localdm.transfers.file_table import Observed, Phase
from dmioc.localdm.transfers.keeping import Parts
from dmioc.localdm.transfers.records import ABORTED, ABORTING, DONE, FAILED, NOTHING_NEW, TransferRecord
from dmioc.localdm.transfers.scan import Walk
from dmioc.localdm.transfers.transfer import Outcome, Transfer

_SAME_TIME_S = 1e-6
"""The catalog holds times as floats, which are good to a fraction of a microsecond."""


class Upload(Transfer):
    """One upload.

    Files mode puts each file in place when it is copied. Directory mode copies the whole tree beside its place, moves
    it there when every file is copied, and then catalogs it; one file that fails fails the upload, and nothing of it
    is put in place.
    """

    def __init__(self, record: TransferRecord, parts: Parts) -> None:
        super().__init__(record, parts)
        self._aborting = record.status == ABORTING

    async def work(self) -> Outcome:
        """Find the files, see them through and judge the whole."""
        if not self._aborting:
            await self._find()
        await self.drain(self.parts.settings.stop_wait_s)
        if self.staged and not self.table.failed and not self._aborting:
            await self._put_tree_in_place()
        return self._judge()

    def _judge(self) -> Outcome:
        record, table = self.record, self.table
        if self._aborting:
            return Outcome(ABORTED, f"stopped on request; {table.processed} of {table.seen} files are stored")
        problems = [*table.errors.items(), *record.problems.items()]
        if problems:
            what = f"{table.failed} of {table.seen} files could not be stored: " if table.failed else ""
            return Outcome(FAILED, f"{what}{problems[0][0]}: {problems[0][1]}")
        return Outcome(DONE, "" if table.seen else NOTHING_NEW)

    async def abort(self) -> None:
        """Stop: what is being copied now may end, within a limit; the rest is left."""
        if self._aborting:
            return
        self._aborting = True
        self.ended = True  # ends the walk
        record = self.record
        record.status = ABORTING
        self.table.abandon(Phase.SETTLING, Phase.READY)
        asyncio.get_running_loop().call_later(self.parts.settings.abort_wait_s, self._end_copies)
        self.went_on()
        await self.parts.in_thread(self.parts.store.mark, record.number, record.status, False, False)

    def _end_copies(self) -> None:
        for worker in self.copying:
            worker.kill()

    def copy_lost(self) -> None:
        """Files of a lost copy process are left when the upload is being stopped."""
        if self._aborting:
            self.table.abandon(Phase.READY, Phase.SETTLING)

    # --- finding

    async def _find(self) -> None:
        loop = asyncio.get_running_loop()

        def emit(files: list[Observed]) -> None:
            known = self._split(files)
            loop.call_soon_threadsafe(self._found, *known)

        single = self.record.task.single_file

        def look() -> Walk:
            if not single:
                return self.tree.walk("", emit, lambda: self.ended)
            walk = Walk()
            emit([seen for _, seen in self.tree.look_at([single], walk) if seen is not None])
            return walk

        self.note_walk(await self.parts.in_thread(look), whole=True)

    def _found(self, wanted: list[Observed], unchanged: list[str], known_md5: dict[str, str]) -> None:
        if self._aborting:
            return
        self.known_md5.update(known_md5)
        self.skip(unchanged)
        self.observe(wanted)

    def _split(self, files: Sequence[Observed]) -> tuple[list[Observed], list[str], dict[str, str]]:
        """Files to transfer, those that are in storage unchanged, and MD5s of files to be compared. Blocks.

        A file of the size and time that its catalog entry has is unchanged. One of the same size and another time is
        read, and is unchanged when its MD5 is that of the entry. An entry made since this upload began may be its own,
        from before a kill that came ahead of the state on disk: such a file is transferred again, and so counts, has
        its job and loses its source.
        """
        record = self.record
        if record.task.reprocess:
            return list(files), [], {}
        names = {seen.path: record.catalog_path(seen.path) for seen in files}
        entries = self.parts.catalog.files_by_path(record.experiment, list(names.values()))
        wanted: list[Observed] = []
        unchanged: list[str] = []
        known_md5: dict[str, str] = {}
        for seen in files:
            entry = entries.get(names[seen.path])
            if self.table.entry(seen.path) is not None:
                wanted.append(seen)  # of an earlier life of this upload: the table knows better
            elif entry is None or entry.stored_s >= record.started_s:
                wanted.append(seen)
            elif entry.size_bytes != seen.size_bytes or not self._is_stored(seen):
                wanted.append(seen)
            elif abs(entry.modified_s - seen.modified_ns / 1e9) < _SAME_TIME_S:
                unchanged.append(seen.path)
            else:
                wanted.append(seen)
                known_md5[seen.path] = entry.md5
        return wanted, unchanged, known_md5

    def _is_stored(self, seen: Observed) -> bool:
        """Whether a file of that size is in its place in storage."""
        if self.record.task.skip_transfer:
            return True
        try:
            return os.stat(f"{self.record.target}/{seen.path}").st_size == seen.size_bytes
        except OSError:
            return False

    # --- directory mode

    async def _put_tree_in_place(self) -> None:
        staged, self.staged = self.staged, []
        if not self.record.task.skip_transfer:
            await self.parts.in_thread(put_in_place, self.record.staging, self.record.target, [f.path for f in staged])
        for file in staged:
            self.keeper.copied(file)
        await self.drain(self.parts.settings.stop_wait_s)


def put_in_place(staging: str, target: str, paths: Sequence[str]) -> None:
    """Move copied files to their final places, whole directories at once where there is none yet. Raises `OSError`."""
    os.makedirs(target, exist_ok=True)
    moved: set[str] = set()
    for path in paths:
        top = path.partition("/")[0]
        if top in moved:
            continue
        if not os.path.lexists(f"{target}/{top}"):
            os.rename(f"{staging}/{top}", f"{target}/{top}")
            moved.add(top)
            continue
        folder = os.path.dirname(f"{target}/{path}")
        os.makedirs(folder, exist_ok=True)
        os.rename(f"{staging}/{path}", f"{target}/{path}")
