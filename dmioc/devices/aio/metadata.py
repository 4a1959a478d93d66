"""Metadata of runs, sent to DM's catalog."""

from __future__ import annotations

from typing import Annotated

from ophyd_async.core import SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.devices.aio.commands import DMCommand
from dmioc.devices.aio.device import CommandGroup
from dmioc.devices.aio.enums import DMStatus


class DMRunMetadata(CommandGroup):
    """What is known of a run, to be added to DM's catalog (``pv-contract.md §7``); nothing of it is in documents.

    Example: ``DMRunMetadata("ca://DEMO:DM:MD:", name="metadata")``
    """

    group_pattern = "MD:"

    experiment: Annotated[SignalRW[str], PvSuffix("Experiment")]
    run_uid: Annotated[SignalRW[str], PvSuffix("RunUID")]
    dataset: Annotated[SignalRW[str], PvSuffix("Dataset")]
    workflow: Annotated[SignalRW[str], PvSuffix("Workflow")]
    json: Annotated[SignalRW[str], PvSuffix("JSON")]
    send: Annotated[DMCommand, PvSuffix("Send")]
    status: Annotated[SignalR[DMStatus], PvSuffix("Status")]
    id: Annotated[SignalR[str], PvSuffix("ID")]
    bytes: Annotated[SignalR[int], PvSuffix("Bytes")]
