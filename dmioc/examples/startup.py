"""A plain startup file of a bluesky session at a station with a DM gateway: copy it, and change the prefix.

    export DMIOC_PREFIX=25IDC:DM:
    ipython -i startup.py

Without DMIOC_PREFIX it is ``DEMO:DM:``, that of ``make run``.
"""

from bluesky import RunEngine
from bluesky.preprocessors import SupplementalData

from dmioc.devices import DM_WorkflowConnector, DMMetadata, DMStation, default_prefix
from dmioc.plans import use_station

RE = RunEngine({})

# The station as one device: `dm.experiment.name_.get()`, `dm.workflows.wf1.status.get()`, ...
dm = DMStation(default_prefix(), name="dm")
dm.wait_for_connection(timeout=10.0)

# It stands at the beginning and at the end of every run, and the plans of dmioc.plans use it.
sd = SupplementalData(baseline=[dm])
RE.preprocessors.append(sd)
use_station(dm)

# Every run's start, descriptors and stop go to DM's catalog, under the experiment in use.
dm_metadata = DMMetadata(dm.prefix)
RE.subscribe(dm_metadata)

# For plans that were written for apstools.
dm_workflow = DM_WorkflowConnector(name="dm_workflow", prefix=dm.prefix)
