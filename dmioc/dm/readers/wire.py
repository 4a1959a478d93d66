"""The records of DM, with only the keys that are needed; every other key is passed over.

Keys are required where nothing can be done without them (an id, a name); all others may be missing or null. Where
``dm-protocol.md`` knows several types for a key, all are taken.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from dmioc.model import REQUEST_ARGUMENT

Id = Annotated[str, msgspec.Meta(min_length=1)]
Number = float | str | None
"""Seconds, counts and percentages: DM's ``percentageComplete`` is also seen as text (``dm-protocol.md §4.4``)."""


class NamedRecord(msgspec.Struct):
    """A type, a station or a storage inside an experiment record."""

    name: str | None = None


class ExperimentRecord(msgspec.Struct, rename="camel"):
    """An experiment, short or full (``dm-protocol.md §3.2``)."""

    name: Id
    id: int | None = None
    description: str | None = None
    experiment_type: NamedRecord | None = None
    primary_storage: NamedRecord | None = None
    create_date: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    root_path: str | None = None
    experiment_username_list: list[str] | None = None
    storage_directory: str | None = None
    storage_host: str | None = None
    storage_url: str | None = None
    data_directory: str | None = None
    analysis_directory: str | None = None


class TransferRecord(msgspec.Struct, rename="camel"):
    """A DAQ or an upload (``dm-protocol.md §4.4, §5``); the last two keys are localdm's own."""

    id: Id
    experiment_name: str | None = None
    data_directory: str | None = None
    dest_directory: str | None = None
    status: str | None = None
    count_files: Number = None
    n_files: Number = None
    n_processed_files: Number = None
    n_completed_files: Number = None
    n_waiting_files: Number = None
    n_processing_errors: Number = None
    processing_errors: object = None
    percentage_complete: Number = None
    start_time: Number = None
    end_time: Number = None
    run_time: Number = None
    error_message: str | None = None
    processed_bytes: Number = None
    last_file: str | None = None


class WorkflowRecord(msgspec.Struct, rename="camel"):
    """A workflow; its stages stay undecoded, as only their names are needed (``dm-protocol.md §6.3``)."""

    name: Id
    owner: str | None = None
    description: str | None = None
    stages: dict[str, msgspec.Raw] | None = None


class ChildProcessRecord(msgspec.Struct, rename="camel"):
    """A process of a stage; ``exitStatus`` is missing while it runs (``dm-protocol.md §6.5``)."""

    child_process_number: int | None = None
    command: str | None = None
    status: str | None = None
    start_time: Number = None
    end_time: Number = None
    run_time: Number = None
    exit_status: int | None = None
    std_out: str | None = None
    std_err: str | None = None


class StageRecord(msgspec.Struct, rename="camel"):
    """A stage inside a job; one not reached has no runtime keys (``dm-protocol.md §6.5``)."""

    command: str | None = None
    status: str | None = None
    child_processes: dict[str, ChildProcessRecord] | None = None


class JobWorkflowRecord(msgspec.Struct):
    """The copy of the workflow inside a job."""

    name: str | None = None
    stages: dict[str, StageRecord] | None = None


class JobRowRecord(msgspec.Struct, rename="camel"):
    """A job in a list: only the keys that were asked for with ``keyList``, absent ones left out (``§6.1``)."""

    id: Id
    owner: str | None = None
    status: str | None = None
    stage: str | None = None
    submission_time: Number = None
    start_time: Number = None
    end_time: Number = None
    run_time: Number = None
    error_message: str | None = None
    request_id: object = msgspec.field(default=None, name=REQUEST_ARGUMENT)
    workflow: NamedRecord | None = None


class JobRecord(msgspec.Struct, rename="camel"):
    """A complete job; its other keys are arguments and output variables (``dm-protocol.md §6.5``)."""

    id: Id
    owner: str | None = None
    status: str | None = None
    stage: str | None = None
    submission_time: Number = None
    start_time: Number = None
    end_time: Number = None
    run_time: Number = None
    error_message: str | None = None
    request_id: object = msgspec.field(default=None, name=REQUEST_ARGUMENT)
    count_files: Number = None
    workflow: JobWorkflowRecord | None = None


class FileCollectionRecord(msgspec.Struct, rename="camel"):
    """Statistics of an experiment's files in the catalog (``dm-protocol.md §7.1``)."""

    count_files: int


class DatasetRecord(msgspec.Struct):
    """A dataset in the catalog: which of the two keys holds its id is unknown (``dm-protocol.md §7.2, §12``)."""

    id: str | int | None = None
    mongo_id: str | int | None = msgspec.field(default=None, name="_id")


def keys_of(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The keys of a record as DM spells them."""
    return tuple(field.encode_name for field in msgspec.structs.fields(record))
