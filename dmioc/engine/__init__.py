"""Polling, the one state and its revisions, commands and waits; knows no EPICS and no HTTP."""

from dmioc.engine.clock import SystemClock
from dmioc.engine.gateway import Gateway

__all__ = ["Gateway", "SystemClock"]
