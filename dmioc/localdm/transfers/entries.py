"""The list of transfers: those at work, and those that are over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dmioc.localdm.answers import InvalidRequest, ObjectNotFound
from dmioc.localdm.transfers.records import DAQ, UPLOAD
from dmioc.localdm.transfers.transfer import Transfer

_NAMES = {DAQ: "DAQ", UPLOAD: "Upload"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A transfer that is over: DM's record of it; an upload that was cleared is history only."""

    number: int
    kind: str
    listed: bool
    record: dict[str, object]


Entry = Transfer | Finished


def _kind_of(entry: Entry) -> str:
    """DAQ or upload."""
    return entry.kind if isinstance(entry, Finished) else entry.record.kind


def _is_listed(entry: Entry) -> bool:
    """Whether it was not cleared."""
    return entry.listed if isinstance(entry, Finished) else True


def _record_of(entry: Entry) -> dict[str, object]:
    """DM's record of it as it is now."""
    return dict(entry.record) if isinstance(entry, Finished) else entry.as_dict()


class Entries:
    """Every transfer that is known, by its id, in the order in which they were started."""

    def __init__(self, most: int) -> None:
        """``most``: how many are kept, not counting those at work."""
        self._most = most
        self._entries: dict[str, Entry] = {}

    def put(self, transfer_id: str, entry: Entry) -> None:
        """Take in a transfer."""
        self._entries[transfer_id] = entry

    def end(self, transfer: Transfer) -> None:
        """Keep the final record of a transfer in its place, and forget the oldest that are too many."""
        record = transfer.record
        self._entries[record.id] = Finished(record.number, record.kind, True, transfer.final or transfer.as_dict())
        surplus = len(self._entries) - self._most
        if surplus > 0:
            over = [transfer_id for transfer_id, entry in self._entries.items() if isinstance(entry, Finished)]
            for transfer_id in over[:surplus]:
                del self._entries[transfer_id]

    def active(self) -> list[Transfer]:
        """Those at work."""
        return [entry for entry in self._entries.values() if isinstance(entry, Transfer) and entry.is_active]

    def records(self, kind: str) -> list[dict[str, object]]:
        """Records of those that were not cleared."""
        entries = self._entries.values()
        return [_record_of(entry) for entry in entries if _kind_of(entry) == kind and _is_listed(entry)]

    def record(self, kind: str, transfer_id: str) -> dict[str, object]:
        """The record of one; raises `ObjectNotFound`."""
        return _record_of(self.listed(kind, transfer_id))

    def history(self, kind: str, fits: Callable[[dict[str, object]], bool]) -> list[dict[str, object]]:
        """Records of all that fit, cleared ones too; callable in any thread."""
        entries = list(self._entries.values())
        return [record for entry in entries if _kind_of(entry) == kind and fits(record := _record_of(entry))]

    def listed(self, kind: str, transfer_id: str) -> Entry:
        """One that was not cleared; raises `ObjectNotFound`."""
        entry = self._entries.get(transfer_id)
        if entry is None or _kind_of(entry) != kind or not _is_listed(entry):
            raise ObjectNotFound(f"{_NAMES[kind]} with id {transfer_id} does not exist.")
        return entry

    def clear(self, kind: str, transfer_id: str) -> Finished:
        """Take one that is over from the list; uploads stay in the history. Raises `ObjectNotFound`, `InvalidRequest`."""
        entry = self.listed(kind, transfer_id)
        if isinstance(entry, Transfer):
            raise InvalidRequest(f"{_NAMES[kind]} {transfer_id} is active: stop it before it is cleared")
        if kind == UPLOAD:
            self._entries[transfer_id] = replace(entry, listed=False)
        else:
            del self._entries[transfer_id]
        return entry
