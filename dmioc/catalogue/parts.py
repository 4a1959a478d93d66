"""Pieces that several groups of PVs share: vocabularies of states, setpoints, the outcome of commands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmioc.catalogue.entries import PV, Access, Kind, State
from dmioc.model import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

STATUS_STATES = tuple(State(status.value, status.severity) for status in Status)
"""The status words as states, in the order of their indices."""

NO_YES = (State("No"), State("Yes"))
IDLE_BUSY = (State("Idle"), State("Busy"))
COMMAND_OUTCOMES = tuple(State(word) for word in ("None", "Busy", "OK", "Refused", "Failed", "Interrupted"))

PATH_BYTES = 1024
NAME_BYTES = 256
OPTIONS_BYTES = 4096
ERROR_BYTES = 4096

YEAR_S = 366 * 86400.0


def text(name: str, length: int, description: str, **more: object) -> PV:
    """A text of up to ``length`` bytes."""
    return replace(PV(name, Kind.TEXT, description, length=length, default=""), **more)


def string(name: str, description: str, **more: object) -> PV:
    """A text of up to 39 bytes."""
    return replace(PV(name, Kind.STRING, description, default=""), **more)


def enum(name: str, states: tuple[State, ...], description: str, **more: object) -> PV:
    """An enum."""
    return replace(PV(name, Kind.ENUM, description, states=states), **more)


def long(name: str, description: str, **more: object) -> PV:
    """A whole number of 32 bits."""
    return replace(PV(name, Kind.LONG, description), **more)


def double(name: str, description: str, **more: object) -> PV:
    """A floating point number."""
    return replace(PV(name, Kind.DOUBLE, description, default=0.0, precision=2), **more)


def seconds(name: str, description: str, **more: object) -> PV:
    """A time span."""
    return replace(double(name, description), unit="s", precision=1, **more)


def command(name: str, description: str, doc: str) -> PV:
    """A command: a put of 1 runs it, it reads Busy until it has ended."""
    return PV(name, Kind.COMMAND, description, Access.COMMAND, states=IDLE_BUSY, doc=doc)


def setpoint(pv: PV, saved: bool = True) -> PV:
    """The same PV, to be put by clients and, if ``saved``, kept over a restart."""
    return replace(pv, access=Access.WRITE, saved=saved)


def for_admins(pv: PV) -> PV:
    """The same setpoint, but one that changes the gateway for everybody: it is in the access group of those who look after it."""
    return replace(setpoint(pv), access=Access.ADMIN)


def timed(pv: PV, time_source: str) -> PV:
    """The same PV with the time of the event behind it."""
    return replace(pv, time_source=time_source)


def outcome() -> tuple[PV, ...]:
    """What every group with commands has: how its last command ended."""
    return (
        enum("CmdStatus", COMMAND_OUTCOMES, "Outcome of the last command"),
        text("CmdMessage", 1024, "Outcome of the last command, in words"),
        long("CmdCount", "Commands ended or refused since start"),
    )


def status(**more: object) -> tuple[PV, ...]:
    """State of the object that a slot holds."""
    rule = "Failed, TimedOut, Lost MAJOR; Aborted, Unknown MINOR; active with errors MINOR; no progress MAJOR/TIMEOUT"
    return (
        enum(
            "Status",
            STATUS_STATES,
            "State of what the slot holds",
            source="status",
            time_source="event_time_s",
            alarm=rule,
            **more,
        ),
        text(
            "StatusText",
            NAME_BYTES,
            "DM's own word for the state",
            source="status_word",
            time_source="event_time_s",
            **more,
        ),
    )


def in_group(group: str, pvs: Iterable[PV]) -> tuple[PV, ...]:
    """The PVs with the group's name before theirs."""
    return tuple(replace(pv, name=group + pv.name) for pv in pvs)


MAJOR = Severity.MAJOR
MINOR = Severity.MINOR
