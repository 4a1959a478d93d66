"""Workflow slots, and the jobs of the station."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ophyd_async.core import SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.catalogue import Slots
from dmioc.devices.aio.commands import DMCommand, LimitedBy
from dmioc.devices.aio.device import CONFIG, HINTED, READ, CommandGroup
from dmioc.devices.aio.enums import DMIfRunning, DMNoYes, DMStatus
from dmioc.devices.aio.slots import SlotBank
from dmioc.devices.aio.tables import DMJobList, DMStages, DMWorkflowList


class DMWorkflowSlot(CommandGroup):
    """Starts, watches and aborts one job of a workflow (``pv-contract.md §6``).

    Documents of a run hold the job and its state; the configuration holds the setpoints of the next start.

    Example: ``DMWorkflowSlot("pva://DEMO:DM:WF1:", name="wf1")``
    """

    group_pattern = "WF[0-9]+:"

    name_: Annotated[SignalRW[str], PvSuffix("Name"), CONFIG]
    owner: Annotated[SignalRW[str], PvSuffix("Owner"), CONFIG]
    file_path: Annotated[SignalRW[str], PvSuffix("FilePath"), CONFIG]
    args: Annotated[SignalRW[str], PvSuffix("Args"), CONFIG]
    arg1_key: Annotated[SignalRW[str], PvSuffix("Arg1Key"), CONFIG]
    arg1_value: Annotated[SignalRW[str], PvSuffix("Arg1Value"), CONFIG]
    arg2_key: Annotated[SignalRW[str], PvSuffix("Arg2Key"), CONFIG]
    arg2_value: Annotated[SignalRW[str], PvSuffix("Arg2Value"), CONFIG]
    arg3_key: Annotated[SignalRW[str], PvSuffix("Arg3Key"), CONFIG]
    arg3_value: Annotated[SignalRW[str], PvSuffix("Arg3Value"), CONFIG]
    arg4_key: Annotated[SignalRW[str], PvSuffix("Arg4Key"), CONFIG]
    arg4_value: Annotated[SignalRW[str], PvSuffix("Arg4Value"), CONFIG]
    arg5_key: Annotated[SignalRW[str], PvSuffix("Arg5Key"), CONFIG]
    arg5_value: Annotated[SignalRW[str], PvSuffix("Arg5Value"), CONFIG]
    arg6_key: Annotated[SignalRW[str], PvSuffix("Arg6Key"), CONFIG]
    arg6_value: Annotated[SignalRW[str], PvSuffix("Arg6Value"), CONFIG]
    arg7_key: Annotated[SignalRW[str], PvSuffix("Arg7Key"), CONFIG]
    arg7_value: Annotated[SignalRW[str], PvSuffix("Arg7Value"), CONFIG]
    arg8_key: Annotated[SignalRW[str], PvSuffix("Arg8Key"), CONFIG]
    arg8_value: Annotated[SignalRW[str], PvSuffix("Arg8Value"), CONFIG]
    request_id: Annotated[SignalRW[str], PvSuffix("RequestID")]
    if_running: Annotated[SignalRW[DMIfRunning], PvSuffix("IfRunning"), CONFIG]
    attach_id: Annotated[SignalRW[str], PvSuffix("AttachID")]
    wait_timeout: Annotated[SignalRW[float], PvSuffix("WaitTimeout"), CONFIG]
    report_period: Annotated[SignalRW[float], PvSuffix("ReportPeriod"), CONFIG]
    report_timeout: Annotated[SignalRW[float], PvSuffix("ReportTimeout"), CONFIG]
    concise: Annotated[SignalRW[DMNoYes], PvSuffix("Concise"), CONFIG]
    start: Annotated[DMCommand, PvSuffix("Start"), LimitedBy("wait_timeout")]
    run: Annotated[DMCommand, PvSuffix("Run"), LimitedBy("wait_timeout")]
    wait: Annotated[DMCommand, PvSuffix("Wait"), LimitedBy("wait_timeout")]
    abort: Annotated[DMCommand, PvSuffix("Abort"), LimitedBy("wait_timeout")]
    attach: Annotated[DMCommand, PvSuffix("Attach")]
    status: Annotated[SignalR[DMStatus], PvSuffix("Status"), READ]
    status_text: Annotated[SignalR[str], PvSuffix("StatusText")]
    job_id: Annotated[SignalR[str], PvSuffix("JobID"), READ]
    attached: Annotated[SignalR[int], PvSuffix("Attached"), READ]
    workflow_rbv: Annotated[SignalR[str], PvSuffix("Workflow_RBV"), READ]
    owner_rbv: Annotated[SignalR[str], PvSuffix("Owner_RBV"), READ]
    args_rbv: Annotated[SignalR[str], PvSuffix("Args_RBV")]
    stage_: Annotated[SignalR[str], PvSuffix("Stage"), READ]
    stage_index: Annotated[SignalR[int], PvSuffix("StageIndex")]
    stage_count: Annotated[SignalR[int], PvSuffix("StageCount")]
    percent: Annotated[SignalR[float], PvSuffix("Percent"), HINTED]
    submit_time: Annotated[SignalR[str], PvSuffix("SubmitTime"), READ]
    start_time: Annotated[SignalR[str], PvSuffix("StartTime"), READ]
    end_time: Annotated[SignalR[str], PvSuffix("EndTime"), READ]
    run_time: Annotated[SignalR[float], PvSuffix("RunTime")]
    exit_status: Annotated[SignalR[int], PvSuffix("ExitStatus")]
    command: Annotated[SignalR[str], PvSuffix("Command")]
    std_out: Annotated[SignalR[str], PvSuffix("StdOut")]
    std_err: Annotated[SignalR[str], PvSuffix("StdErr")]
    error: Annotated[SignalR[str], PvSuffix("Error")]
    files: Annotated[SignalR[int], PvSuffix("Files")]
    report_: Annotated[SignalR[str], PvSuffix("Report")]
    stages: Annotated[SignalR[DMStages], PvSuffix("Stages")]


class DMWorkflows(SlotBank[DMWorkflowSlot]):
    """The station's workflow slots ``wf1``, ``wf2`` … and the workflows that DM knows.

    Example: ``DMWorkflows("pva://DEMO:DM:", name="workflows")``
    """

    slot_class = DMWorkflowSlot
    slot_group = "WF"
    slot_count = Slots().workflow

    list: Annotated[SignalR[DMWorkflowList], PvSuffix("WF:List")]

    if TYPE_CHECKING:
        wf1: DMWorkflowSlot
        wf2: DMWorkflowSlot
        wf3: DMWorkflowSlot
        wf4: DMWorkflowSlot


class DMJobs(CommandGroup):
    """All jobs of the station's owner (``pv-contract.md §6``).

    Example: ``DMJobs("pva://DEMO:DM:JOB:", name="jobs")``
    """

    group_pattern = "JOB:"

    active: Annotated[SignalR[int], PvSuffix("Active"), READ]
    pending: Annotated[SignalR[int], PvSuffix("Pending")]
    running: Annotated[SignalR[int], PvSuffix("Running")]
    idle: Annotated[SignalR[DMNoYes], PvSuffix("Idle")]
    wait_timeout: Annotated[SignalRW[float], PvSuffix("WaitTimeout"), CONFIG]
    wait: Annotated[DMCommand, PvSuffix("Wait"), LimitedBy("wait_timeout")]
    list: Annotated[SignalR[DMJobList], PvSuffix("List")]
