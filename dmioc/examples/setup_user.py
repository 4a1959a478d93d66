"""Begin a user's time at a beamline: directories, the DM experiment, a DAQ for what will be measured, a file for workflows.

    export DMIOC_PREFIX=25IDC:DM:
    python setup_user.py demo /data/2026-3

Without DMIOC_PREFIX the station is ``DEMO:DM:``, that of ``make run``. Copy `begin` into your instrument and change it.
"""

import json
import logging
import sys
from pathlib import Path

from bluesky import RunEngine

from dmioc.plans import setup_user

logger = logging.getLogger("setup_user")


def begin(experiment: str, root: str):
    """Directories of the user, then everything in DM; DM need not be there."""
    folder = Path(root) / experiment
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"experiment": experiment, "wavelength": 1.54}))

    outcome = yield from setup_user(
        experiment,
        data_directory=str(data),
        dest_directory="raw",
        upload_file=str(settings),
        upload_directory="setup",
    )
    logger.info("experiment %s is %s in DM", outcome.experiment, outcome.state)
    if outcome.daq is not None:
        logger.info("DAQ %s stores what appears in %s", outcome.daq.id, outcome.daq.directory)
    return outcome


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    RE = RunEngine({})
    RE(begin(*sys.argv[1:3]))
