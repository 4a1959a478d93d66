"""Streaming slots: a workflow that must be running before data flow."""

from __future__ import annotations

from ophyd import Component as Cpt
from ophyd import Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.signals import (
    ChoiceSignalRO,
    NumberSignal,
    NumberSignalRO,
    StringSignalRO,
    TextSignal,
    TextSignalRO,
)
from dmioc.devices.slots import SlotBank


class DMStreamSlot(CommandGroup):
    """Offers a session to a streaming workflow and watches it (``pv-contract.md §8``).

    Documents of a run hold the session, its state and its counters; the configuration holds the setpoints.

    Example: ``DMStreamSlot("DEMO:DM:STR1:", name="str1")``
    """

    wf_slot = Cpt(NumberSignal, "WFSlot", kind=Kind.config, doc="WF slot to start with it; 0: none")
    source = Cpt(TextSignal, "Source", kind=Kind.config, doc="PV of the data, e.g. a detector's PVA image")
    args = Cpt(TextSignal, "Args", kind=Kind.config, doc="Sent with Begin and End, one JSON object")
    ready_timeout = Cpt(NumberSignal, "ReadyTimeout", kind=Kind.config, doc="From Offer to Ready, s; then Failed")
    heartbeat_timeout = Cpt(NumberSignal, "HeartbeatTimeout", kind=Kind.config, doc="Between two reports, s; then Lost")
    drain_timeout = Cpt(NumberSignal, "DrainTimeout", kind=Kind.config, doc="From End to Done, s; then Failed")

    offer = Cpt(
        CommandSignal,
        "Offer",
        kind=Kind.omitted,
        timeout_from="ready_timeout",
        doc="Offer a new session; done when the workflow is Ready",
    )
    begin = Cpt(CommandSignal, "Begin", kind=Kind.omitted, doc="Data will flow now; only when Ready")
    end = Cpt(
        CommandSignal,
        "End",
        kind=Kind.omitted,
        timeout_from="drain_timeout",
        doc="No more data; done when the workflow has drained, OK only if it is Done",
    )
    abort = Cpt(CommandSignal, "Abort", kind=Kind.omitted, doc="Give the session up; done at once")

    state = Cpt(ChoiceSignalRO, "State", kind=Kind.normal, doc="State of the session")
    epoch = Cpt(NumberSignalRO, "Epoch", kind=Kind.normal, doc="Number of the offer")
    session = Cpt(StringSignalRO, "Session", kind=Kind.normal, doc="Id of the session")
    wf_slot_rbv = Cpt(NumberSignalRO, "WFSlot_RBV", kind=Kind.normal, doc="WF slot started with it; 0: none")
    source_rbv = Cpt(TextSignalRO, "Source_RBV", kind=Kind.normal, doc="PV of the session's data")
    job_id = Cpt(StringSignalRO, "JobID", kind=Kind.normal, doc="DM's id of the job behind it")
    start_time = Cpt(StringSignalRO, "StartTime", kind=Kind.normal, doc="Offered, ISO 8601")
    end_time = Cpt(StringSignalRO, "EndTime", kind=Kind.normal, doc="End, ISO 8601")
    received = Cpt(NumberSignalRO, "Received", kind=Kind.normal, doc="Objects that the workflow received")
    processed = Cpt(NumberSignalRO, "Processed", kind=Kind.hinted, doc="Objects that it processed")
    missed = Cpt(NumberSignalRO, "Missed", kind=Kind.normal, doc="Objects that it missed")
    errors = Cpt(NumberSignalRO, "Errors", kind=Kind.normal, doc="Objects that it could not process")
    message = Cpt(TextSignalRO, "Message", kind=Kind.omitted, doc="What the workflow says")
    result = Cpt(TextSignalRO, "Result", kind=Kind.omitted, auto_monitor=False, doc="Its result, JSON")
    error = Cpt(TextSignalRO, "Error", kind=Kind.omitted, doc="What went wrong")
    heartbeat = Cpt(NumberSignalRO, "Heartbeat", kind=Kind.omitted, doc="Grows with the workflow's signs of life")
    heartbeat_age = Cpt(NumberSignalRO, "HeartbeatAge", kind=Kind.omitted, doc="Since the last one, s; -1: none yet")


class DMStreams(SlotBank[DMStreamSlot]):
    """The station's streaming slots ``str1``, ``str2`` …

    Example: ``DMStreams("DEMO:DM:", name="streams")``
    """

    slot_class = DMStreamSlot
    slot_group = "STR"
    slot_count = 2
    str1 = Cpt(DMStreamSlot, "STR1:", kind=Kind.normal, doc="The first streaming slot")
    str2 = Cpt(DMStreamSlot, "STR2:", kind=Kind.normal, doc="The second streaming slot")
