"""The driver of PVAccess as a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ca_process import CaProcess

STAGES: dict[str, list[Any]] = {
    "stage": ["01-A", "02-B"],
    "process": [1, 2],
    "status": ["Done", "Running"],
    "exitStatus": [0, -1],
    "runTime": [1.5, 0.5],
    "command": ["a", "b"],
    "stdOut": ["é", ""],
    "stdErr": ["", ""],
}
"""Stages of a job, by columns."""


class PvaProcess(CaProcess):
    """A running ``pva_driver.py`` under a random prefix."""

    driver = Path(__file__).with_name("pva_driver.py")
