"""Frames of a detector, NTNDArray by PVAccess, and what is counted of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmioc.streaming.pva import PvaClient

QUEUE_FRAMES = 64
"""Frames that may wait in this process; each is held whole."""


@dataclass(slots=True)
class FrameStatistics:
    """Counts over the frames of one session.

    Attributes:
        received: frames that came, ``before_begin`` of them before Begin was known here.
        missed: numbers left out between the ``uniqueId`` of one frame and that of the next.
        repeated: updates with the number of the one before; not received again.
        restarts: frames with a lower number than the one before: the source counts anew, nothing is known to be missed.
        overruns: updates that were joined on the way. p4p does not tell, so 0; they show as missed.
        size_bytes: of all frames, as they came.
        first_mean, last_mean, least_mean, greatest_mean, average_mean: means over the values of a frame; None while there
            is no frame with values.
    """

    received: int = 0
    before_begin: int = 0
    missed: int = 0
    repeated: int = 0
    restarts: int = 0
    overruns: int = 0
    size_bytes: int = 0
    frames_with_mean: int = 0
    first_mean: float | None = None
    last_mean: float | None = None
    least_mean: float | None = None
    greatest_mean: float | None = None
    average_mean: float | None = None
    last_id: int | None = None

    def see_first(self, frame: Any) -> None:
        """Take the value the source had before the session: only its number counts."""
        self.last_id = int(frame["uniqueId"])

    def take(self, frame: Any, *, begun: bool) -> None:
        """Count one frame, an NTNDArray."""
        number = int(frame["uniqueId"])
        if number == self.last_id:
            self.repeated += 1
            return
        if self.last_id is not None:
            if number > self.last_id:
                self.missed += number - self.last_id - 1
            else:
                self.restarts += 1
        self.last_id = number
        self.received += 1
        self.before_begin += not begun
        values = frame["value"]
        if values is not None and len(values):
            self.size_bytes += int(values.nbytes)
            # The values of a compressed frame are those of its codec.
            if not frame["codec.name"]:
                self._take_mean(float(values.mean()))

    def _take_mean(self, mean: float) -> None:
        if self.first_mean is None:
            self.first_mean = self.least_mean = self.greatest_mean = self.average_mean = mean
        self.frames_with_mean += 1
        self.last_mean = mean
        self.least_mean = min(mean, mean if self.least_mean is None else self.least_mean)
        self.greatest_mean = max(mean, mean if self.greatest_mean is None else self.greatest_mean)
        average = mean if self.average_mean is None else self.average_mean
        self.average_mean = average + (mean - average) / self.frames_with_mean

    def as_result(self) -> dict[str, object]:
        """As the JSON object that is reported and written to the file."""
        return {
            "received": self.received,
            "beforeBegin": self.before_begin,
            "missed": self.missed,
            "repeated": self.repeated,
            "restarts": self.restarts,
            "overruns": self.overruns,
            "bytes": self.size_bytes,
            "lastUniqueId": self.last_id,
            "mean": {
                "first": self.first_mean,
                "last": self.last_mean,
                "least": self.least_mean,
                "greatest": self.greatest_mean,
                "average": self.average_mean,
            },
        }


class FrameSource:
    """The frames of one PV, with a queue here and one as long at the server; when both are full the newest replaces the last.

    Not with flow control (``pipeline=true``): a PVXS server that had to wait for this client goes on only when it is posted the
    next frame, and so keeps the last ones of a series for itself.
    """

    def __init__(self, pva: PvaClient, name: str, queue_frames: int = QUEUE_FRAMES) -> None:
        self.name = name
        self._watch = pva.watch(name, f"field()record[queueSize={queue_frames}]")

    def take(self) -> Any | None:
        """The next frame, or None if there is none now."""
        return self._watch.take()

    def wait(self, timeout_s: float) -> bool:
        """Wait until there may be a frame; False if the time passed."""
        return self._watch.wait(timeout_s)

    def wake(self) -> None:
        """Let the next `wait` return at once: there are frames that were not taken."""
        self._watch.wake()

    def close(self) -> None:
        """End the subscription."""
        self._watch.close()
