"""Workflow slots, and the jobs of the station."""

from __future__ import annotations

from ophyd import Component as Cpt
from ophyd import Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.signals import (
    ChoiceSignal,
    ChoiceSignalRO,
    NumberSignal,
    NumberSignalRO,
    StringSignal,
    StringSignalRO,
    TextSignal,
    TextSignalRO,
)
from dmioc.devices.slots import SlotBank


class DMWorkflowSlot(CommandGroup):
    """Starts, watches and aborts one job of a workflow (``pv-contract.md §6``).

    Documents of a run hold the job and its state; the configuration holds the setpoints of the next start. Long texts (output,
    report, arguments of the job) are read when asked for: no monitor brings them.

    Example: ``DMWorkflowSlot("DEMO:DM:WF1:", name="wf1")``
    """

    name_ = Cpt(TextSignal, "Name", kind=Kind.config, doc="Workflow to run")
    owner = Cpt(TextSignal, "Owner", kind=Kind.config, doc="Owner of the workflow; empty: the DM user")
    file_path = Cpt(TextSignal, "FilePath", kind=Kind.config, doc="DM argument filePath")
    args = Cpt(TextSignal, "Args", kind=Kind.config, doc="Further arguments, one JSON object")
    arg1_key = Cpt(StringSignal, "Arg1Key", kind=Kind.config, doc="Name of argument 1")
    arg1_value = Cpt(TextSignal, "Arg1Value", kind=Kind.config, doc="Value of argument 1")
    arg2_key = Cpt(StringSignal, "Arg2Key", kind=Kind.config, doc="Name of argument 2")
    arg2_value = Cpt(TextSignal, "Arg2Value", kind=Kind.config, doc="Value of argument 2")
    arg3_key = Cpt(StringSignal, "Arg3Key", kind=Kind.config, doc="Name of argument 3")
    arg3_value = Cpt(TextSignal, "Arg3Value", kind=Kind.config, doc="Value of argument 3")
    arg4_key = Cpt(StringSignal, "Arg4Key", kind=Kind.config, doc="Name of argument 4")
    arg4_value = Cpt(TextSignal, "Arg4Value", kind=Kind.config, doc="Value of argument 4")
    arg5_key = Cpt(StringSignal, "Arg5Key", kind=Kind.config, doc="Name of argument 5")
    arg5_value = Cpt(TextSignal, "Arg5Value", kind=Kind.config, doc="Value of argument 5")
    arg6_key = Cpt(StringSignal, "Arg6Key", kind=Kind.config, doc="Name of argument 6")
    arg6_value = Cpt(TextSignal, "Arg6Value", kind=Kind.config, doc="Value of argument 6")
    arg7_key = Cpt(StringSignal, "Arg7Key", kind=Kind.config, doc="Name of argument 7")
    arg7_value = Cpt(TextSignal, "Arg7Value", kind=Kind.config, doc="Value of argument 7")
    arg8_key = Cpt(StringSignal, "Arg8Key", kind=Kind.config, doc="Name of argument 8")
    arg8_value = Cpt(TextSignal, "Arg8Value", kind=Kind.config, doc="Value of argument 8")
    request_id = Cpt(StringSignal, "RequestID", kind=Kind.omitted, doc="The same id never starts a second job")
    if_running = Cpt(ChoiceSignal, "IfRunning", kind=Kind.config, doc="While a job of this workflow is active")
    attach_id = Cpt(StringSignal, "AttachID", kind=Kind.omitted, doc="Job to follow by Attach")
    wait_timeout = Cpt(NumberSignal, "WaitTimeout", kind=Kind.config, doc="Longest time of Run, Wait and Abort, s")
    report_period = Cpt(NumberSignal, "ReportPeriod", kind=Kind.config, doc="Time between two reports, s")
    report_timeout = Cpt(NumberSignal, "ReportTimeout", kind=Kind.config, doc="No reports after so long, s")
    concise = Cpt(ChoiceSignal, "Concise", kind=Kind.config, doc="Only the stage at work in reports")

    start = Cpt(
        CommandSignal,
        "Start",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Submit the job; done when DM has accepted it. With IfRunning Wait that may take as long as Run",
    )
    run = Cpt(
        CommandSignal,
        "Run",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Submit the job; done when it is finished, OK only if it is Done",
    )
    wait = Cpt(
        CommandSignal,
        "Wait",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Wait for the end of the job; OK only if it is Done",
    )
    abort = Cpt(
        CommandSignal,
        "Abort",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Abort the job; done when DM says finished",
    )
    attach = Cpt(CommandSignal, "Attach", kind=Kind.omitted, doc="Follow the job named in AttachID")

    status = Cpt(ChoiceSignalRO, "Status", kind=Kind.normal, doc="State of what the slot holds")
    status_text = Cpt(TextSignalRO, "StatusText", kind=Kind.omitted, doc="DM's own word for the state")
    job_id = Cpt(StringSignalRO, "JobID", kind=Kind.normal, doc="DM's id of the job")
    attached = Cpt(NumberSignalRO, "Attached", kind=Kind.normal, doc="1: the job ran before Start")
    workflow_rbv = Cpt(TextSignalRO, "Workflow_RBV", kind=Kind.normal, doc="Workflow of the job")
    owner_rbv = Cpt(StringSignalRO, "Owner_RBV", kind=Kind.normal, doc="Owner of the job")
    args_rbv = Cpt(
        TextSignalRO, "Args_RBV", kind=Kind.omitted, auto_monitor=False, doc="Its arguments and outputs, JSON"
    )
    stage_ = Cpt(StringSignalRO, "Stage", kind=Kind.normal, doc="Stage at work, or the last one")
    stage_index = Cpt(NumberSignalRO, "StageIndex", kind=Kind.omitted, doc="Its number, from 1")
    stage_count = Cpt(NumberSignalRO, "StageCount", kind=Kind.omitted, doc="Stages of the workflow")
    percent = Cpt(NumberSignalRO, "Percent", kind=Kind.hinted, doc="Stages done, %")
    submit_time = Cpt(StringSignalRO, "SubmitTime", kind=Kind.normal, doc="Submitted, ISO 8601")
    start_time = Cpt(StringSignalRO, "StartTime", kind=Kind.normal, doc="Start, ISO 8601")
    end_time = Cpt(StringSignalRO, "EndTime", kind=Kind.normal, doc="End, ISO 8601")
    run_time = Cpt(NumberSignalRO, "RunTime", kind=Kind.omitted, doc="Time from start to end or now, s")
    exit_status = Cpt(NumberSignalRO, "ExitStatus", kind=Kind.omitted, doc="Of the last process; -1 while it runs")
    command = Cpt(TextSignalRO, "Command", kind=Kind.omitted, auto_monitor=False, doc="Command of the last process")
    std_out = Cpt(TextSignalRO, "StdOut", kind=Kind.omitted, auto_monitor=False, doc="Its output, the last bytes")
    std_err = Cpt(TextSignalRO, "StdErr", kind=Kind.omitted, auto_monitor=False, doc="Its error output, the last bytes")
    error = Cpt(TextSignalRO, "Error", kind=Kind.omitted, doc="What went wrong")
    files = Cpt(NumberSignalRO, "Files", kind=Kind.omitted, doc="Input files of the job")
    report_ = Cpt(TextSignalRO, "Report", kind=Kind.omitted, auto_monitor=False, doc="Report on the stages")


class DMWorkflows(SlotBank[DMWorkflowSlot]):
    """The station's workflow slots ``wf1``, ``wf2`` …

    Example: ``DMWorkflows("DEMO:DM:", name="workflows")``
    """

    slot_class = DMWorkflowSlot
    slot_group = "WF"
    slot_count = 4
    wf1 = Cpt(DMWorkflowSlot, "WF1:", kind=Kind.normal, doc="The first workflow slot")
    wf2 = Cpt(DMWorkflowSlot, "WF2:", kind=Kind.normal, doc="The second workflow slot")
    wf3 = Cpt(DMWorkflowSlot, "WF3:", kind=Kind.normal, doc="The third workflow slot")
    wf4 = Cpt(DMWorkflowSlot, "WF4:", kind=Kind.normal, doc="The fourth workflow slot")


class DMJobs(CommandGroup):
    """All jobs of the station's owner (``pv-contract.md §6``).

    Example: ``DMJobs("DEMO:DM:JOB:", name="jobs")``
    """

    active = Cpt(NumberSignalRO, "Active", kind=Kind.normal, doc="Jobs that are pending or running")
    pending = Cpt(NumberSignalRO, "Pending", kind=Kind.omitted, doc="Jobs that are pending")
    running = Cpt(NumberSignalRO, "Running", kind=Kind.omitted, doc="Jobs that are running")
    idle = Cpt(ChoiceSignalRO, "Idle", kind=Kind.omitted, doc="Whether no job is active")
    wait_timeout = Cpt(NumberSignal, "WaitTimeout", kind=Kind.config, doc="Longest time of Wait, s")
    wait = Cpt(CommandSignal, "Wait", kind=Kind.omitted, timeout_from="wait_timeout", doc="Wait until no job is active")
