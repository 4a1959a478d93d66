"""What the engine needs from the outside, as protocols: a DM, a clock, a sink for readings.

``dm`` implements `DmBackend`, ``serve`` implements `Sink`, ``app`` joins them; the engine imports neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dmioc.engine.readings import Reading, StructureReading, TableReading
from dmioc.model import Experiment, Job, JobSummary, NewExperiment, Service, Transfer, TransferKind, Workflow
from dmioc.model.record import RecordKind

__all__ = [
    "AccessDecision",
    "AccessRequest",
    "AccessRules",
    "AuditWriter",
    "Clock",
    "DmBackend",
    "Service",
    "Sink",
    "StructureSink",
]


class DmBackend(Protocol):
    """DM as the engine sees it.

    Every method raises `dmioc.errors.DmUnreachableError` when DM gives no whole answer before the deadline of the backend,
    `DmAnswerError` when the answer makes no sense, and `DmRefusedError` (or a child of it) when DM says no. No method blocks the
    loop, and each may be cancelled.
    """

    @property
    def name(self) -> str:
        """What serves: ``local``, ``rest`` or ``aps-dm-api``."""
        ...

    @property
    def station(self) -> str:
        """Name of the DM station, e.g. ``25IDC``."""
        ...

    @property
    def owner(self) -> str:
        """DM user that owns jobs: the login user."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent to DM since start, logins included."""
        ...

    @property
    def request_errors(self) -> int:
        """Requests that ended in an error of any kind since start."""
        ...

    async def experiments(self) -> Sequence[Experiment]:
        """Every experiment of the station, in DM's order, without directories and users."""
        ...

    async def experiment(self, name: str) -> Experiment:
        """One experiment, complete; raises `DmNotFoundError`."""
        ...

    async def create_experiment(self, new: NewExperiment) -> Experiment:
        """Create an experiment and answer it as DM stored it; raises `DmExistsError`."""
        ...

    async def start_daq(self, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
        """Start a DAQ; ``options`` are DM's own ``daqInfo`` keys (``dm-protocol.md §4.3``)."""
        ...

    async def start_upload(self, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
        """Start an upload of a directory, or of one file in it by ``experimentFilePath``."""
        ...

    async def stop_transfer(self, transfer: Transfer) -> None:
        """Ask DM to stop a DAQ (by experiment and directory) or an upload (by id); DM may need time to do it."""
        ...

    async def transfers(self, kind: TransferKind) -> Sequence[Transfer]:
        """Every DAQ or upload that DM lists, running and finished."""
        ...

    async def transfer(self, kind: TransferKind, transfer_id: str) -> Transfer:
        """One DAQ or upload; raises `DmNotFoundError`."""
        ...

    async def workflows(self, owner: str) -> Sequence[Workflow]:
        """Every workflow of an owner."""
        ...

    async def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> Job:
        """Submit a job; raises `DmNotFoundError` for a workflow DM does not know."""
        ...

    async def stop_job(self, owner: str, job_id: str) -> None:
        """Ask DM to abort a job; DM may need time to do it."""
        ...

    async def jobs(self, owner: str, skip: int, limit: int, with_workflow: bool) -> Sequence[JobSummary]:
        """A page of the owner's jobs in DM's order (oldest first where seen, not promised).

        ``with_workflow`` asks for the workflow's name too, which costs its whole document for each row. DM may give fewer rows
        than ``limit`` though there are more.
        """
        ...

    async def job(self, owner: str, job_id: str) -> Job:
        """One job, complete; raises `DmNotFoundError`."""
        ...

    async def file_exists(self, experiment: str, path: str) -> bool:
        """Whether the catalog knows the file, by its path relative to the experiment's data directory."""
        ...

    async def file_count(self, experiment: str) -> int:
        """How many files of the experiment the catalog holds; 0 for an experiment without a collection."""
        ...

    async def add_dataset(self, experiment: str, dataset: str, content: Mapping[str, object]) -> str:
        """Add a dataset to the catalog and answer its id; raises `DmExistsError` for a name in use."""
        ...

    async def record(
        self, kind: RecordKind, name: str, *, owner: str = "", experiment: str = ""
    ) -> Mapping[str, object]:
        """DM's own record of one object, by name, id or (a file) path; raises `DmNotFoundError`.

        ``owner`` is needed for workflows and jobs, ``experiment`` for files.
        """
        ...

    async def records(self, kind: RecordKind, *, owner: str = "") -> Sequence[Mapping[str, object]]:
        """DM's own records of every experiment, DAQ or upload of the station, or workflow of an owner."""
        ...

    async def file_ready(self, experiment: str, path: str) -> bool:
        """Whether DM calls a stored file ready for processing; False while there is none."""
        ...

    async def close(self) -> None:
        """Give back every connection; the backend is of no use afterwards."""
        ...


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now_s(self) -> float:
        """POSIX seconds UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class Sink(Protocol):
    """Where published readings go: one for each protocol."""

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        """Take the PVs that changed, by their name without prefix; must return at once and must not raise."""
        ...


class StructureSink(Protocol):
    """A sink that takes tables and structures too; what one commit changed comes under one revision, the scalars first."""

    def publish_tables(self, revision: int, tables: Mapping[str, TableReading]) -> None:
        """Take the tables that changed, by their name without prefix; must return at once and must not raise."""
        ...

    def publish_structures(self, revision: int, structures: Mapping[str, StructureReading]) -> None:
        """Take the structures that changed, likewise."""
        ...


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A put, or a command by name (``is_rpc``), that a client wants to make.

    Attributes:
        asg: access security group of what is put to.
        user: as the client claims.
        host: address that it is connected from.
    """

    asg: str
    user: str
    host: str
    is_rpc: bool = False


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Whether it may be done, and for whom the rules let it be done, in words."""

    is_allowed: bool
    reason: str


class AccessRules(Protocol):
    """The rules of access; ``access`` implements it."""

    @property
    def warnings(self) -> Sequence[str]:
        """What people should know about them, one line each."""
        ...

    def decide(self, request: AccessRequest) -> AccessDecision:
        """Decide at once, and without a question to anybody; everybody reads, so that only puts and commands are asked about."""
        ...


class AuditWriter(Protocol):
    """Where the lines of the audit go."""

    def write(self, lines: Sequence[str]) -> None:
        """Append lines, given without their newlines: all or none. Blocks for the disk; called in any thread, one at a time.

        Raises `StateFileError` naming the file; the lines may then be given again.
        """
        ...
