"""Run metadata as a dataset in DM's catalog (``pv-contract.md §7``, ``dm-protocol.md §7.2``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command, Orders
from dmioc.engine.objects import json_object
from dmioc.engine.projection import Shown, iso8601, publish_view
from dmioc.errors import DmError, DmExistsError, RefusedError
from dmioc.model import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse

GROUP = "MD:"
_UID_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class MetadataView:
    """What ``MD:`` shows of the last Send."""

    status: Status = Status.IDLE
    id: str = ""
    size_bytes: int = 0
    event_time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DatasetOrder:
    """What a Send asks for.

    Attributes:
        experiment: as put, may be empty.
        in_use: the experiment in use then, for an empty one.
        dataset: its name.
        size_bytes: of the JSON as put.
        document: what DM is to keep.
    """

    experiment: str
    in_use: str
    dataset: str
    size_bytes: int
    document: dict[str, object]


class MetadataSender:
    """The group ``MD:``."""

    def __init__(self, core: Core, experiment: ExperimentInUse) -> None:
        self._core = core
        self._experiment = experiment
        self._pvs = core.catalogue.group(GROUP)
        core.commands.register(Command(f"{GROUP}Send", Orders(self._order, self.send)))
        self._publish(MetadataView())

    def _order(self) -> Order:
        store = self._core.store
        content = json_object(store, f"{GROUP}JSON")
        if not store.text(f"{GROUP}JSON"):
            raise RefusedError(f'{GROUP}JSON is empty: put a JSON object such as {{"key": "value"}}')
        run_uid = store.text(f"{GROUP}RunUID")
        dataset = store.text(f"{GROUP}Dataset") or dataset_name(run_uid)
        if not dataset:
            raise RefusedError(f"{GROUP}RunUID and {GROUP}Dataset are empty: put one of them")
        order = DatasetOrder(
            experiment=store.text(f"{GROUP}Experiment"),
            in_use=self._experiment.name,
            dataset=dataset,
            size_bytes=len(store.text(f"{GROUP}JSON").encode()),
            document=dataset_document(run_uid, store.text(f"{GROUP}Workflow"), content, self._core.clock.now_s()),
        )
        return msgspec.to_builtins(order)

    async def send(self, order: Order, is_again: bool) -> str:
        """Command Send: add the dataset; raises `RefusedError` for what is missing and `DmError`."""
        store = self._core.store
        asked = msgspec.convert(order, DatasetOrder)
        experiment = asked.experiment or await self._experiment.confirmed(asked.in_use)
        dataset, size_bytes = asked.dataset, asked.size_bytes
        self._publish(MetadataView(Status.RUNNING, size_bytes=size_bytes, event_time_s=self._core.clock.now_s()))
        store.commit()
        try:
            dataset_id = await self._add(experiment, asked, is_again)
        except DmError:
            self._publish(MetadataView(Status.FAILED, size_bytes=size_bytes, event_time_s=self._core.clock.now_s()))
            raise
        self._publish(MetadataView(Status.DONE, dataset_id, size_bytes, self._core.clock.now_s()))
        return f"dataset {dataset} of {experiment}, {size_bytes} bytes"

    async def _add(self, experiment: str, asked: DatasetOrder, is_again: bool) -> str:
        try:
            return await self._core.dm.add_dataset(experiment, asked.dataset, asked.document)
        except DmExistsError:
            if not is_again:
                raise
            # It was added before the gateway ended; DM's answer with its id was lost.
            return ""

    def _publish(self, view: MetadataView) -> None:
        publish_view(self._core.store, self._pvs, view, Shown(from_dm=False, alarms={}))


def dataset_name(run_uid: str) -> str:
    """The name of a run's dataset; empty for an empty uid."""
    return f"run_uid8_{run_uid[:_UID_CHARACTERS]}" if run_uid else ""


def dataset_document(run_uid: str, workflow: str, content: Mapping[str, object], now_s: float) -> dict[str, object]:
    """The dataset with the keys that apstools sends (``dm-protocol.md §7.2``); ``now_s`` in POSIX seconds."""
    return {
        "bluesky_run_uid": run_uid,
        "workflow_name": workflow,
        "time_iso8601": iso8601(now_s),
        "bluesky_metadata": dict(content),
    }
