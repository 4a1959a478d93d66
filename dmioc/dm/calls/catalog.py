"""Calls of the catalog service: files and datasets (``dm-protocol.md §7``); all of its paths are assumed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dmioc.dm.calls.base import Calls
from dmioc.dm.calls.values import json_text
from dmioc.dm.readers.bodies import ObjectReader, decoded, json_reader
from dmioc.dm.readers.wire import DatasetRecord, FileCollectionRecord
from dmioc.errors import DmNotFoundError


class CatalogCalls(Calls):
    """The file and dataset catalog of `dmioc.engine.ports.DmBackend`."""

    async def file_exists(self, experiment: str, path: str) -> bool:
        """Whether the catalog knows the file, by its path relative to the experiment's data directory."""
        values = {"name": experiment, "path": path}
        try:
            await self._call("getExperimentFile", values, json_reader, is_question=True)
        except DmNotFoundError:
            return False
        return True

    async def file_count(self, experiment: str) -> int:
        """How many files of the experiment the catalog holds; 0 for an experiment without a collection."""
        values = {"name": experiment}
        try:
            return await self._call(
                "getExperimentFileCollectionStats",
                values,
                lambda what: ObjectReader(what, _count),
                is_question=True,
            )
        except DmNotFoundError:
            return 0

    async def add_dataset(self, experiment: str, dataset: str, content: Mapping[str, object]) -> str:
        """Add a dataset to the catalog and answer its id; raises `DmExistsError` for a name in use.

        ``content`` and the two names make one object; the names stand where ``content`` has the same keys. The id is
        empty if DM gave none: clients of the real DM bring their own ``_id`` (``dm-protocol.md §7.2``).
        """
        info = {**content, "experimentName": experiment, "datasetName": dataset}
        text = await asyncio.to_thread(json_text, info, "the dataset")
        values = {"json": text}
        return await self._call("addExperimentDataset", values, lambda what: ObjectReader(what, _dataset_id))


def _count(what: str, body: bytes) -> int:
    return decoded(what, body, FileCollectionRecord).count_files


def _dataset_id(what: str, body: bytes) -> str:
    record = decoded(what, body, DatasetRecord)
    found = record.id if record.id is not None else record.mongo_id
    return "" if found is None else str(found)
