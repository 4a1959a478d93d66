"""Startup script of a bluesky queue server at a station with a DM gateway: copy it and queueserver_permissions.yaml.

    export DMIOC_PREFIX=25IDC:DM:
    start-re-manager --startup-script queueserver.py --user-group-permissions queueserver_permissions.yaml \
        --existing-plans-devices existing_plans_and_devices.yaml

Then, for example:

    qserver environment open
    qserver queue add plan '{"name": "setup_user", "kwargs": {"experiment": "demo"}}'
    qserver queue add plan '{"name": "scan_and_process", "args": ["/data/scan1"], "kwargs": {"workflow": "example-01"}}'
    qserver queue start

Without DMIOC_PREFIX the station is ``DEMO:DM:``, that of ``make run``.
"""

import logging
from pathlib import Path

from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from ophyd.sim import hw

from dmioc.devices import DMStation, default_prefix

# Plans of dmioc for the queue, as they are.
from dmioc.plans import file_based as _file_based
from dmioc.plans import (  # noqa: F401
    run_workflow,
    setup_user,
    start_daq,
    stop_daq,
    upload,
    use_station,
    wait_daq,
    wait_jobs,
)

# Reports on jobs and files go to the console of the queue server.
logging.getLogger("dmioc").setLevel(logging.INFO)
logging.getLogger("dmioc").addHandler(logging.StreamHandler())

RE = RunEngine({})

dm = DMStation(default_prefix(), name="dm")
dm.wait_for_connection(timeout=10.0)
use_station(dm)

# In place of your detector, which writes files.
det = hw().det


def scan_and_process(directory: str, num: int = 3, workflow: str = "example-01", sample: str = ""):
    """Take files into a directory, have DM store them, process the last one, and tell DM of the run.

    Plans that take a plan, such as `file_based`, cannot be in a queue themselves: a plan of your own calls them.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)

    @bpp.run_decorator(md={"plan_name": "scan_and_process"})
    def acquire():
        for number in range(num):
            yield from bps.trigger_and_read([det])
            (folder / f"{number}.dat").write_text(f"frame {number}\n")

    yield from _file_based(
        acquire(),
        data_directory=directory,
        dest_directory=folder.name,
        expect=num,
        workflow=workflow,
        file_path=str(folder / f"{num - 1}.dat"),
        metadata={"sample": sample},
    )
