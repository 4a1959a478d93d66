"""DM's services."""

from __future__ import annotations

from enum import Enum


class Service(Enum):
    """DM's services, each with its own address, session and fate (``dm-protocol.md §1.1``)."""

    DS = "DS"
    DAQ = "DAQ"
    PROC = "PROC"
    CAT = "CAT"
