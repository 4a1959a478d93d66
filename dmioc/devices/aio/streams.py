"""Streaming slots: a workflow that must be running before data flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ophyd_async.core import SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.catalogue import Slots
from dmioc.devices.aio.commands import DMCommand, LimitedBy
from dmioc.devices.aio.device import CONFIG, HINTED, READ, CommandGroup
from dmioc.devices.aio.enums import DMStreamState
from dmioc.devices.aio.slots import SlotBank


class DMStreamSlot(CommandGroup):
    """Offers a session to a streaming workflow and watches it (``pv-contract.md §8``).

    Documents of a run hold the session, its state and its counters; the configuration holds the setpoints.

    Example: ``DMStreamSlot("ca://DEMO:DM:STR1:", name="str1")``
    """

    group_pattern = "STR[0-9]+:"

    wf_slot: Annotated[SignalRW[int], PvSuffix("WFSlot"), CONFIG]
    source: Annotated[SignalRW[str], PvSuffix("Source"), CONFIG]
    args: Annotated[SignalRW[str], PvSuffix("Args"), CONFIG]
    ready_timeout: Annotated[SignalRW[float], PvSuffix("ReadyTimeout"), CONFIG]
    heartbeat_timeout: Annotated[SignalRW[float], PvSuffix("HeartbeatTimeout"), CONFIG]
    drain_timeout: Annotated[SignalRW[float], PvSuffix("DrainTimeout"), CONFIG]
    offer: Annotated[DMCommand, PvSuffix("Offer"), LimitedBy("ready_timeout")]
    begin: Annotated[DMCommand, PvSuffix("Begin")]
    end: Annotated[DMCommand, PvSuffix("End"), LimitedBy("drain_timeout")]
    abort: Annotated[DMCommand, PvSuffix("Abort")]
    state: Annotated[SignalR[DMStreamState], PvSuffix("State"), READ]
    epoch: Annotated[SignalR[int], PvSuffix("Epoch"), READ]
    session: Annotated[SignalR[str], PvSuffix("Session"), READ]
    wf_slot_rbv: Annotated[SignalR[int], PvSuffix("WFSlot_RBV"), READ]
    source_rbv: Annotated[SignalR[str], PvSuffix("Source_RBV"), READ]
    job_id: Annotated[SignalR[str], PvSuffix("JobID"), READ]
    start_time: Annotated[SignalR[str], PvSuffix("StartTime"), READ]
    end_time: Annotated[SignalR[str], PvSuffix("EndTime"), READ]
    received: Annotated[SignalR[int], PvSuffix("Received"), READ]
    processed: Annotated[SignalR[int], PvSuffix("Processed"), HINTED]
    missed: Annotated[SignalR[int], PvSuffix("Missed"), READ]
    errors: Annotated[SignalR[int], PvSuffix("Errors"), READ]
    message: Annotated[SignalR[str], PvSuffix("Message")]
    result: Annotated[SignalR[str], PvSuffix("Result")]
    error: Annotated[SignalR[str], PvSuffix("Error")]
    heartbeat: Annotated[SignalR[int], PvSuffix("Heartbeat")]
    heartbeat_age: Annotated[SignalR[float], PvSuffix("HeartbeatAge")]


class DMStreams(SlotBank[DMStreamSlot]):
    """The station's streaming slots ``str1``, ``str2`` …

    Example: ``DMStreams("ca://DEMO:DM:", name="streams")``
    """

    slot_class = DMStreamSlot
    slot_group = "STR"
    slot_count = Slots().stream

    if TYPE_CHECKING:
        str1: DMStreamSlot
        str2: DMStreamSlot
