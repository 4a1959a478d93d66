"""Bluesky plans that work with DM through the gateway and never block the RunEngine.

They open no run of their own, so that they can stand in any plan, and answer plain data (`dmioc.plans.outcomes`).
"""

from dmioc.plans.file_based import file_based
from dmioc.plans.metadata import send_metadata
from dmioc.plans.outcomes import JobOutcome, MetadataOutcome, RunOutcome, SetupOutcome, StreamOutcome, TransferOutcome
from dmioc.plans.setup import setup_user
from dmioc.plans.stations import forget_stations, use_station
from dmioc.plans.streaming import streaming
from dmioc.plans.transfers import start_daq, stop_daq, upload, wait_daq
from dmioc.plans.workflows import run_workflow, wait_jobs

__all__ = [
    "JobOutcome",
    "MetadataOutcome",
    "RunOutcome",
    "SetupOutcome",
    "StreamOutcome",
    "TransferOutcome",
    "file_based",
    "forget_stations",
    "run_workflow",
    "send_metadata",
    "setup_user",
    "start_daq",
    "stop_daq",
    "streaming",
    "upload",
    "use_station",
    "wait_daq",
    "wait_jobs",
]
