"""A gateway as one device."""

from __future__ import annotations

from typing import Annotated

from ophyd_async.core import SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.catalogue import Slots
from dmioc.devices.aio.commands import DMCommand
from dmioc.devices.aio.device import CHILD, CONFIG, CommandGroup, GatewayDevice, WithoutHints
from dmioc.devices.aio.enums import DMControl, DMGatewayState, DMServiceState
from dmioc.devices.aio.experiment import DMExperiment
from dmioc.devices.aio.metadata import DMRunMetadata
from dmioc.devices.aio.streams import DMStreams
from dmioc.devices.aio.tables import DMMessages
from dmioc.devices.aio.transfers import DMDaqs, DMUploads
from dmioc.devices.aio.workflows import DMJobs, DMWorkflows

_SLOTS = Slots()


class DMService(GatewayDevice):
    """How one of DM's services does, as the gateway sees it; a part of `DMStation`."""

    state: Annotated[SignalR[DMServiceState], PvSuffix("State"), CONFIG]
    error: Annotated[SignalR[str], PvSuffix("Error")]
    latency: Annotated[SignalR[float], PvSuffix("Latency")]
    age: Annotated[SignalR[float], PvSuffix("Age")]


class DMStation(WithoutHints, CommandGroup):
    """A whole gateway (``pv-contract.md``): the station, the experiment in use, and the slots.

    As a baseline device it puts into the documents of a run: experiment, DAQs, uploads, jobs and streams in ``read()``, setpoints
    and what the station is in ``read_configuration()``. Messages, outputs and the health of the gateway are omitted.

    Example::

        with init_devices():
            dm = DMStation("pva://DEMO:DM:")
        RE(bps.mv(dm.experiment.name_, "my-experiment", dm.workflows.wf1.name_, "example-01"))
    """

    station: Annotated[SignalR[str], PvSuffix("Station"), CONFIG]
    owner: Annotated[SignalR[str], PvSuffix("Owner"), CONFIG]
    backend: Annotated[SignalR[str], PvSuffix("Backend"), CONFIG]
    version: Annotated[SignalR[str], PvSuffix("Version"), CONFIG]
    state: Annotated[SignalR[DMGatewayState], PvSuffix("State"), CONFIG]
    ds: Annotated[DMService, PvSuffix("DS:")]
    daq: Annotated[DMService, PvSuffix("DAQ:")]
    proc: Annotated[DMService, PvSuffix("PROC:")]
    cat: Annotated[DMService, PvSuffix("CAT:")]
    message: Annotated[SignalR[str], PvSuffix("Message")]
    messages: Annotated[SignalR[DMMessages], PvSuffix("Messages")]
    poll_period: Annotated[SignalRW[float], PvSuffix("PollPeriod"), CONFIG]
    idle_poll_period: Annotated[SignalRW[float], PvSuffix("IdlePollPeriod"), CONFIG]
    lost_after: Annotated[SignalRW[float], PvSuffix("LostAfter"), CONFIG]
    no_files_after: Annotated[SignalRW[float], PvSuffix("NoFilesAfter"), CONFIG]
    no_progress_after: Annotated[SignalRW[float], PvSuffix("NoProgressAfter"), CONFIG]
    control: Annotated[SignalRW[DMControl], PvSuffix("Control"), CONFIG]
    refresh: Annotated[DMCommand, PvSuffix("Refresh")]
    requests: Annotated[SignalR[int], PvSuffix("Requests")]
    request_errors: Annotated[SignalR[int], PvSuffix("RequestErrors")]
    revision: Annotated[SignalR[int], PvSuffix("Revision")]
    heartbeat: Annotated[SignalR[int], PvSuffix("Heartbeat")]
    uptime: Annotated[SignalR[float], PvSuffix("Uptime")]
    start_time: Annotated[SignalR[str], PvSuffix("StartTime")]
    host: Annotated[SignalR[str], PvSuffix("Host")]
    pid: Annotated[SignalR[int], PvSuffix("Pid")]
    cpu: Annotated[SignalR[float], PvSuffix("Cpu")]
    memory: Annotated[SignalR[float], PvSuffix("Memory")]
    fds: Annotated[SignalR[int], PvSuffix("Fds")]
    ca_clients: Annotated[SignalR[int], PvSuffix("CAClients")]
    pva_clients: Annotated[SignalR[int], PvSuffix("PVAClients")]
    pv_count: Annotated[SignalR[int], PvSuffix("PVCount")]
    experiment: Annotated[DMExperiment, PvSuffix("EXP:"), CHILD]
    jobs: Annotated[DMJobs, PvSuffix("JOB:"), CHILD]
    metadata: Annotated[DMRunMetadata, PvSuffix("MD:")]

    def __init__(
        self,
        prefix: str,
        name: str = "",
        *,
        daqs: int = _SLOTS.daq,
        uploads: int = _SLOTS.upload,
        workflows: int = _SLOTS.workflow,
        streams: int = _SLOTS.stream,
    ) -> None:
        """The gateway at ``prefix``, e.g. ``ca://25IDC:DM:``, with as many slots of each kind as it is configured to have."""
        super().__init__(prefix)
        self.daqs = DMDaqs(prefix, slots=daqs)
        self.uploads = DMUploads(prefix, slots=uploads)
        self.workflows = DMWorkflows(prefix, slots=workflows)
        self.streams = DMStreams(prefix, slots=streams)
        self.add_readables([self.daqs, self.uploads, self.workflows, self.streams])
        self.set_name(name)
