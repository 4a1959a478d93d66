"""PVs of workflow slots and of the station's jobs (``pv-contract.md §6``)."""

from __future__ import annotations

from dataclasses import replace

from dmioc.catalogue.entries import NT_TABLE, PV, Column, Kind, State
from dmioc.catalogue.parts import (
    ERROR_BYTES,
    NAME_BYTES,
    NO_YES,
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
from dmioc.catalogue.rows import LIST_ROWS, OUTPUT_ROWS, STAGE_ROWS, with_rows
from dmioc.model import Service

ARGUMENT_PAIRS = 8
OUTPUT_BYTES = 8192
REPORT_BYTES = 16384
IF_RUNNING_STATES = (State("Start"), State("Wait"), State("Refuse"))

_STAGE_COLUMNS = (
    Column("stage", source="stage", width=20),
    Column("process", "int", "process", width=7),
    Column("status", source="status", width=8),
    Column("exitStatus", "int", "exit_status", width=10),
    Column("runTime", "double", "run_time_s", width=8),
    Column("command", source="command", width=50),
    Column("stdOut", source="std_out"),
    Column("stdErr", source="std_err"),
)
_WORKFLOW_COLUMNS = (
    Column("name", source="name", width=24),
    Column("owner", source="owner", width=12),
    Column("description", source="description", width=60),
    Column("stages", "int", "stages", width=6),
)
_JOB_COLUMNS = (
    Column("id", source="id", width=36),
    Column("workflow", source="workflow", width=20),
    Column("status", source="status", width=8),
    Column("stage", source="stage", width=16),
    Column("submitted", "time", "submit_time_s", width=19),
    Column("started", "time", "start_time_s"),
    Column("ended", "time", "end_time_s"),
    Column("runTime", "double", "run_time_s", width=8),
    Column("error", source="error"),
)


def workflow_slot(slot: int) -> tuple[PV, ...]:
    """The group ``WF<slot>:``."""
    group = f"WF{slot}:"
    rows = {
        f"{group}Stages": ("StageRow", STAGE_ROWS),
        f"{group}StdOut": ("StdOutRow", OUTPUT_ROWS),
        f"{group}StdErr": ("StdErrRow", OUTPUT_ROWS),
    }
    return tuple(with_rows(_workflow_slot(group), rows))


def _workflow_slot(group: str) -> tuple[PV, ...]:
    return in_group(
        group,
        (
            setpoint(text("Name", NAME_BYTES, "Workflow to run")),
            setpoint(text("Owner", 64, "Owner of the workflow", doc="Empty: the DM user.")),
            setpoint(text("FilePath", PATH_BYTES, "DM argument filePath")),
            setpoint(text("Args", 16384, "Further arguments, one JSON object")),
            *_argument_pairs(),
            setpoint(string("RequestID", "The same id never starts a second job"), saved=False),
            setpoint(
                enum(
                    "IfRunning",
                    IF_RUNNING_STATES,
                    "While a job of this workflow is active",
                    doc="What Start and Run do then: start beside it, wait for it first, or refuse.",
                )
            ),
            command("Start", "Submit the job", "Completes when DM has accepted (JobID known) or refused."),
            command("Run", "Submit the job and wait for its end", "Completes when the job is finished."),
            command("Abort", "Abort the job", "Completes when DM says finished."),
            setpoint(string("AttachID", "Job to follow by Attach"), saved=False),
            command("Attach", "Follow the job AttachID", "Refused if DM does not know the job."),
            setpoint(
                seconds("WaitTimeout", "Longest time of Run, Wait and Abort", default=86400.0, low=0.1, high=YEAR_S),
                saved=False,
            ),
            command("Wait", "Wait for the end of the job", "OK only if the job is Done."),
            *_report_setpoints(),
            *_readbacks(),
            PV("Job", Kind.STRUCTURE, "The job in one", service=Service.PROC, type_id="dmioc:Job:1.0"),
            PV(
                "Stages", Kind.TABLE, "The job's stages", service=Service.PROC, columns=_STAGE_COLUMNS, type_id=NT_TABLE
            ),
            *outcome(),
        ),
    )


def jobs() -> tuple[PV, ...]:
    """The groups ``WF:`` and ``JOB:``."""
    pvs = (
        PV("WF:List", Kind.TABLE, "Workflows that DM knows", columns=_WORKFLOW_COLUMNS, type_id=NT_TABLE),
        long("JOB:Active", "Jobs that are pending or running", source="active"),
        long("JOB:Pending", "Jobs that are pending", source="pending"),
        long("JOB:Running", "Jobs that are running", source="running"),
        enum("JOB:Idle", NO_YES, "Whether no job is active", source="idle", default=1),
        PV("JOB:List", Kind.TABLE, "The newest jobs", columns=_JOB_COLUMNS, type_id=NT_TABLE),
    )
    lists = (replace(pv, service=Service.PROC) for pv in pvs)
    return (
        *with_rows(lists, {"WF:List": ("Row", LIST_ROWS), "JOB:List": ("Row", LIST_ROWS)}),
        *in_group(
            "JOB:",
            (
                setpoint(
                    seconds("WaitTimeout", "Longest time of Wait", default=86400.0, low=0.1, high=YEAR_S), saved=False
                ),
                command("Wait", "Wait until no job is active", "Completes when none is active."),
                *outcome(),
            ),
        ),
    )


def _argument_pairs() -> tuple[PV, ...]:
    return tuple(
        setpoint(pv)
        for number in range(1, ARGUMENT_PAIRS + 1)
        for pv in (
            string(f"Arg{number}Key", f"Name of argument {number}"),
            text(f"Arg{number}Value", PATH_BYTES, f"Value of argument {number}"),
        )
    )


def _report_setpoints() -> tuple[PV, ...]:
    return (
        setpoint(seconds("ReportPeriod", "Time between two reports", default=10.0, low=0.1, high=86400.0)),
        setpoint(seconds("ReportTimeout", "No reports after so long", default=86400.0, low=0.0, high=YEAR_S)),
        setpoint(enum("Concise", NO_YES, "Only the stage at work in reports")),
    )


def _readbacks() -> tuple[PV, ...]:
    pvs = (
        *status(),
        string("JobID", "DM's id of the job", source="id"),
        long("Attached", "1: the job ran before Start", source="attached"),
        text("Workflow_RBV", NAME_BYTES, "Workflow of the job", source="workflow"),
        string("Owner_RBV", "Owner of the job", source="owner"),
        text("Args_RBV", 16384, "Its arguments and outputs, JSON", source="args"),
        string("Stage", "Stage at work, or the last one", source="stage"),
        long("StageIndex", "Its number, from 1", source="stage_index"),
        long("StageCount", "Stages of the workflow", source="stage_count"),
        double("Percent", "Stages done", unit="%", precision=1, source="percent"),
        timed(string("SubmitTime", "Submitted, ISO 8601", source="submit_time"), "submit_time_s"),
        timed(string("StartTime", "Start, ISO 8601", source="start_time"), "start_time_s"),
        timed(string("EndTime", "End, ISO 8601", source="end_time"), "end_time_s"),
        seconds("RunTime", "Time from start to end or now", source="run_time_s"),
        long(
            "ExitStatus", "Exit status of the last process", source="exit_status", default=-1, doc="-1 while it runs."
        ),
        text("Command", OUTPUT_BYTES, "Command of the last process", source="command"),
        text("StdOut", OUTPUT_BYTES, "Its output, the last bytes", source="std_out"),
        text("StdErr", OUTPUT_BYTES, "Its error output, the last bytes", source="std_err"),
        text("Error", ERROR_BYTES, "What went wrong", source="error"),
        long("Files", "Input files of the job", source="files"),
        text("Report", REPORT_BYTES, "Report on the stages", source="report"),
    )
    return tuple(replace(pv, service=Service.PROC) for pv in pvs)
