"""What an overview of a station shows, as data: which PVs, in which order (``dmioc watch``, ``dmioc web``).

Names of PVs stand here without prefix and are looked up in the catalogue: an entry that is not there fails at the first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dmioc.catalogue.entries import PV, Catalogue, Kind
from dmioc.catalogue.experiment import experiment
from dmioc.catalogue.gateway import gateway
from dmioc.catalogue.streams import stream_slot
from dmioc.catalogue.transfers import daq_slot, transfer_lists, upload_slot
from dmioc.catalogue.workflows import jobs, workflow_slot
from dmioc.model import Service

if TYPE_CHECKING:
    from collections.abc import Iterable


class SlotKind(Enum):
    """A kind of slot; the value is what its groups begin with: ``DAQ`` of ``DAQ1:``."""

    DAQ = "DAQ"
    UPLOAD = "UPL"
    WORKFLOW = "WF"
    STREAM = "STR"

    @property
    def title(self) -> str:
        """What the slots of the kind are called on a page."""
        return _TITLES[self]


_TITLES = {
    SlotKind.DAQ: "DAQs",
    SlotKind.UPLOAD: "Uploads",
    SlotKind.WORKFLOW: "Jobs",
    SlotKind.STREAM: "Streams",
}


@dataclass(frozen=True, slots=True)
class SlotOverview:
    """One slot.

    Attributes:
        kind: its kind.
        number: from 1.
        head: its state; a slot is there when this PV is.
        line: what one line about it shows, ``head`` first.
        details: every other readback of it, and the outcome of its last command; in the catalogue's order.
        table: its table over PVAccess (the stages of a job); None where it has none.
    """

    kind: SlotKind
    number: int
    head: PV
    line: tuple[PV, ...]
    details: tuple[PV, ...]
    table: PV | None

    @property
    def name(self) -> str:
        """``WF1``."""
        return f"{self.kind.value}{self.number}"

    @property
    def all_details(self) -> tuple[PV, ...]:
        """What is shown of it besides its line."""
        return self.details if self.table is None else (*self.details, self.table)


@dataclass(frozen=True, slots=True)
class ServiceOverview:
    """One DM service: its state, its last error, its answer time in ms and the age of its last good answer in s."""

    service: Service
    state: PV
    error: PV
    latency: PV
    age: PV

    @property
    def pvs(self) -> tuple[PV, ...]:
        """All of them, the state first."""
        return (self.state, self.error, self.latency, self.age)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything of a station but its slots, whose number only the gateway knows.

    Attributes:
        head: state of the gateway; nothing of the station can be told while this PV is away.
        gateway: the station and the gateway in a few words, ``head`` first.
        heartbeat: counts once a second: values are fresh while it does.
        services: the DM services.
        experiment: the experiment in use.
        counts: active DAQs, uploads and jobs of the whole station.
        health: how the gateway itself does.
        settings: setpoints of the gateway itself.
        messages: the last events; PVAccess only.
        lists: experiments, DAQs, uploads and jobs of the whole station; PVAccess only.
        rows: the first rows of these lists as texts (``row_of``), for who has no tables.
    """

    head: PV
    gateway: tuple[PV, ...]
    heartbeat: PV
    services: tuple[ServiceOverview, ...]
    experiment: tuple[PV, ...]
    counts: tuple[PV, ...]
    health: tuple[PV, ...]
    settings: tuple[PV, ...]
    messages: PV
    lists: tuple[PV, ...]
    rows: tuple[PV, ...]

    @property
    def scalars(self) -> tuple[PV, ...]:
        """Every PV that both protocols serve but the rows, each once, ``head`` first."""
        services = (pv for service in self.services for pv in service.pvs)
        every = (*self.gateway, *services, *self.experiment, *self.counts, *self.health, *self.settings)
        return tuple(dict.fromkeys(every))

    @property
    def tables(self) -> tuple[PV, ...]:
        """Every PV that only PVAccess serves."""
        return (self.messages, *self.lists)


def station_overview() -> Overview:
    """The overview of any station."""
    catalogue = Catalogue((*gateway(), *experiment(), *transfer_lists(), *jobs()))
    return Overview(
        head=catalogue["State"],
        gateway=_named(catalogue, "", ("State", "Station", "Owner", "Backend", "Version", "Message", "Control")),
        heartbeat=catalogue["Heartbeat"],
        services=tuple(_service(catalogue, service) for service in Service),
        experiment=tuple(pv for pv in catalogue.group("EXP:") if _is_readback(pv) or pv.name == "EXP:Name"),
        counts=tuple(
            catalogue[name] for name in ("DAQ:Active", "UPL:Active", "JOB:Active", "JOB:Pending", "JOB:Running")
        ),
        health=_named(catalogue, "", _HEALTH),
        settings=tuple(pv for pv in catalogue.group("") if pv.saved),
        messages=catalogue["Messages"],
        lists=tuple(catalogue[name] for name in _LISTS),
        rows=tuple(pv for pv in catalogue if pv.row_of in _LISTS),
    )


_LISTS = ("EXP:List", "DAQ:List", "UPL:List", "JOB:List")

_HEALTH = (
    "Heartbeat",
    "Uptime",
    "StartTime",
    "Host",
    "Pid",
    "Cpu",
    "Memory",
    "Fds",
    "CAClients",
    "PVAClients",
    "PVCount",
    "Requests",
    "RequestErrors",
    "Revision",
)

_TRANSFER = (
    "Status",
    "Percent",
    "FilesTotal",
    "FilesDone",
    "FilesWaiting",
    "FilesFailed",
    "Rate",
    "RunTime",
    "Experiment_RBV",
)

_LINES = {
    SlotKind.DAQ: (*_TRANSFER, "DataDirectory_RBV", "Error"),
    SlotKind.UPLOAD: (*_TRANSFER, "SourcePath_RBV", "Error"),
    SlotKind.WORKFLOW: (
        "Status",
        "Percent",
        "StageIndex",
        "StageCount",
        "Stage",
        "Workflow_RBV",
        "RunTime",
        "JobID",
        "Error",
    ),
    SlotKind.STREAM: (
        "State",
        "Received",
        "Processed",
        "Missed",
        "Errors",
        "HeartbeatAge",
        "Source_RBV",
        "JobID",
        "Message",
        "Error",
    ),
}


def slot_overview(kind: SlotKind, number: int) -> SlotOverview:
    """The overview of one slot, from 1; raises nothing: whether the gateway has it is for the client to find out."""
    catalogue = Catalogue(_slot_pvs(kind, number))
    group = f"{kind.value}{number}:"
    line = _named(catalogue, group, _LINES[kind])
    details = tuple(pv for pv in catalogue if pv.kind.is_scalar and _is_readback(pv) and pv not in line)
    tables = [pv for pv in catalogue if pv.kind is Kind.TABLE]
    return SlotOverview(kind, number, line[0], line, details, tables[0] if tables else None)


def slots_of(catalogue: Catalogue) -> tuple[SlotOverview, ...]:
    """The overview of every slot that a catalogue has, kind by kind."""
    found: list[SlotOverview] = []
    for kind in SlotKind:
        number = 1
        while f"{kind.value}{number}:{_LINES[kind][0]}" in catalogue:
            found.append(slot_overview(kind, number))
            number += 1
    return tuple(found)


def _slot_pvs(kind: SlotKind, number: int) -> tuple[PV, ...]:
    if kind is SlotKind.DAQ:
        return daq_slot(number)
    if kind is SlotKind.UPLOAD:
        return upload_slot(number)
    if kind is SlotKind.WORKFLOW:
        return workflow_slot(number)
    return stream_slot(number, 0)  # the limit of a setpoint, which no overview shows


def _named(catalogue: Catalogue, group: str, names: Iterable[str]) -> tuple[PV, ...]:
    return tuple(catalogue[group + name] for name in names)


def _service(catalogue: Catalogue, service: Service) -> ServiceOverview:
    return ServiceOverview(service, *_named(catalogue, f"{service.value}:", ("State", "Error", "Latency", "Age")))


def _is_readback(pv: PV) -> bool:
    return pv.kind.is_scalar and not pv.writable and not pv.row_of
