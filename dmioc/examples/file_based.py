"""File-based acquisition: measure into files, wait until DM has stored them, run a workflow on one, tell DM of the run.

    export DMIOC_PREFIX=25IDC:DM:
    python file_based.py /data/2026-3/demo/data/scan1

Without DMIOC_PREFIX the station is ``DEMO:DM:``, that of ``make run``. The experiment must have been chosen, see setup_user.py.

Copy `measure_and_process` into your instrument, with your own acquisition in the place of `measure`.
"""

import logging
import sys
from pathlib import Path

import numpy as np
from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from ophyd.sim import hw

from dmioc.plans import file_based

logger = logging.getLogger("file_based")
det, motor = hw().det, hw().motor


def measure(folder: Path, num: int):
    """A scan with a file for each point. Your area detector writes files by itself: then this is ``bp.scan(...)``."""

    @bpp.stage_decorator([det, motor])
    @bpp.run_decorator(md={"plan_name": "measure", "num_points": num})
    def points():
        for number in range(num):
            yield from bps.mv(motor, number)
            yield from bps.trigger_and_read([det, motor])
            np.save(folder / f"{number:03}.npy", np.full((64, 64), number))

    yield from points()


def measure_and_process(directory: str, num: int = 5, workflow: str = "example-01"):
    """The nine steps of DM's guide around the measurement."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / f"{num - 1:03}.npy"
    outcome = yield from file_based(
        measure(folder, num),
        data_directory=directory,  # a DAQ that watches it already is used as it is
        dest_directory=f"raw/{folder.name}",
        expect=num,
        file=last.name,
        workflow=workflow,
        file_path=str(last),
        metadata={"sample": "Si 111"},
        report_period=5,
        # what is not an argument of file_based is one of the workflow
        detector="pilatus",
    )
    logger.info("DM has %d files", outcome.daq.files_done)
    logger.info("job %s is %s after %.1f s", outcome.job.job_id, outcome.job.status, outcome.job.run_time_s)
    logger.info("run %s is dataset %s", outcome.metadata[0].run_uid, outcome.metadata[0].dataset)
    return outcome


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    RE = RunEngine({})
    RE(measure_and_process(sys.argv[1]))
