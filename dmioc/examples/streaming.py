"""Streaming acquisition: a workflow is started first, takes the frames while they are measured, and gives its result.

    export DMIOC_PREFIX=25IDC:DM:
    python streaming.py

Without DMIOC_PREFIX the station is ``DEMO:DM:``, that of ``make run``. The experiment must have been chosen, see setup_user.py.

Copy `measure_and_stream` into your instrument, with your detector and the name of its PVAccess image in the place of `Camera`.
"""

import logging
import os

import numpy as np
from bluesky import RunEngine
from bluesky import plans as bp
from ophyd import Component as Cpt
from ophyd import Device, Signal
from ophyd.status import Status
from p4p.nt import NTNDArray
from p4p.server import Server
from p4p.server.thread import SharedPV

from dmioc.plans import streaming

logger = logging.getLogger("streaming")


class Camera(Device):
    """A camera of Python: each trigger is a frame on a PVAccess image, as an area detector's PVA plugin makes it."""

    frames = Cpt(Signal, value=0, kind="hinted")

    def __init__(self, prefix="", *, name, **kwargs):
        super().__init__(prefix, name=name, **kwargs)
        self.image_pv = f"CAM{os.getpid()}:Pva1:Image"
        self._image = SharedPV(initial=self._frame(0))
        self._server = Server(providers=[{self.image_pv: self._image}])

    @staticmethod
    def _frame(number):
        frame = NTNDArray().wrap(np.full((64, 64), number % 200, dtype=np.uint8))
        frame["uniqueId"] = number
        return frame

    def trigger(self):
        """Take a frame."""
        number = self.frames.get() + 1
        self._image.post(self._frame(number))
        self.frames.put(number)
        status = Status()
        status.set_finished()
        return status

    def close(self):
        """Take the image off the network."""
        self._server.stop()


def measure_and_stream(camera, num: int = 50):
    """The streaming outline of DM's guide around the measurement."""
    outcome = yield from streaming(
        bp.count([camera], num, delay=0.01),
        workflow="stream-consume-01",
        source=camera.image_pv,
        file_path="/dev/null",
        stream_args={"expected": num},  # the workflow is told when data begin and end
        ready_timeout=60,
        metadata={"sample": "Si 111"},
    )
    logger.info("session %s is %s", outcome.stream.session, outcome.stream.state)
    logger.info("the workflow took %d frames and missed %d", outcome.stream.received, outcome.stream.missed)
    logger.info("its result: %s", outcome.stream.result)
    return outcome


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    RE = RunEngine({})
    camera = Camera(name="camera")
    try:
        RE(measure_and_stream(camera))
    finally:
        camera.close()
