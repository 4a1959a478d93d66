# ruff: noqa: D103, E402, F811, I001  # the code stands as in the guide: names more than once, few docstrings
# fmt: off
"""The snippets of APS' guide "Integration with APS Data Management (DM)", with the import changed and nothing else.

Each cell (``# %%``) is a snippet of the guide, to be copied together with the first two. The station is found by the environment
variable DMIOC_PREFIX, e.g. ``export DMIOC_PREFIX=25IDC:DM:``; without it it is ``DEMO:DM:``, that of ``make run``.

Two snippets of the guide do not compile as printed there: ``daq["id])`` lacks a quotation mark, and a comma is missing after
``experimentFilePath=p.name``. Both are added here. The paths are the guide's, to be replaced.
"""

# %% what the guide takes for granted
from bluesky import plan_stubs as bps

# %% the name of the experiment
from ophyd import Signal
dm_experiment = Signal(name="dm_experiment", value="")

def setup_user(dm_experiment_name: str = ""):
    yield from bps.mv(dm_experiment, dm_experiment_name)

# %% start a DAQ if needed
from dmioc.devices import dm_get_experiment_datadir_active_daq, dm_start_daq

dm_daq_id = Signal(name="dm_daq_id", value="")

def setup_user(dm_experiment_name: str = ""):
    yield from bps.mv(dm_experiment, dm_experiment_name)

    # local directory tree to monitor
    data_directory = "/some/path/to/data/"
    # DM experiment subdirectory for upload
    dm_daq_directory = "something"
    daq = dm_get_experiment_datadir_active_daq(
        dm_experiment_name, data_directory)
    if daq is None:
        daq = dm_start_daq(
            dm_experiment_name,
            data_directory,
            destDirectory=dm_daq_directory
        )
    # remember this for later
    yield from bps.mv(dm_daq_id, daq["id"])

# %% upload a file if needed
import pathlib
from dmioc.devices import dm_upload

def setup_user(
    dm_experiment_name: str = "",
    upload_file: str = "",
):
    yield from bps.mv(dm_experiment, dm_experiment_name)

    # upload a file
    # DM experiment subdirectory for upload
    p = pathlib.Path(upload_file)
    dm_upload_directory = "something"
    dm_upload(
        dm_experiment_name,
        str(p.parent),  # the directory name
        experimentFilePath=p.name,  # the file name
        destDirectory=dm_upload_directory,
    )

# %% a workflow in a data collection plan
from dmioc.devices import DM_WorkflowConnector

def collect_data(workflow_name: str, dm_directory: str, dm_wait: bool = True):

    # ... later, in the bluesky plan ...
    # REPLACE "dm_workflow" with the name of the workflow to be used.
    # This could be a keyword argument to the plan!
    # The reporting settings could also be user-selectable keyword arguments.
    dm_workflow = DM_WorkflowConnector(name="dm_workflow")
    yield from bps.mv(
        dm_workflow.concise_reporting, False,  # True: for less details
        dm_workflow.reporting_period, 60,  # for periodic reports (s)
    )
    yield from dm_workflow.run_as_plan(
        workflow=workflow_name,
        wait=dm_wait,
        timeout=999_999_999, # seconds (aka forever)
        # all kwargs after this line are DM argsDict content
        filePath=dm_directory,  # like dm_daq_directory
        experiment=dm_experiment.get(),
        # ... any other keyword args needed by the plan ...
    )
    return dm_workflow
