"""`DMMetadata`: a callback for the RunEngine that gives DM the metadata of every run."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dmioc.devices.metadata_keeper import MetadataKeeper
from dmioc.devices.metadata_sender import MetadataSender
from dmioc.devices.metadata_spool import MetadataSpool, default_spool_directory
from dmioc.devices.prefix import default_prefix
from dmioc.devices.rpc import StationRpc
from dmioc.devices.run_documents import Belongs, is_collected
from dmioc.errors import StateFileError

_LOG = logging.getLogger(__name__)
_EXIT_TIMEOUT_S = 5.0
"""How long the end of the interpreter may wait for documents to be on disk."""
_NO_DIRECTORY = Path("/dev/null")
"""Where nothing can be written: the spool then keeps everything in memory."""


class DMMetadata:
    """Collects start, descriptors and stop (not the data) of each run, and sends them to DM's catalog when it has stopped.

    To be given to the RunEngine::

        RE.subscribe(DMMetadata("25IDC:DM:"))

    A call only hands a document over to a thread, which writes it to disk a moment later; another thread sends. What cannot be
    sent, since the gateway or DM is away, the experiment is not set or not known to DM, stays on disk and is sent later in
    the order in which the runs ended, also by a later process. What DM refuses holds up nothing else. A run whose
    process was killed is sent by the next process as it was then, with ``stop`` null. Nothing is started before the first
    document or `flush`.

    DM gets a dataset ``run_uid8_<first 8 characters of the uid>`` with ``start``, ``descriptors`` and ``stop`` as
    ``bluesky_metadata`` (``dm-protocol.md §7.2``). If that name is in use (by another run, by somebody who sent the same run, or
    since DM's answer to an earlier attempt was lost) the dataset is ``run_uid_<uid>``; if that is in use too, DM has
    this run. What JSON does not know becomes text or lists, see `dmioc.devices.json_values.json_value`.
    Metadata longer than ``limit_bytes`` are sent with their largest values replaced by words, which the key
    ``dmioc_left_out`` tells, and are kept whole in the spool's folder ``whole``.

    Args:
        prefix: of the station's PVs; that of `default_prefix` at first use when None.
        experiment: the DM experiment of all runs. When empty, the one that the start document names under
            ``experiment_key``, else the one in use at the station (``EXP:Name``) when the run has stopped: it is read
            then and written down, or, if the gateway is away or none is in use, as soon as there is one.
        workflow: name of the DM workflow the runs belong to; when empty, the start document's ``workflow_key``, else none.
        experiment_key, workflow_key: keys of the start document.
        spool_directory: where runs wait; `default_spool_directory` when None. Processes may share it.
        retry_period_s: how soon what was not sent is tried again.
        timeout_s: longest time for an answer of the gateway.
        limit_bytes: longest JSON to send; that of the gateway's PV for metadata when None.
    """

    def __init__(
        self,
        prefix: str | None = None,
        *,
        experiment: str = "",
        workflow: str = "",
        experiment_key: str = "dm_experiment",
        workflow_key: str = "dm_workflow",
        spool_directory: str | Path | None = None,
        retry_period_s: float = 30.0,
        timeout_s: float = 10.0,
        limit_bytes: int | None = None,
    ) -> None:
        self._prefix = prefix
        self._belongs = Belongs(experiment, workflow, experiment_key, workflow_key)
        self._spool_directory = spool_directory
        self._retry_period_s = retry_period_s
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._spool: MetadataSpool | None = None
        self._threads: _Threads | None = None

    def __call__(self, name: str, document: Mapping[str, object]) -> None:
        """Take a document; returns at once and never raises, whatever the disk and the gateway do."""
        if is_collected(name):
            self._started().keeper.hand_over(name, document)

    def __enter__(self) -> DMMetadata:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """Runs that have ended and are not in DM yet, also those of other processes that share the spool."""
        with self._lock:
            threads = self._threads
        to_keep = 0 if threads is None else threads.keeper.ends_to_keep
        return to_keep + len(self._opened_spool().names())

    @property
    def spool_directory(self) -> Path:
        """The folder of this station's runs that wait; it is made when the first one does."""
        return self._opened_spool().directory

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send now what waits, also what earlier processes left; whether nothing is left.

        Returns when all is sent or has been refused once more, or after ``timeout_s``.
        """
        threads = self._started()
        deadline_s = time.monotonic() + timeout_s
        return threads.keeper.drain(deadline_s) and threads.sender.flush(deadline_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Write everything to disk, send what can be sent in ``timeout_s``, and end the threads; whether nothing is left.

        Documents that come afterwards start them again.
        """
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.close(time.monotonic() + timeout_s)
        return self.pending == 0

    def _opened_spool(self) -> MetadataSpool:
        with self._lock:
            return self._spool_unlocked()

    def _spool_unlocked(self) -> MetadataSpool:
        if self._spool is None:
            self._prefix = default_prefix() if self._prefix is None else self._prefix
            self._spool = MetadataSpool(_directory(self._spool_directory), self._prefix)
        return self._spool

    def _started(self) -> _Threads:
        with self._lock:
            if self._threads is None:
                spool = self._spool_unlocked()
                rpc = StationRpc(self._prefix, self._timeout_s)
                sender = MetadataSender(rpc, spool, self._limit_bytes, self._retry_period_s)
                keeper = MetadataKeeper(spool, self._belongs, sender.wake)
                self._threads = _Threads(spool, rpc, sender, keeper)
                atexit.register(self._threads.at_exit)
            return self._threads


@dataclass(frozen=True, slots=True)
class _Threads:
    """What works behind the callback."""

    spool: MetadataSpool
    rpc: StationRpc
    sender: MetadataSender
    keeper: MetadataKeeper

    def at_exit(self) -> None:
        """Have everything on disk before the interpreter ends its threads; what is not sent is left to the next process."""
        if not self.keeper.drain(time.monotonic() + _EXIT_TIMEOUT_S):
            _LOG.error("run metadata: %s is too slow: the last documents may be lost", self.spool.directory)

    def close(self, deadline_s: float) -> None:
        """Keep everything, send what can be sent, and end."""
        self.keeper.stop(deadline_s)
        self.sender.flush(deadline_s)
        self.sender.stop(deadline_s)
        self.spool.close()
        self.rpc.close()
        atexit.unregister(self.at_exit)


def _directory(given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).expanduser()
    try:
        return default_spool_directory()
    except StateFileError as error:
        _LOG.error("run metadata: %s", error)
        return _NO_DIRECTORY
