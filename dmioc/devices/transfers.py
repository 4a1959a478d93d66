"""DAQs, which copy what appears in a directory, and uploads, which copy what is there."""

from __future__ import annotations

from ophyd import Component as Cpt
from ophyd import Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.signals import (
    ChoiceSignal,
    ChoiceSignalRO,
    NumberSignal,
    NumberSignalRO,
    StringSignalRO,
    TextSignal,
    TextSignalRO,
)
from dmioc.devices.slots import SlotBank


class DMTransferSlot(CommandGroup):
    """What DAQ and upload slots have in common (``pv-contract.md §4, §5``).

    Documents of a run hold the state of the transfer, its directories and its counts of files; the configuration holds the
    setpoints of the next start.
    """

    dest_directory = Cpt(TextSignal, "DestDirectory", kind=Kind.config, doc="Subdirectory in the experiment")
    workflow = Cpt(TextSignal, "Workflow", kind=Kind.config, doc="Workflow to start for each file; may be empty")
    workflow_args = Cpt(TextSignal, "WorkflowArgs", kind=Kind.config, doc="Its arguments, one JSON object")
    options = Cpt(TextSignal, "Options", kind=Kind.config, doc="Other DM keys, one JSON object")
    wait_timeout = Cpt(NumberSignal, "WaitTimeout", kind=Kind.config, doc="Longest time of the commands that wait, s")

    start = Cpt(CommandSignal, "Start", kind=Kind.omitted, doc="Start the transfer; done when DM has accepted it")
    stop_ = Cpt(CommandSignal, "Stop", kind=Kind.omitted, doc="Stop the transfer; done when DM has stopped it")

    status = Cpt(ChoiceSignalRO, "Status", kind=Kind.normal, doc="State of what the slot holds")
    status_text = Cpt(TextSignalRO, "StatusText", kind=Kind.omitted, doc="DM's own word for the state")
    id = Cpt(StringSignalRO, "ID", kind=Kind.normal, doc="DM's id")
    experiment_rbv = Cpt(TextSignalRO, "Experiment_RBV", kind=Kind.normal, doc="Its experiment")
    data_directory_rbv = Cpt(TextSignalRO, "DataDirectory_RBV", kind=Kind.normal, doc="Its directory")
    dest_directory_rbv = Cpt(TextSignalRO, "DestDirectory_RBV", kind=Kind.normal, doc="Its subdirectory")
    files_total = Cpt(NumberSignalRO, "FilesTotal", kind=Kind.normal, doc="Files seen")
    files_done = Cpt(NumberSignalRO, "FilesDone", kind=Kind.hinted, doc="Files stored")
    files_waiting = Cpt(NumberSignalRO, "FilesWaiting", kind=Kind.normal, doc="Files waiting")
    files_failed = Cpt(NumberSignalRO, "FilesFailed", kind=Kind.normal, doc="Files that failed")
    percent = Cpt(NumberSignalRO, "Percent", kind=Kind.omitted, doc="Files stored of those seen, %")
    rate = Cpt(NumberSignalRO, "Rate", kind=Kind.omitted, doc="Files stored per second")
    bytes = Cpt(NumberSignalRO, "Bytes", kind=Kind.normal, doc="Bytes stored; -1 where DM does not count them")
    last_file = Cpt(TextSignalRO, "LastFile", kind=Kind.omitted, doc="Last file stored; empty where DM does not tell")
    start_time = Cpt(StringSignalRO, "StartTime", kind=Kind.normal, doc="Start, ISO 8601")
    end_time = Cpt(StringSignalRO, "EndTime", kind=Kind.normal, doc="End, ISO 8601")
    run_time = Cpt(NumberSignalRO, "RunTime", kind=Kind.omitted, doc="Time from start to end or now, s")
    error = Cpt(TextSignalRO, "Error", kind=Kind.omitted, doc="What went wrong")


class DMDaqSlot(DMTransferSlot):
    """Starts, watches and stops one DAQ (``pv-contract.md §4``).

    Example: ``DMDaqSlot("DEMO:DM:DAQ1:", name="daq1")``
    """

    data_directory = Cpt(TextSignal, "DataDirectory", kind=Kind.config, doc="Directory tree to watch")
    attached = Cpt(NumberSignalRO, "Attached", kind=Kind.normal, doc="1: the DAQ ran before Start")
    expect = Cpt(NumberSignal, "Expect", kind=Kind.config, doc="Files that Wait waits for")
    expect_file = Cpt(TextSignal, "ExpectFile", kind=Kind.config, doc="File that Wait waits for")
    wait = Cpt(
        CommandSignal,
        "Wait",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Wait for the expected files; OK only with no errors and none waiting",
    )


class DMUploadSlot(DMTransferSlot):
    """Starts, watches and stops one upload (``pv-contract.md §5``).

    Example: ``DMUploadSlot("DEMO:DM:UPL1:", name="upl1")``
    """

    source_path = Cpt(TextSignal, "SourcePath", kind=Kind.config, doc="File or directory to upload")
    mode = Cpt(ChoiceSignal, "Mode", kind=Kind.config, doc="File by file, or the directory in one transfer")
    reprocess = Cpt(ChoiceSignal, "Reprocess", kind=Kind.config, doc="Upload unchanged files again")
    source_path_rbv = Cpt(TextSignalRO, "SourcePath_RBV", kind=Kind.normal, doc="Path of the upload")
    run = Cpt(
        CommandSignal,
        "Run",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Start the upload and wait for its end; OK only with no errors",
    )
    wait = Cpt(
        CommandSignal,
        "Wait",
        kind=Kind.omitted,
        timeout_from="wait_timeout",
        doc="Wait for the end of the upload; OK only with no errors",
    )


class DMDaqs(SlotBank[DMDaqSlot]):
    """The station's DAQ slots ``daq1``, ``daq2`` … and how many of its DAQs are active.

    Example: ``DMDaqs("DEMO:DM:", name="daqs")``; ``DMDaqs("DEMO:DM:", name="daqs", slots=4)``
    """

    slot_class = DMDaqSlot
    slot_group = "DAQ"
    slot_count = 2
    daq1 = Cpt(DMDaqSlot, "DAQ1:", kind=Kind.normal, doc="The first DAQ slot")
    daq2 = Cpt(DMDaqSlot, "DAQ2:", kind=Kind.normal, doc="The second DAQ slot")
    active = Cpt(NumberSignalRO, "DAQ:Active", kind=Kind.normal, doc="DAQs of the station, pending or running")


class DMUploads(SlotBank[DMUploadSlot]):
    """The station's upload slots ``upl1``, ``upl2`` … and how many of its uploads are active.

    Example: ``DMUploads("DEMO:DM:", name="uploads")``
    """

    slot_class = DMUploadSlot
    slot_group = "UPL"
    slot_count = 2
    upl1 = Cpt(DMUploadSlot, "UPL1:", kind=Kind.normal, doc="The first upload slot")
    upl2 = Cpt(DMUploadSlot, "UPL2:", kind=Kind.normal, doc="The second upload slot")
    active = Cpt(NumberSignalRO, "UPL:Active", kind=Kind.normal, doc="Uploads of the station, pending or running")
