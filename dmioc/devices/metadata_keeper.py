"""The thread that writes run metadata to disk while the runs go on."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dmioc.devices.run_documents import Belongs, Document, RunDocuments, RunRecord

if TYPE_CHECKING:
    from dmioc.devices.metadata_spool import MetadataSpool

_LOG = logging.getLogger(__name__)
_Item = tuple[str, Document] | threading.Event | None
"""A document by its name, a mark that is set when all before it is on disk, or None for the end."""


class MetadataKeeper:
    """Takes documents from the RunEngine's thread and keeps them in a spool; its thread starts with it.

    Args:
        spool: where runs are kept.
        belongs: which experiment and workflow they belong to.
        on_end: called in its thread when a run that has ended is kept.
    """

    def __init__(self, spool: MetadataSpool, belongs: Belongs, on_end: Callable[[], None]) -> None:
        self._spool = spool
        self._documents = RunDocuments(belongs)
        self._on_end = on_end
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._ends_taken = self._ends_kept = 0
        self._thread = threading.Thread(target=self._run, name="dmioc run metadata keeper", daemon=True)
        self._thread.start()

    def hand_over(self, name: str, document: Document) -> None:
        """Take a document; never waits."""
        if name == "stop":
            self._ends_taken += 1
        self._queue.put((name, document))

    @property
    def ends_to_keep(self) -> int:
        """Runs that have ended and are not in the spool yet."""
        return self._ends_taken - self._ends_kept

    def drain(self, deadline_s: float) -> bool:
        """Wait, until a monotonic time, for what was handed over to be in the spool; whether it is."""
        mark = threading.Event()
        self._queue.put(mark)
        return mark.wait(max(0.0, deadline_s - time.monotonic()))

    def stop(self, deadline_s: float) -> None:
        """As `drain`, and end the thread."""
        self._queue.put(None)
        self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _run(self) -> None:
        while True:
            items: list[_Item] = [self._queue.get()]
            while not self._queue.empty():
                items.append(self._queue.get())
            try:
                self._keep([item for item in items if isinstance(item, tuple)])
            except Exception:
                # The supervisor of the thread: the runs that follow must be kept whatever came up in this one.
                _LOG.exception("bug in keeping run metadata")
            for mark in items:
                if isinstance(mark, threading.Event):
                    mark.set()
            if None in items:
                return

    def _keep(self, documents: Iterable[tuple[str, Document]]) -> None:
        """Keep each run once, as its last document leaves it, in the order in which they ended."""
        changed: dict[str, RunRecord] = {}
        for name, document in documents:
            record = self._documents.take(name, document)
            changed.pop(record.run_uid, None)
            changed[record.run_uid] = record
        for record in changed.values():
            self._spool.keep(record)
            if record.stop is not None:
                self._ends_kept += 1
                self._on_end()
