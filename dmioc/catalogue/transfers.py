"""PVs of DAQ slots and upload slots (``pv-contract.md §4, §5``)."""

from __future__ import annotations

from dataclasses import replace

from dmioc.catalogue.entries import NT_TABLE, PV, Column, Kind, State
from dmioc.catalogue.parts import (
    ERROR_BYTES,
    NAME_BYTES,
    NO_YES,
    OPTIONS_BYTES,
    PATH_BYTES,
    YEAR_S,
    command,
    double,
    enum,
    in_group,
    long,
    outcome,
    seconds,
    setpoint,
    status,
    string,
    text,
    timed,
)
from dmioc.catalogue.rows import LIST_ROWS, with_rows
from dmioc.model import Service

_LIST_COLUMNS = (
    Column("id", source="id"),
    Column("experiment", source="experiment", width=18),
    Column("directory", source="directory", width=36),
    Column("dest", source="destination"),
    Column("status", source="status", width=8),
    Column("total", "int", "files_total", width=6),
    Column("done", "int", "files_done", width=6),
    Column("waiting", "int", "files_waiting", width=7),
    Column("failed", "int", "files_failed", width=6),
    Column("percent", "double", "percent"),
    Column("start", "time", "start_time_s", width=19),
    Column("end", "time", "end_time_s"),
)


def daq_slot(slot: int) -> tuple[PV, ...]:
    """The group ``DAQ<slot>:``."""
    return in_group(
        f"DAQ{slot}:",
        (
            setpoint(text("DataDirectory", PATH_BYTES, "Directory tree to watch")),
            *_shared_setpoints("DAQ"),
            command(
                "Start",
                "Start the DAQ, or attach to it",
                "Attaches to the active one of the same experiment and directory.",
            ),
            command("Stop", "Stop the DAQ", "Completes when DM has stopped it."),
            long("Attached", "1: the DAQ ran before Start", source="attached"),
            setpoint(long("Expect", "Files that Wait waits for", low=0), saved=False),
            setpoint(text("ExpectFile", PATH_BYTES, "File that Wait waits for"), saved=False),
            setpoint(seconds("WaitTimeout", "Longest time of Wait", default=3600.0, low=0.1, high=YEAR_S), saved=False),
            command("Wait", "Wait for the expected files", "Done only with no errors and none waiting."),
            *_readbacks(),
            PV("Info", Kind.STRUCTURE, "The DAQ in one", service=Service.DAQ, type_id="dmioc:DAQ:1.0"),
            *outcome(),
        ),
    )


def upload_slot(slot: int) -> tuple[PV, ...]:
    """The group ``UPL<slot>:``."""
    return in_group(
        f"UPL{slot}:",
        (
            setpoint(text("SourcePath", PATH_BYTES, "File or directory to upload")),
            *_shared_setpoints("upload"),
            setpoint(
                enum(
                    "Mode",
                    (State("Files"), State("Directory")),
                    "File by file, or in one transfer",
                    doc="Files: one by one with progress and recovery. Directory: the whole directory in one transfer.",
                )
            ),
            setpoint(enum("Reprocess", NO_YES, "Upload unchanged files again")),
            command("Start", "Start the upload", "Completes when DM has accepted or refused it."),
            command(
                "Run", "Start the upload and wait for its end", "Completes when it is finished; OK only with no errors."
            ),
            command("Stop", "Stop the upload", "Completes when DM has stopped it."),
            setpoint(
                seconds("WaitTimeout", "Longest time of Run and Wait", default=86400.0, low=0.1, high=YEAR_S),
                saved=False,
            ),
            command("Wait", "Wait for the end of the upload", "OK only with no errors."),
            replace(
                text("SourcePath_RBV", PATH_BYTES, "Path of the upload", source="source_path"), service=Service.DAQ
            ),
            *_readbacks(),
            PV("Info", Kind.STRUCTURE, "The upload in one", service=Service.DAQ, type_id="dmioc:Upload:1.0"),
            *outcome(),
        ),
    )


def transfer_lists() -> tuple[PV, ...]:
    """What the groups ``DAQ:`` and ``UPL:`` hold beside the state of the service."""
    pvs = tuple(
        replace(pv, service=Service.DAQ)
        for group, what in (("DAQ:", "DAQs"), ("UPL:", "uploads"))
        for pv in in_group(
            group,
            (
                long("Active", f"Active {what} of the station", doc="Pending or running."),
                PV("List", Kind.TABLE, f"Every one of the station's {what}", columns=_LIST_COLUMNS, type_id=NT_TABLE),
            ),
        )
    )
    return tuple(with_rows(pvs, {"DAQ:List": ("Row", LIST_ROWS), "UPL:List": ("Row", LIST_ROWS)}))


def _shared_setpoints(what: str) -> tuple[PV, ...]:
    return (
        setpoint(text("DestDirectory", PATH_BYTES, "Subdirectory in the experiment")),
        setpoint(text("Workflow", NAME_BYTES, "Workflow to start for each file")),
        setpoint(text("WorkflowArgs", OPTIONS_BYTES, "Its arguments, one JSON object")),
        setpoint(text("Options", OPTIONS_BYTES, f"Other DM {what} keys, one JSON object")),
    )


def _readbacks() -> tuple[PV, ...]:
    pvs = (
        *status(),
        string("ID", "DM's id", source="id"),
        text("Experiment_RBV", NAME_BYTES, "Its experiment", source="experiment"),
        text("DataDirectory_RBV", PATH_BYTES, "Its directory", source="directory"),
        text("DestDirectory_RBV", PATH_BYTES, "Its subdirectory in the experiment", source="destination"),
        long("FilesTotal", "Files seen", source="files_total", alarm="running and none for NoFilesAfter: MINOR"),
        long("FilesDone", "Files stored", source="files_done"),
        long("FilesWaiting", "Files waiting", source="files_waiting"),
        long("FilesFailed", "Files that failed", source="files_failed", alarm="more than 0: MINOR"),
        double("Percent", "Files stored of those seen", unit="%", precision=1, source="percent"),
        double("Rate", "Files stored per second", unit="files/s", source="rate"),
        double(
            "Bytes", "Bytes stored", unit="B", precision=0, source="bytes_done", doc="-1 where DM does not count bytes."
        ),
        text("LastFile", PATH_BYTES, "Last file stored", source="last_file", doc="Empty where DM does not tell."),
        timed(string("StartTime", "Start, ISO 8601", source="start_time"), "start_time_s"),
        timed(string("EndTime", "End, ISO 8601", source="end_time"), "end_time_s"),
        seconds("RunTime", "Time from start to end or now", source="run_time_s"),
        text("Error", ERROR_BYTES, "What went wrong", source="error"),
    )
    return tuple(replace(pv, service=Service.DAQ) for pv in pvs)
