"""The driver of PVAccess as a process."""

from __future__ import annotations

from pathlib import Path

from ca_process import CaProcess


class PvaProcess(CaProcess):
    """A running ``pva_driver.py`` under a random prefix."""

    driver = Path(__file__).with_name("pva_driver.py")
