"""PVs of the gateway itself and of the DM services it talks to (``pv-contract.md §2``)."""

from __future__ import annotations

from dmioc.catalogue.entries import NT_TABLE, PV, Column, Kind, State
from dmioc.catalogue.parts import (
    MAJOR,
    MINOR,
    YEAR_S,
    command,
    double,
    enum,
    for_admins,
    in_group,
    long,
    outcome,
    seconds,
    string,
    text,
)
from dmioc.catalogue.rows import LIST_ROWS, with_rows
from dmioc.model import Service

GATEWAY_STATES = (
    State("Starting"),
    State("Connected"),
    State("Degraded", MINOR),
    State("Disconnected", MAJOR),
)
SERVICE_STATES = (State("Unknown"), State("Connected"), State("Disconnected", MAJOR))

_SERVICE_NAMES = {
    Service.DS: "data storage",
    Service.DAQ: "data acquisition",
    Service.PROC: "processing",
    Service.CAT: "catalog",
}


def gateway() -> tuple[PV, ...]:
    """The group without a name."""
    return tuple(with_rows(_gateway(), {"Messages": ("MessageRow", LIST_ROWS)}, newest_last=True))


def _gateway() -> tuple[PV, ...]:
    return (
        string("Station", "DM station"),
        string("Owner", "DM user that owns the jobs"),
        string("Backend", "How DM is reached", doc="local, rest or aps-dm-api"),
        string("Version", "Version of the gateway"),
        enum("State", GATEWAY_STATES, "State of the connection to DM", alarm="Degraded MINOR, Disconnected MAJOR"),
        *(pv for service in Service for pv in _service(service)),
        text("Message", 1024, "Last event in words, with its time"),
        PV("Messages", Kind.TABLE, "The last 200 events", columns=_MESSAGE_COLUMNS, type_id=NT_TABLE),
        for_admins(seconds("PollPeriod", "Poll period while something is active", default=0.5, low=0.05, high=60.0)),
        for_admins(
            seconds("IdlePollPeriod", "Poll period while nothing is active", default=5.0, low=0.05, high=3600.0)
        ),
        for_admins(seconds("LostAfter", "Waits end when DM is away for so long", default=60.0, low=0.1, high=YEAR_S)),
        for_admins(
            seconds("NoFilesAfter", "A DAQ without a file for so long: MINOR", default=600.0, low=0.1, high=YEAR_S)
        ),
        for_admins(
            seconds("NoProgressAfter", "No progress for so long: MAJOR/TIMEOUT", default=3600.0, low=0.1, high=YEAR_S)
        ),
        command("Refresh", "Poll everything now", "Completes when every service has answered or failed."),
        *outcome(),
        long("Requests", "Requests sent to DM since start"),
        long("RequestErrors", "Requests that ended in an error"),
        long("Revision", "Revision of the published state"),
        for_admins(enum("Control", (State("Disabled"), State("Enabled")), "Whether commands are taken", default=1)),
        *_health(),
        PV("Status", Kind.STRUCTURE, "The gateway's state in one", type_id="dmioc:Status:1.0"),
        PV("RPC", Kind.RPC, "Queries and commands by name"),
    )


_MESSAGE_COLUMNS = (
    Column("time", "time", "time_s", width=19),
    Column("severity", source="severity", width=8),
    Column("source", source="source", width=14),
    Column("message", source="text", width=88),
)


def _service(service: Service) -> tuple[PV, ...]:
    name = _SERVICE_NAMES[service]
    return in_group(
        f"{service.value}:",
        (
            enum("State", SERVICE_STATES, f"DM {name} service", alarm="Disconnected MAJOR"),
            text("Error", 512, f"Last error of DM {name}", doc="Empty while the service answers."),
            double("Latency", f"Answer time of DM {name}", unit="ms", precision=1),
            seconds("Age", f"Since DM {name} answered", default=-1.0, doc="-1 before the first answer."),
        ),
    )


def _health() -> tuple[PV, ...]:
    return (
        long("Heartbeat", "Counts once a second"),
        seconds("Uptime", "Since the gateway was started"),
        string("StartTime", "Start of the gateway, ISO 8601"),
        string("Host", "Host of the gateway"),
        long("Pid", "Process id of the gateway"),
        double("Cpu", "Use of one processor core", unit="%", precision=1),
        double("Memory", "Resident memory", unit="MB", precision=1),
        long("Fds", "Open file descriptors"),
        long("CAClients", "Connected Channel Access clients"),
        long("PVAClients", "Connected PVAccess clients"),
        long("PVCount", "PVs served"),
    )
