"""What every part of the engine works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.engine.roots import ANYWHERE, Roots

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.engine.commands import Commands
    from dmioc.engine.journal import Journal
    from dmioc.engine.links import Links
    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import Clock, DmBackend
    from dmioc.engine.store import Store


@dataclass(frozen=True, slots=True)
class Core:
    """The shared parts, made once by `dmioc.engine.gateway.Gateway`."""

    catalogue: Catalogue
    store: Store
    clock: Clock
    dm: DmBackend
    links: Links
    messages: Messages
    commands: Commands
    journal: Journal
    roots: Roots = ANYWHERE
