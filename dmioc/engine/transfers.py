"""Every DAQ or upload of the station, also those started elsewhere (``pv-contract.md §4, §5``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.engine.polling import Poller
from dmioc.engine.tables import columns_of
from dmioc.engine.transfer_view import judged
from dmioc.model import Service, Transfer, TransferKind

if TYPE_CHECKING:
    from dmioc.engine.core import Core

_GROUPS = {TransferKind.DAQ: "DAQ:", TransferKind.UPLOAD: "UPL:"}


class TransferBoard:
    """The list of one kind of transfer, and how many are active."""

    def __init__(self, core: Core, kind: TransferKind) -> None:
        self._core = core
        self.kind = kind
        self._active_name = f"{_GROUPS[kind]}Active"
        self._table = core.catalogue[f"{_GROUPS[kind]}List"]
        self.transfers: tuple[Transfer, ...] = ()
        question = f"list of {_GROUPS[kind].rstrip(':')}"
        self.poller = Poller(question, core.links[Service.DAQ], core.store, self._poll, self._idle_period_s)

    def _idle_period_s(self) -> float:
        return self._core.store.number("IdlePollPeriod")

    async def _poll(self) -> bool:
        known = {one.id: one for one in self.transfers}
        answer = [judged(one) for one in await self._core.dm.transfers(self.kind)]
        # One that is as it was stays the same object, whose texts the table holds: a list is kept once, not twice.
        self.transfers = tuple(known[one.id] if known.get(one.id) == one else one for one in answer)
        active = sum(one.status.is_active for one in self.transfers)
        self._core.store.set(self._active_name, active, from_dm=True)
        newest = sorted(self.transfers, key=lambda one: one.start_time_s, reverse=True)
        self._core.store.set_table(self._table.name, columns_of(self._table, newest))
        return True
