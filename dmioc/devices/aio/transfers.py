"""DAQs, which copy what appears in a directory, and uploads, which copy what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ophyd_async.core import SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.catalogue import Slots
from dmioc.devices.aio.commands import DMCommand, LimitedBy
from dmioc.devices.aio.device import CONFIG, HINTED, READ, CommandGroup
from dmioc.devices.aio.enums import DMNoYes, DMStatus, DMUploadMode
from dmioc.devices.aio.slots import SlotBank
from dmioc.devices.aio.tables import DMTransferList


class DMTransferSlot(CommandGroup):
    """What DAQ and upload slots have in common (``pv-contract.md §4, §5``).

    Documents of a run hold the state of the transfer, its directories and its counts of files; the configuration holds the
    setpoints of the next start.
    """

    dest_directory: Annotated[SignalRW[str], PvSuffix("DestDirectory"), CONFIG]
    workflow: Annotated[SignalRW[str], PvSuffix("Workflow"), CONFIG]
    workflow_args: Annotated[SignalRW[str], PvSuffix("WorkflowArgs"), CONFIG]
    options: Annotated[SignalRW[str], PvSuffix("Options"), CONFIG]
    wait_timeout: Annotated[SignalRW[float], PvSuffix("WaitTimeout"), CONFIG]
    start: Annotated[DMCommand, PvSuffix("Start")]
    stop_: Annotated[DMCommand, PvSuffix("Stop"), LimitedBy("wait_timeout")]
    status: Annotated[SignalR[DMStatus], PvSuffix("Status"), READ]
    status_text: Annotated[SignalR[str], PvSuffix("StatusText")]
    id: Annotated[SignalR[str], PvSuffix("ID"), READ]
    experiment_rbv: Annotated[SignalR[str], PvSuffix("Experiment_RBV"), READ]
    data_directory_rbv: Annotated[SignalR[str], PvSuffix("DataDirectory_RBV"), READ]
    dest_directory_rbv: Annotated[SignalR[str], PvSuffix("DestDirectory_RBV"), READ]
    files_total: Annotated[SignalR[int], PvSuffix("FilesTotal"), READ]
    files_done: Annotated[SignalR[int], PvSuffix("FilesDone"), HINTED]
    files_waiting: Annotated[SignalR[int], PvSuffix("FilesWaiting"), READ]
    files_failed: Annotated[SignalR[int], PvSuffix("FilesFailed"), READ]
    percent: Annotated[SignalR[float], PvSuffix("Percent")]
    rate: Annotated[SignalR[float], PvSuffix("Rate")]
    bytes: Annotated[SignalR[float], PvSuffix("Bytes"), READ]
    last_file: Annotated[SignalR[str], PvSuffix("LastFile")]
    start_time: Annotated[SignalR[str], PvSuffix("StartTime"), READ]
    end_time: Annotated[SignalR[str], PvSuffix("EndTime"), READ]
    run_time: Annotated[SignalR[float], PvSuffix("RunTime")]
    error: Annotated[SignalR[str], PvSuffix("Error")]


class DMDaqSlot(DMTransferSlot):
    """Starts, watches and stops one DAQ (``pv-contract.md §4``).

    Example: ``DMDaqSlot("ca://DEMO:DM:DAQ1:", name="daq1")``
    """

    group_pattern = "DAQ[0-9]+:"

    data_directory: Annotated[SignalRW[str], PvSuffix("DataDirectory"), CONFIG]
    attached: Annotated[SignalR[int], PvSuffix("Attached"), READ]
    expect: Annotated[SignalRW[int], PvSuffix("Expect"), CONFIG]
    expect_file: Annotated[SignalRW[str], PvSuffix("ExpectFile"), CONFIG]
    wait: Annotated[DMCommand, PvSuffix("Wait"), LimitedBy("wait_timeout")]


class DMUploadSlot(DMTransferSlot):
    """Starts, watches and stops one upload (``pv-contract.md §5``).

    Example: ``DMUploadSlot("ca://DEMO:DM:UPL1:", name="upl1")``
    """

    group_pattern = "UPL[0-9]+:"

    source_path: Annotated[SignalRW[str], PvSuffix("SourcePath"), CONFIG]
    mode: Annotated[SignalRW[DMUploadMode], PvSuffix("Mode"), CONFIG]
    reprocess: Annotated[SignalRW[DMNoYes], PvSuffix("Reprocess"), CONFIG]
    source_path_rbv: Annotated[SignalR[str], PvSuffix("SourcePath_RBV"), READ]
    run: Annotated[DMCommand, PvSuffix("Run"), LimitedBy("wait_timeout")]
    wait: Annotated[DMCommand, PvSuffix("Wait"), LimitedBy("wait_timeout")]


class DMDaqs(SlotBank[DMDaqSlot]):
    """The station's DAQ slots ``daq1``, ``daq2`` … and its DAQs.

    Example: ``DMDaqs("ca://DEMO:DM:", name="daqs", slots=4)``
    """

    slot_class = DMDaqSlot
    slot_group = "DAQ"
    slot_count = Slots().daq

    active: Annotated[SignalR[int], PvSuffix("DAQ:Active"), READ]
    list: Annotated[SignalR[DMTransferList], PvSuffix("DAQ:List")]

    if TYPE_CHECKING:
        daq1: DMDaqSlot
        daq2: DMDaqSlot


class DMUploads(SlotBank[DMUploadSlot]):
    """The station's upload slots ``upl1``, ``upl2`` … and its uploads.

    Example: ``DMUploads("ca://DEMO:DM:", name="uploads")``
    """

    slot_class = DMUploadSlot
    slot_group = "UPL"
    slot_count = Slots().upload

    active: Annotated[SignalR[int], PvSuffix("UPL:Active"), READ]
    list: Annotated[SignalR[DMTransferList], PvSuffix("UPL:List")]

    if TYPE_CHECKING:
        upl1: DMUploadSlot
        upl2: DMUploadSlot
