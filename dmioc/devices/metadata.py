"""Metadata of runs, sent to DM's catalog."""

from __future__ import annotations

from ophyd import Component as Cpt
from ophyd import Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.signals import (
    ChoiceSignalRO,
    NumberSignalRO,
    StringSignal,
    StringSignalRO,
    TextSignal,
)

ANSWER_TIMEOUT_S = 120.0


class DMRunMetadata(CommandGroup):
    """What is known of a run, to be added to DM's catalog (``pv-contract.md §7``); nothing of it is in documents.

    Example: ``DMRunMetadata("DEMO:DM:MD:", name="metadata")``
    """

    experiment = Cpt(TextSignal, "Experiment", kind=Kind.omitted, doc="Experiment; empty: EXP:Name")
    run_uid = Cpt(StringSignal, "RunUID", kind=Kind.omitted, doc="Unique id of the run")
    dataset = Cpt(TextSignal, "Dataset", kind=Kind.omitted, doc="Empty: run_uid8_ and the first 8 characters of RunUID")
    workflow = Cpt(TextSignal, "Workflow", kind=Kind.omitted, doc="Workflow that the run belongs to")
    json = Cpt(TextSignal, "JSON", kind=Kind.omitted, auto_monitor=False, doc="Metadata, one JSON object, up to 1 MiB")
    send = Cpt(
        CommandSignal,
        "Send",
        kind=Kind.omitted,
        timeout_s=ANSWER_TIMEOUT_S,
        doc="Add the dataset to DM's catalog; done when DM has stored or refused it",
    )
    status = Cpt(ChoiceSignalRO, "Status", kind=Kind.omitted, doc="State of the last Send")
    id = Cpt(StringSignalRO, "ID", kind=Kind.omitted, doc="DM's id of the dataset")
    bytes = Cpt(NumberSignalRO, "Bytes", kind=Kind.omitted, doc="Size of the JSON sent")
