"""PVs of the experiment in use and of the one to create (``pv-contract.md §3``), and of metadata (``§7``)."""

from __future__ import annotations

from dataclasses import replace

from dmioc.catalogue.entries import NT_TABLE, PV, Column, Kind, State
from dmioc.catalogue.parts import (
    MINOR,
    NAME_BYTES,
    PATH_BYTES,
    STATUS_STATES,
    command,
    enum,
    in_group,
    long,
    outcome,
    setpoint,
    string,
    text,
)
from dmioc.catalogue.rows import LIST_ROWS, USER_ROWS, with_rows
from dmioc.model import Service

EXPERIMENT_STATES = (State("Unset"), State("Loaded"), State("NotFound", MINOR), State("Unverified", MINOR))

_LIST_COLUMNS = (
    Column("name", source="name", width=24),
    Column("id", "int", "id"),
    Column("type", source="type", width=8),
    Column("start", source="start_date", width=10),
    Column("end", source="end_date", width=10),
    Column("users", "int", "user_count", width=5),
    Column("description", source="description", width=52),
)


def experiment() -> tuple[PV, ...]:
    """The group ``EXP:``."""
    return tuple(with_rows(_experiment(), {"EXP:List": ("Row", LIST_ROWS), "EXP:Users": ("UserRow", USER_ROWS)}))


def _experiment() -> tuple[PV, ...]:
    return in_group(
        "EXP:",
        (
            setpoint(
                text("Name", NAME_BYTES, "DM experiment to use", doc="Any text is kept; completes when DM answered.")
            ),
            enum("State", EXPERIMENT_STATES, "Whether DM knows the experiment", service=Service.DS, source="state"),
            *(replace(pv, service=Service.DS) for pv in _details()),
            long("FileCount", "Files in the catalog", service=Service.CAT, source="file_count"),
            PV(
                "List",
                Kind.TABLE,
                "The station's experiments, newest first",
                service=Service.DS,
                columns=_LIST_COLUMNS,
                type_id=NT_TABLE,
            ),
            PV("Info", Kind.STRUCTURE, "The experiment in one", service=Service.DS, type_id="dmioc:Experiment:1.0"),
            setpoint(long("Index", "Row of List to select", default=-1, low=-1), saved=False),
            *in_group("New:", _new()),
            *outcome(),
        ),
    )


def _details() -> tuple[PV, ...]:
    return (
        long("ID", "DM's number of the experiment", source="id"),
        string("Type", "Experiment type", source="type"),
        string("StorageName", "Storage that holds the data", source="storage_name"),
        string("StorageHost", "Host of the storage", source="storage_host"),
        text("Description", 2048, "Title of the experiment", source="description"),
        string("StartDate", "Start, ISO 8601", source="start_date"),
        string("EndDate", "End, ISO 8601", source="end_date"),
        string("Created", "Created in DM, ISO 8601", source="created"),
        text("RootPath", PATH_BYTES, "Path below the station's storage", source="root_path"),
        text("StorageDirectory", PATH_BYTES, "Directory of the experiment", source="storage_directory"),
        text("DataDirectory", PATH_BYTES, "Directory of the data", source="data_directory"),
        text("AnalysisDirectory", PATH_BYTES, "Directory of the results", source="analysis_directory"),
        text("StorageURL", PATH_BYTES, "URL of the storage directory", source="storage_url"),
        PV("Users", Kind.LINES, "Who may see the data", length=16384, default=(), source="users"),
        long("UserCount", "Number of users", source="user_count"),
    )


def _new() -> tuple[PV, ...]:
    return (
        setpoint(text("Name", NAME_BYTES, "Name of the experiment to create"), saved=False),
        setpoint(text("Type", NAME_BYTES, "Experiment type", doc="Empty: the station's name."), saved=False),
        setpoint(text("Description", 2048, "Title of the experiment"), saved=False),
        setpoint(text("StartDate", 39, "Start, ISO 8601; empty: DM's default"), saved=False),
        setpoint(text("EndDate", 39, "End, ISO 8601; empty: DM's default"), saved=False),
        command("Create", "Create the experiment and select it", "Refused if the name exists."),
    )


def metadata() -> tuple[PV, ...]:
    """The group ``MD:``."""
    return in_group(
        "MD:",
        (
            setpoint(text("Experiment", NAME_BYTES, "Experiment; empty: EXP:Name"), saved=False),
            setpoint(string("RunUID", "Unique id of the run"), saved=False),
            setpoint(
                text(
                    "Dataset", NAME_BYTES, "Dataset name", doc="Empty: run_uid8_ and the first 8 characters of RunUID."
                ),
                saved=False,
            ),
            setpoint(text("Workflow", NAME_BYTES, "Workflow that the run belongs to"), saved=False),
            setpoint(text("JSON", 1048576, "Metadata, one JSON object"), saved=False),
            command("Send", "Add the dataset to DM's catalog", "Completes when DM has stored or refused it."),
            enum("Status", STATUS_STATES, "State of the last Send", source="status", time_source="event_time_s"),
            string("ID", "DM's id of the dataset", source="id"),
            long("Bytes", "Size of the JSON sent", unit="B", source="size_bytes"),
            *outcome(),
        ),
    )
