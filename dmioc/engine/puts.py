"""What a put is, whichever protocol it came by, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from dmioc.catalogue import Catalogue, Raw
from dmioc.engine.ports import Sink, StructureSink
from dmioc.engine.readings import Reading, StructureReading, TableReading


@dataclass(frozen=True, slots=True)
class Origin:
    """Who put: protocol (``ca``, ``pva``, ``rpc``), user as claimed by the client, host as seen by the server.

    ``alias`` is the second name by which the client knows the PV; empty for its own.
    """

    protocol: str
    user: str
    host: str
    alias: str = ""

    def __str__(self) -> str:
        known_as = f" as {self.alias}" if self.alias else ""
        return f"{self.user}@{self.host} over {self.protocol}{known_as}"


class CommandState(Enum):
    """How the last command of a group stands; the value is the label on ``CmdStatus``."""

    NONE = "None"
    BUSY = "Busy"
    OK = "OK"
    REFUSED = "Refused"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a put or a command ended, and why, in one line; ``is_denied`` if it was refused for lack of access."""

    state: CommandState
    message: str = ""
    is_denied: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the client may be told that all went well."""
        return self.state is CommandState.OK


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every scalar PV, table and structure of its own fields at one revision, by their names without prefix."""

    revision: int
    readings: Mapping[str, Reading]
    tables: Mapping[str, TableReading] = field(default_factory=dict[str, TableReading])
    structures: Mapping[str, StructureReading] = field(default_factory=dict[str, StructureReading])


@dataclass(frozen=True, slots=True)
class RpcAnswer:
    """What a query by name gives back.

    Attributes:
        type_id: normative type of the structure, e.g. ``dmioc:Job:1.0``.
        fields: in their order: text, whole numbers (64 bits), floats, booleans, tuples of text, and tables as `TableReading`.
    """

    type_id: str
    fields: Mapping[str, object]


class Puttable(Protocol):
    """The engine as the servers see it."""

    @property
    def catalogue(self) -> Catalogue:
        """What is to be served."""
        ...

    def snapshot(self) -> Snapshot:
        """The state now; cheap, does not copy."""
        ...

    def add_sink(self, sink: Sink) -> None:
        """Let the sink have every later change."""
        ...

    def add_structure_sink(self, sink: StructureSink) -> None:
        """Let the sink have every later change of a table or a structure."""
        ...

    def put_structure(self, name: str, fields: Mapping[str, object], origin: Origin) -> asyncio.Future[Outcome]:
        """Take a put to a writable structure, the fields that the client sent; as `put`."""
        ...

    async def call(self, method: str, arguments: Mapping[str, object], origin: Origin) -> RpcAnswer:
        """Answer a query by name (``pv-contract.md §9``); raises a `DmiocError` whose text is for the client."""
        ...

    def refused(self, name: str, raw: object, origin: Origin, reason: str) -> str:
        """Take note of a put that the server itself did not take; answers the reason for the client.

        Args:
            name: PV without prefix, or a field of it.
            raw: what was put, as far as it is known.
            origin: who put.
            reason: why; for lack of access the answer names the rule.
        """
        ...

    def put(self, name: str, raw: Raw, origin: Origin) -> asyncio.Future[Outcome]:
        """Take a put to a PV (name without prefix); returns at once.

        The future is done already for a setpoint and for what is refused without asking DM; for a command it is done when the
        command has ended. A plain put only looks whether it is done and refused; one with completion waits for it. Cancelling
        the future does not stop the command.
        """
        ...
