"""Lists of jobs out of what is at work and what is stored (``dm-protocol.md §6.1``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dmioc.localdm.answers import InvalidArgument
from dmioc.localdm.query import matcher
from dmioc.localdm.workflows.records import Snapshot
from dmioc.localdm.workflows.store import JobStore, StoredJob

KeyList = str | Sequence[str]

ALL = "ALL"
DEFAULT = "DEFAULT"
DEFAULT_KEYS = (
    "id",
    "owner",
    "status",
    "startTime",
    "endTime",
    "runTime",
    "startTimestamp",
    "endTimestamp",
    "errorMessage",
)
_CHUNK_JOBS = 500  # so that neither the database nor the interpreter is held for long
_RAW_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_DOCUMENTS = msgspec.json.Decoder(list[dict[str, Any]])


class JobList:
    """Answers lists of the jobs of one owner, oldest first."""

    def __init__(self, store: JobStore, live: Callable[[str], Mapping[int, Snapshot]]) -> None:
        self._store = store
        self._live = live

    def json(self, owner: str, query: Mapping[str, object], skip: int, limit: int, key_list: KeyList) -> bytes:
        """JSON array of the jobs that fit the query; a limit of 0 means all (assumed, as in MongoDB)."""
        keys = _keys(key_list)
        live = self._live(owner)  # before the store: what has left it by now is stored
        sequences = sorted({*self._store.sequences(owner), *live})
        if query:
            sequences = self._fitting(sequences, live, query)
        page = sequences[skip : skip + limit if limit else None]
        return b"[" + b",".join(self._rows(page, live, keys)) + b"]"

    def _rows(
        self, sequences: Sequence[int], live: Mapping[int, Snapshot], keys: Sequence[str] | None
    ) -> Iterator[bytes]:
        """JSON of the jobs, separated by commas within each chunk."""
        for jobs in self._chunks(sequences, live, keys):
            texts = [job.document or job.summary for job in jobs]
            if keys is None:
                yield b",".join(texts)
                continue
            rows = _RAW_ROWS.decode(b"[" + b",".join(texts) + b"]")
            chosen = [{key: row[key] for key in keys if key in row} for row in rows]
            yield msgspec.json.encode(chosen)[1:-1]

    def _fitting(
        self, sequences: Sequence[int], live: Mapping[int, Snapshot], query: Mapping[str, object]
    ) -> list[int]:
        fits = matcher(query)
        needed = [part for key in query for part in (key, key.partition(".")[0])]
        found: list[int] = []
        for jobs in self._chunks(sequences, live, needed):
            rows = _DOCUMENTS.decode(b"[" + b",".join(job.document or job.summary for job in jobs) + b"]")
            found += [job.sequence for job, row in zip(jobs, rows, strict=True) if fits(row)]
        return found

    def _chunks(
        self, sequences: Sequence[int], live: Mapping[int, Snapshot], keys: Sequence[str] | None
    ) -> Iterator[list[StoredJob]]:
        """The jobs in order, with their document where a key needs it (``None``: every key)."""
        for start in range(0, len(sequences), _CHUNK_JOBS):
            wanted = sequences[start : start + _CHUNK_JOBS]
            stored = self._stored(wanted, keys)
            stored |= {number: _at_work(live[number], keys) for number in wanted if number in live}
            jobs = [stored[number] for number in wanted if number in stored]  # one may have been deleted meanwhile
            if jobs:
                yield jobs

    def _stored(self, wanted: Sequence[int], keys: Sequence[str] | None) -> dict[int, StoredJob]:
        if keys is None:
            return {job.sequence: job for job in self._store.jobs(wanted, with_document=True)}
        found = {job.sequence: job for job in self._store.jobs(wanted, with_document=False)}
        whole = [number for number, job in found.items() if not set(keys).isdisjoint(job.others)]
        return found | {job.sequence: job for job in self._store.jobs(whole, with_document=True)} if whole else found


def _at_work(job: Snapshot, keys: Sequence[str] | None) -> StoredJob:
    is_whole = keys is None or not set(keys).isdisjoint(job.others)
    return StoredJob(job.sequence, job.summary, job.others, job.document if is_whole else b"")


def _keys(key_list: KeyList) -> Sequence[str] | None:
    """The keys of a ``keyList``; None for every key."""
    if key_list == ALL:
        return None
    if key_list == DEFAULT:
        return DEFAULT_KEYS
    if isinstance(key_list, str):
        raise InvalidArgument(f'keyList must be "DEFAULT", "ALL" or a list of keys, not {key_list!r}')
    return list(dict.fromkeys(key_list))
