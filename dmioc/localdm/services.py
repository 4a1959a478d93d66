"""DM's services that localdm serves, each on a port of its own (``dm-protocol.md §1.1``)."""

from __future__ import annotations

from enum import Enum


class Service(Enum):
    """A service; the order is the order of the ports."""

    DS = "DS"
    DAQ = "DAQ"
    PROC = "PROC"
    CAT = "CAT"


ALL_SERVICES: tuple[Service, ...] = tuple(Service)
