"""What job to start, and how a workflow slot is told."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dmioc.catalogue.workflows import ARGUMENT_PAIRS, IF_RUNNING_STATES
from dmioc.plans.arguments import json_object
from dmioc.plans.watching import Watch

IF_RUNNING = tuple(state.label for state in IF_RUNNING_STATES)
"""What may be done while another job of the workflow is active."""
BESIDE, WAIT, _ = IF_RUNNING
ARGUMENT_FIELDS = tuple(f"arg{number}_{what}" for number in range(1, ARGUMENT_PAIRS + 1) for what in ("key", "value"))
"""Components of a slot that hold arguments for screens."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What job to start.

    Attributes:
        workflow: name of the DM workflow.
        file_path: DM argument ``filePath``; empty: none.
        args: further DM arguments.
        owner: owner of the workflow; empty: the gateway's DM user.
        request_id: the same id never starts a second job.
        if_running: ``Start``, ``Wait`` or ``Refuse``: what to do while another job of the workflow is active.
    """

    workflow: str
    file_path: str = ""
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: str = ""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    if_running: str = BESIDE

    def setpoints(self, slot: Any, watch: Watch) -> dict[Any, Any]:
        """Signals of a slot and what to set them to; what an operator has left in the fields for screens is cleared."""
        left = [getattr(slot, name) for name in ARGUMENT_FIELDS]
        return {
            slot.name_: self.workflow,
            slot.owner: self.owner,
            slot.file_path: self.file_path,
            slot.args: json_object(self.args),
            slot.request_id: self.request_id,
            slot.if_running: self.if_running,
            **{signal: "" for signal in left if watch.value(signal) != ""},
        }
