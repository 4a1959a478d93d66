"""Metadata of the runs that a plan makes: collected from its documents, sent when all is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from bluesky.preprocessors import (
    inject_md_wrapper,  # pyright: ignore[reportUnknownVariableType]  # its arguments have no types
    subs_wrapper,  # pyright: ignore[reportUnknownVariableType]  # the same
)

from dmioc.errors import DmiocError
from dmioc.plans.metadata import ANSWER_TIMEOUT_S, send_metadata
from dmioc.plans.outcomes import MetadataOutcome

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.run_documents import RunDocuments, RunRecord
    from dmioc.devices.station import DMStation

_LOG = logging.getLogger(__name__)


class RunMetadata:
    """The runs of a plan: their start, descriptor and stop documents, not their data.

    Args:
        experiment: DM experiment that they belong to; empty: the one in use.
        workflow: DM workflow that they belong to.
        more: further metadata for their start documents.
    """

    def __init__(self, experiment: str, workflow: str, more: Mapping[str, Any] | None) -> None:
        self._experiment = experiment
        self._workflow = workflow
        self._more = dict(more or {})
        self._open: RunDocuments | None = None
        self._runs: dict[str, RunRecord] = {}

    @property
    def run_uids(self) -> tuple[str, ...]:
        """The runs, in the order of their start."""
        return tuple(self._runs)

    def collected(self, plan: Any) -> MsgGenerator[Any]:
        """The plan, with its runs collected; ``dm_experiment`` and ``dm_workflow`` are in their start documents."""
        own = {"dm_experiment": self._experiment, "dm_workflow": self._workflow}
        metadata = {**{key: value for key, value in own.items() if value}, **self._more}
        with_metadata = cast("MsgGenerator[Any]", inject_md_wrapper(plan, metadata))
        return cast("MsgGenerator[Any]", subs_wrapper(with_metadata, {"all": [self._take]}))

    def _take(self, name: str, document: Mapping[str, Any]) -> None:
        """A callback of the RunEngine: only collects."""
        from dmioc.devices.run_documents import Belongs, RunDocuments, is_collected  # noqa: PLC0415  # no device at import

        if is_collected(name):
            self._open = self._open or RunDocuments(Belongs(self._experiment, self._workflow))
            record = self._open.take(name, document)
            self._runs[record.run_uid] = record

    def sent(
        self,
        station: DMStation | str | None,
        more: Mapping[str, Any],
        *,
        must: bool,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> MsgGenerator[tuple[MetadataOutcome, ...]]:
        """A plan that adds a dataset for each run.

        Args:
            station: as plans take it.
            more: what else belongs to them: stands beside their documents under ``dm``.
            must: whether to raise the first error, once all were tried; else it is logged and stands in the outcome.
            timeout_s: longest time for each answer.
        """
        outcomes: list[MetadataOutcome] = []
        first: DmiocError | None = None
        for uid, record in list(self._runs.items()):
            content = {**record.metadata(), "dm": dict(more)}
            try:
                outcome = yield from send_metadata(
                    uid,
                    content,
                    experiment=self._experiment,
                    workflow=self._workflow,
                    timeout=timeout_s,
                    station=station,
                )
            except DmiocError as error:
                first = first or error
                _LOG.error("run %s: its metadata are not in DM: %s", uid, error)
                outcome = MetadataOutcome(uid, self._experiment, error=str(error))
            outcomes.append(outcome)
        if must and first is not None:
            raise first
        return tuple(outcomes)
