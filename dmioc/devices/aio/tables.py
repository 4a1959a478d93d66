"""The station's tables as ophyd-async has them: one typed column for each of the NTTable's (``pv-contract.md §2`` to §6).

Columns have the names they have on the wire. Times are ISO 8601, empty where there is none. Tables come over PVAccess only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ophyd_async.core import Array1D, Table

# ruff: noqa: N815 - the names of columns are those of the contract


class DMMessages(Table):
    """The last events of the gateway."""

    time: Sequence[str]
    severity: Sequence[str]
    source: Sequence[str]
    message: Sequence[str]


class DMExperimentList(Table):
    """The station's experiments, newest first."""

    name: Sequence[str]
    id: Array1D[np.int32]
    type: Sequence[str]
    start: Sequence[str]
    end: Sequence[str]
    users: Array1D[np.int32]
    description: Sequence[str]


class DMTransferList(Table):
    """Every DAQ, or every upload, of the station, also those started elsewhere."""

    id: Sequence[str]
    experiment: Sequence[str]
    directory: Sequence[str]
    dest: Sequence[str]
    status: Sequence[str]
    total: Array1D[np.int32]
    done: Array1D[np.int32]
    waiting: Array1D[np.int32]
    failed: Array1D[np.int32]
    percent: Array1D[np.float64]
    start: Sequence[str]
    end: Sequence[str]


class DMWorkflowList(Table):
    """The workflows that DM knows."""

    name: Sequence[str]
    owner: Sequence[str]
    description: Sequence[str]
    stages: Array1D[np.int32]


class DMJobList(Table):
    """The newest jobs of the owner."""

    id: Sequence[str]
    workflow: Sequence[str]
    status: Sequence[str]
    stage: Sequence[str]
    submitted: Sequence[str]
    started: Sequence[str]
    ended: Sequence[str]
    runTime: Array1D[np.float64]
    error: Sequence[str]


class DMStages(Table):
    """The stages of a job; one row for each process."""

    stage: Sequence[str]
    process: Array1D[np.int32]
    status: Sequence[str]
    exitStatus: Array1D[np.int32]
    runTime: Array1D[np.float64]
    command: Sequence[str]
    stdOut: Sequence[str]
    stdErr: Sequence[str]
