"""The list of transfers: those at work, and those that are over."""

from __future__ import annotations

from dataclasses import dataclass

from dmioc.localdm.transfers.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Finished:
    """A transfer that is over: DM's record of it; an upload that was cleared is history only."""

    number: int
    kind: str
    listed: bool
    record: dict[str, object]


Entry = Transfer | Finished


def kind_of(entry: Entry) -> str:
    """DAQ or upload."""
    return entry.kind if isinstance(entry, Finished) else entry.record.kind


def is_listed(entry: Entry) -> bool:
    """Whether it was not cleared."""
    return entry.listed if isinstance(entry, Finished) else True


def record_of(entry: Entry) -> dict[str, object]:
    """DM's record of it as it is now."""
    return dict(entry.record) if isinstance(entry, Finished) else entry.as_dict()
