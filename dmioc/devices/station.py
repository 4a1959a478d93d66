"""A gateway as one device."""

from __future__ import annotations

import functools
from typing import Any, Self

from ophyd import Component as Cpt
from ophyd import Device, Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.experiment import DMExperiment
from dmioc.devices.metadata import DMRunMetadata
from dmioc.devices.signals import (
    ChoiceSignal,
    ChoiceSignalRO,
    NumberSignal,
    NumberSignalRO,
    StringSignalRO,
    TextSignalRO,
)
from dmioc.devices.streams import DMStreams
from dmioc.devices.transfers import DMDaqs, DMUploads
from dmioc.devices.workflows import DMJobs, DMWorkflows


class DMService(Device):
    """How one of DM's services does, as the gateway sees it; a part of `DMStation`."""

    state = Cpt(ChoiceSignalRO, "State", kind=Kind.config, doc="Whether the service answers")
    error = Cpt(TextSignalRO, "Error", kind=Kind.omitted, doc="Why it does not")
    latency = Cpt(NumberSignalRO, "Latency", kind=Kind.omitted, doc="Time of the last answer, ms")
    age = Cpt(NumberSignalRO, "Age", kind=Kind.omitted, doc="Since the last good answer, s; -1: none yet")


class DMStation(CommandGroup):
    """A whole gateway (``pv-contract.md``): the station, the experiment in use, and the slots.

    As a baseline device it puts into the documents of a run: experiment, DAQs, uploads, jobs and streams in ``read()``, setpoints
    and what the station is in ``read_configuration()``. Messages, outputs and the health of the gateway are omitted.

    Example::

        dm = DMStation("DEMO:DM:", name="dm")
        dm.wait_for_connection()
        RE(bps.mv(dm.experiment.name_, "my-experiment", dm.workflows.wf1.name_, "example-01"))
    """

    station = Cpt(StringSignalRO, "Station", kind=Kind.config, doc="DM station")
    owner = Cpt(StringSignalRO, "Owner", kind=Kind.config, doc="DM user that owns the jobs")
    backend = Cpt(StringSignalRO, "Backend", kind=Kind.config, doc="How DM is reached: local, rest or aps-dm-api")
    version = Cpt(StringSignalRO, "Version", kind=Kind.config, doc="Version of the gateway")
    state = Cpt(ChoiceSignalRO, "State", kind=Kind.config, doc="State of the connection to DM")
    ds = Cpt(DMService, "DS:", kind=Kind.omitted, doc="DM's data storage service")
    daq = Cpt(DMService, "DAQ:", kind=Kind.omitted, doc="DM's data acquisition service")
    proc = Cpt(DMService, "PROC:", kind=Kind.omitted, doc="DM's processing service")
    cat = Cpt(DMService, "CAT:", kind=Kind.omitted, doc="DM's catalog service")
    message = Cpt(TextSignalRO, "Message", kind=Kind.omitted, doc="Last event in words, with its time")

    poll_period = Cpt(NumberSignal, "PollPeriod", kind=Kind.config, doc="While something is active, s")
    idle_poll_period = Cpt(NumberSignal, "IdlePollPeriod", kind=Kind.config, doc="While nothing is active, s")
    lost_after = Cpt(NumberSignal, "LostAfter", kind=Kind.config, doc="Waits end when DM is away for so long, s")
    no_files_after = Cpt(NumberSignal, "NoFilesAfter", kind=Kind.config, doc="DAQ without a file for so long: MINOR, s")
    no_progress_after = Cpt(NumberSignal, "NoProgressAfter", kind=Kind.config, doc="No progress for so long: MAJOR, s")
    control = Cpt(ChoiceSignal, "Control", kind=Kind.config, doc="Whether commands are taken")
    refresh = Cpt(
        CommandSignal, "Refresh", kind=Kind.omitted, doc="Poll everything now; done when every service has answered"
    )

    requests = Cpt(NumberSignalRO, "Requests", kind=Kind.omitted, doc="Requests sent to DM since start")
    request_errors = Cpt(NumberSignalRO, "RequestErrors", kind=Kind.omitted, doc="Requests that ended in an error")
    revision = Cpt(NumberSignalRO, "Revision", kind=Kind.omitted, doc="Revision of the published state")
    heartbeat = Cpt(NumberSignalRO, "Heartbeat", kind=Kind.omitted, doc="Counts up once a second")
    uptime = Cpt(NumberSignalRO, "Uptime", kind=Kind.omitted, doc="Since the gateway started, s")
    start_time = Cpt(StringSignalRO, "StartTime", kind=Kind.omitted, doc="Start of the gateway, ISO 8601")
    host = Cpt(StringSignalRO, "Host", kind=Kind.omitted, doc="Where the gateway runs")
    pid = Cpt(NumberSignalRO, "Pid", kind=Kind.omitted, doc="Its process")
    cpu = Cpt(NumberSignalRO, "Cpu", kind=Kind.omitted, doc="Its use of a processor, %")
    memory = Cpt(NumberSignalRO, "Memory", kind=Kind.omitted, doc="Its memory, MB")
    fds = Cpt(NumberSignalRO, "Fds", kind=Kind.omitted, doc="Its open files")
    ca_clients = Cpt(NumberSignalRO, "CAClients", kind=Kind.omitted, doc="Clients over Channel Access")
    pva_clients = Cpt(NumberSignalRO, "PVAClients", kind=Kind.omitted, doc="Clients over PVAccess")
    pv_count = Cpt(NumberSignalRO, "PVCount", kind=Kind.omitted, doc="PVs served")

    experiment = Cpt(DMExperiment, "EXP:", kind=Kind.normal, doc="The experiment in use")
    daqs = Cpt(DMDaqs, "", kind=Kind.normal, doc="DAQ slots")
    uploads = Cpt(DMUploads, "", kind=Kind.normal, doc="Upload slots")
    workflows = Cpt(DMWorkflows, "", kind=Kind.normal, doc="Workflow slots")
    jobs = Cpt(DMJobs, "JOB:", kind=Kind.normal, doc="All jobs of the owner")
    metadata = Cpt(DMRunMetadata, "MD:", kind=Kind.omitted, doc="Metadata of runs")
    streams = Cpt(DMStreams, "", kind=Kind.normal, doc="Streaming slots")

    def __new__(
        cls,
        prefix: str = "",
        *,
        daqs: int | None = None,
        uploads: int | None = None,
        workflows: int | None = None,
        streams: int | None = None,
        **_: Any,
    ) -> Self:
        """A device of the class with so many slots."""
        return object.__new__(_sized(cls, daqs=daqs, uploads=uploads, workflows=workflows, streams=streams))

    def __init__(
        self,
        prefix: str = "",
        *,
        name: str,
        daqs: int | None = None,
        uploads: int | None = None,
        workflows: int | None = None,
        streams: int | None = None,
        **kwargs: Any,
    ) -> None:
        """The gateway at ``prefix``, e.g. ``25IDC:DM:``, with as many slots of each kind as it is configured to have.

        None: as many as the class has, for `DMStation` the contract's numbers: 2 DAQ, 2 upload, 4 workflow, 2 streaming slots.
        """
        super().__init__(prefix, name=name, **kwargs)

    @property
    def hints(self) -> dict[str, Any]:
        """None: a station is not something to plot; its slots have hints, each by itself."""
        return {"fields": []}


@functools.cache
def _sized(station: type[Any], **slots: int | None) -> type[Any]:
    """The class itself, or a subclass with other numbers of slots."""
    changed: dict[str, Any] = {}
    for attribute, count in slots.items():
        bank = getattr(station, attribute)
        if bank.cls.with_slots(count) is not bank.cls:
            changed[attribute] = Cpt(bank.cls.with_slots(count), "", kind=Kind.normal, doc=bank.doc)
    if not changed:
        return station
    return type(station.__name__, (station,), {**changed, "__doc__": station.__doc__, "__module__": station.__module__})
