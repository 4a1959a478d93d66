"""What one PV is, as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from dmioc.model import Service, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STRING_BYTES = 39
"""Longest DBR_STRING that every client reads whole (``epics-notes.md §3.8``)."""

NAME_CHARACTERS = 60
"""Longest full PV name (``pv-contract.md §1``)."""

STATE_CHARACTERS = 25
STATES = 16
"""Limits of an EPICS enum: so many states, each so long."""

DESCRIPTION_CHARACTERS = 39
"""Longest DESC that a client reads whole as DBR_STRING."""


NT_TABLE = "epics:nt/NTTable:1.0"
"""Normative type of tables."""


class Kind(Enum):
    """Type of a PV in the words of ``pv-contract.md §1``."""

    TEXT = "text"
    LINES = "lines"
    STRING = "string"
    ENUM = "enum"
    LONG = "long"
    DOUBLE = "double"
    COMMAND = "command"
    TABLE = "table"
    STRUCTURE = "structure"
    RPC = "rpc"

    @property
    def is_scalar(self) -> bool:
        """Whether it is served over Channel Access too; the others are PVAccess only."""
        return self not in (Kind.TABLE, Kind.STRUCTURE, Kind.RPC)

    @property
    def is_text(self) -> bool:
        """Whether it is a CHAR waveform over Channel Access."""
        return self in (Kind.TEXT, Kind.LINES)

    @property
    def has_states(self) -> bool:
        """Whether it is an enum on the wire."""
        return self in (Kind.ENUM, Kind.COMMAND)


class Access(Enum):
    """Who may write: nobody, a client that sets, one that commands, one that looks after the gateway.

    The value is the access security group (``design.md``, commands).
    """

    READ = "DEFAULT"
    WRITE = "DMWRITE"
    COMMAND = "DMCOMMAND"
    ADMIN = "DMADMIN"


@dataclass(frozen=True, slots=True)
class State:
    """One state of an enum, and the alarm severity that being in it gives (status STATE)."""

    label: str
    severity: Severity = Severity.NO_ALARM


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, or one field of a structure.

    Attributes:
        name: its name and label.
        kind: ``string``, ``int`` (32 bits), ``long`` (64 bits), ``double``, or ``time``: ISO 8601 text of POSIX seconds.
        source: attribute of the row's object in the engine.
        width: characters of it in a row as text; 0: it is left out there.
    """

    name: str
    kind: str = "string"
    source: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class PV:
    """One process variable.

    Attributes:
        name: without the prefix, e.g. ``WF1:Status``.
        kind: its type.
        description: at most 39 characters, the record's DESC.
        access: who may write.
        length: most bytes of UTF-8 of a text; for lines, of all lines with their newlines.
        states: of an enum or a command, in the order of their indices.
        unit: EGU.
        precision: PREC, digits after the point.
        low: least value that a put may have and the lower control limit; None for none.
        high: greatest likewise.
        default: value before anything is known.
        saved: whether the setpoint is kept over a restart.
        service: DM service that the value comes from; when it is away the value is INVALID/COMM. None: the gateway's
            own.
        source: attribute of the group's view in the engine that holds the value; empty where the engine publishes it
            itself.
        time_source: attribute of the view that holds the time of the event behind the value; empty for the time it was
            learned.
        alarm: the alarm rule in words, for the reference; the severities of states stand in ``states``.
        doc: more about it than fits into DESC.
        columns: of a table; fields of a structure that shows no scalar PVs.
        type_id: normative type of a structure or a table over PVAccess.
        row_of: the table of which it shows one row, or the text of which it shows one line; empty for every other PV.
        row: number of that row from 0, or from the end if negative.
    """

    name: str
    kind: Kind
    description: str
    access: Access = Access.READ
    length: int = 0
    states: tuple[State, ...] = ()
    unit: str = ""
    precision: int = 0
    low: float | None = None
    high: float | None = None
    default: int | float | str | tuple[str, ...] = 0
    saved: bool = False
    service: Service | None = None
    source: str = ""
    time_source: str = ""
    alarm: str = ""
    doc: str = ""
    columns: tuple[Column, ...] = ()
    type_id: str = ""
    row_of: str = ""
    row: int = 0

    @property
    def group(self) -> str:
        """The part of the name before the PV's own: ``WF1:`` of ``WF1:Status``; empty for the gateway's own PVs."""
        head, colon, _ = self.name.partition(":")
        return head + colon if colon else ""

    @property
    def short_name(self) -> str:
        """The name without its group: ``Status`` of ``WF1:Status``."""
        return self.name[len(self.group) :]

    @property
    def writable(self) -> bool:
        """Whether a client may put to it."""
        return self.access is not Access.READ

    @property
    def asg(self) -> str:
        """Its access security group: what an access security file calls those that share its rules."""
        return self.access.value

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the states."""
        return tuple(state.label for state in self.states)


@dataclass(frozen=True, slots=True)
class Alias:
    """A second name of a PV, for clients that know no other (`dmioc.catalogue.aliases` makes and checks them).

    Attributes:
        name: full name, as clients ask for it; no prefix comes before it.
        target: the PV that it stands for, without prefix.
        kind: the type that it has under this name: the PV's own, or `Kind.STRING` for a text.
    """

    name: str
    target: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Served:
    """A name that clients find, and what they find there.

    Attributes:
        name: full name.
        pv: the PV; for an alias of an older type with that type, else the entry itself.
        is_alias: whether it is not the PV's own name.
    """

    name: str
    pv: PV
    is_alias: bool = False


@dataclass(frozen=True)
class Catalogue:
    """Every PV of one gateway, in the order of the contract, and the second names that some of them have.

    Raises `ValueError` when an entry breaks a limit of EPICS or of the contract: a mistake in the catalogue, not in a
    setting.
    """

    pvs: tuple[PV, ...]
    aliases: tuple[Alias, ...] = ()
    _by_name: Mapping[str, PV] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, PV] = {}
        for pv in self.pvs:
            _check(pv)
            if pv.name in by_name:
                raise ValueError(f"{pv.name} is in the catalogue twice")
            by_name[pv.name] = pv
        object.__setattr__(self, "_by_name", MappingProxyType(by_name))

    def __iter__(self) -> Iterator[PV]:
        return iter(self.pvs)

    def __len__(self) -> int:
        return len(self.pvs)

    def __getitem__(self, name: str) -> PV:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def scalars(self) -> Iterable[PV]:
        """The PVs that both protocols serve."""
        return (pv for pv in self.pvs if pv.kind.is_scalar)

    def served(self, prefix: str) -> Iterator[Served]:
        """Every name that clients find: first each PV's own, then the aliases."""
        for pv in self.pvs:
            yield Served(prefix + pv.name, pv)
        for alias in self.aliases:
            pv = self[alias.target]
            yield Served(alias.name, pv if alias.kind is pv.kind else _retyped(pv, alias.kind), is_alias=True)

    def group(self, group: str) -> tuple[PV, ...]:
        """The PVs of one group, e.g. ``WF1:``; ``""`` for the gateway's own."""
        return tuple(pv for pv in self.pvs if pv.group == group)


def _retyped(pv: PV, kind: Kind) -> PV:
    """A text with the type that registers have."""
    return replace(pv, kind=kind, length=0)


def _check(pv: PV) -> None:
    if len(pv.description) > DESCRIPTION_CHARACTERS or not pv.description:
        raise ValueError(f"{pv.name}: description of 1 to {DESCRIPTION_CHARACTERS} characters, not {pv.description!r}")
    if pv.kind.has_states and not 2 <= len(pv.states) <= STATES:
        raise ValueError(f"{pv.name}: 2 to {STATES} states, not {len(pv.states)}")
    if any(len(label) > STATE_CHARACTERS for label in pv.labels):
        raise ValueError(f"{pv.name}: a state of more than {STATE_CHARACTERS} characters in {pv.labels}")
    if pv.kind.is_text != (pv.length > 0):
        raise ValueError(f"{pv.name}: texts have a length, others have none; not {pv.length}")
