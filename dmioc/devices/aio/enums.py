"""The choices of the station's PVs as enums that ophyd-async checks against the gateway when a device connects.

The words come from `dmioc.model` where it has them, otherwise from the catalogue's states; a test compares all of them with
the catalogue. Members are texts: ``status == "Done"`` is right, too.
"""

from __future__ import annotations

from ophyd_async.core import StrictEnum

from dmioc.model import Status, StreamState


class DMStatus(StrictEnum):
    """State of a DAQ, upload, job or dataset (``pv-contract.md §1``, status words)."""

    IDLE = Status.IDLE.value
    PENDING = Status.PENDING.value
    RUNNING = Status.RUNNING.value
    DONE = Status.DONE.value
    FAILED = Status.FAILED.value
    ABORTING = Status.ABORTING.value
    ABORTED = Status.ABORTED.value
    SKIPPED = Status.SKIPPED.value
    TIMED_OUT = Status.TIMED_OUT.value
    LOST = Status.LOST.value
    UNKNOWN = Status.UNKNOWN.value

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to the object."""
        return Status(self.value).is_finished

    @property
    def is_active(self) -> bool:
        """Whether DM is still to do something with the object; an unknown word counts as active."""
        return Status(self.value).is_active


class DMStreamState(StrictEnum):
    """State of a streaming session (``pv-contract.md §8``)."""

    IDLE = StreamState.IDLE.value
    OFFERED = StreamState.OFFERED.value
    ACCEPTED = StreamState.ACCEPTED.value
    READY = StreamState.READY.value
    STREAMING = StreamState.STREAMING.value
    DRAINING = StreamState.DRAINING.value
    DONE = StreamState.DONE.value
    FAILED = StreamState.FAILED.value
    ABORTED = StreamState.ABORTED.value
    LOST = StreamState.LOST.value

    @property
    def is_active(self) -> bool:
        """Whether the session goes on."""
        return StreamState(self.value).is_active


class DMGatewayState(StrictEnum):
    """State of the gateway's connection to DM."""

    STARTING = "Starting"
    CONNECTED = "Connected"
    DEGRADED = "Degraded"
    DISCONNECTED = "Disconnected"


class DMServiceState(StrictEnum):
    """State of the connection to one of DM's services."""

    UNKNOWN = "Unknown"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"


class DMExperimentState(StrictEnum):
    """Whether DM knows the experiment in use."""

    UNSET = "Unset"
    LOADED = "Loaded"
    NOT_FOUND = "NotFound"
    UNVERIFIED = "Unverified"


class DMCommandStatus(StrictEnum):
    """Outcome of the last command of a group."""

    NONE = "None"
    BUSY = "Busy"
    OK = "OK"
    REFUSED = "Refused"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"


class DMControl(StrictEnum):
    """Whether the gateway takes commands."""

    DISABLED = "Disabled"
    ENABLED = "Enabled"


class DMIfRunning(StrictEnum):
    """What Start and Run do while another job of the workflow is active."""

    START = "Start"
    WAIT = "Wait"
    REFUSE = "Refuse"


class DMUploadMode(StrictEnum):
    """File by file, or the whole directory in one transfer."""

    FILES = "Files"
    DIRECTORY = "Directory"


class DMNoYes(StrictEnum):
    """No or yes."""

    NO = "No"
    YES = "Yes"
