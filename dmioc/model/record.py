"""What DM keeps records of."""

from __future__ import annotations

from enum import Enum


class RecordKind(Enum):
    """A kind of DM's own records; the value is the word that clients give (``pv-contract.md §9``)."""

    EXPERIMENT = "Experiment"
    DAQ = "DAQ"
    UPLOAD = "Upload"
    WORKFLOW = "Workflow"
    JOB = "Job"
    FILE = "File"
