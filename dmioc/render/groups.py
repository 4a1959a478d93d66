"""Groups of the catalogue: their titles, and which of them are slots, alike but for their number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue

TITLES = {
    "": "Gateway",
    "DS:": "Data storage service",
    "DAQ:": "Data acquisition service and the station's DAQs",
    "PROC:": "Processing service",
    "CAT:": "Catalog service",
    "EXP:": "Experiment",
    "DAQ1:": "DAQ slots",
    "UPL1:": "Upload slots",
    "UPL:": "The station's uploads",
    "WF1:": "Workflow slots",
    "WF:": "The owner's workflows",
    "JOB:": "The owner's jobs",
    "MD:": "Metadata of runs",
    "STR1:": "Streaming slots",
}
"""Titles by group; those of slots by the first of their kind, in the plural."""

SLOT_FILES = {"DAQ": "daq", "UPL": "upload", "WF": "workflow", "STR": "stream"}
"""What files about one kind of slot are called, by the letters of its groups."""

WORKFLOW_SLOTS = "WF"

_SLOT = re.compile(r"([A-Z]+)([0-9]+):")


def slot_of(group: str) -> tuple[str, int] | None:
    """Kind and number of a slot, ``("DAQ", 1)`` of ``DAQ1:``; None for a group that is no slot."""
    found = _SLOT.fullmatch(group)
    return (found[1], int(found[2])) if found else None


def slot_groups(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """The groups of each kind of slot, ``{"DAQ": ("DAQ1:", "DAQ2:"), ...}``, in the order of the catalogue."""
    kinds: dict[str, tuple[str, ...]] = {}
    for group in dict.fromkeys(pv.group for pv in catalogue):
        slot = slot_of(group)
        if slot:
            kinds[slot[0]] = (*kinds.get(slot[0], ()), group)
    return kinds


def slot_title(kind: str) -> str:
    """The title of one slot of a kind, without its number: ``DAQ slot`` of ``DAQ``."""
    return TITLES.get(f"{kind}1:", kind).removesuffix("s")


def group_title(group: str) -> str:
    """The title of one group: ``DAQ slot 1`` of ``DAQ1:``, ``Experiment`` of ``EXP:``."""
    slot = slot_of(group)
    return f"{slot_title(slot[0])} {slot[1]}" if slot else TITLES.get(group, group.removesuffix(":"))
