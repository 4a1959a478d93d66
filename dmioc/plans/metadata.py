"""Plans that add metadata of runs to DM's catalog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmioc.errors import RefusedError
from dmioc.plans.carrying import carried_out
from dmioc.plans.outcomes import MetadataOutcome
from dmioc.plans.queueing import queueable
from dmioc.plans.stations import station_of

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation

_LOG = logging.getLogger(__name__)
ANSWER_TIMEOUT_S = 60.0
_NAME_IN_USE = "code 15)"
"""In DM's words for a dataset name that is in use (``dm-protocol.md §2.3``), as the gateway passes them on."""


@queueable
def send_metadata(
    run_uid: str,
    metadata: Mapping[str, Any],
    *,
    experiment: str = "",
    workflow: str = "",
    dataset: str = "",
    timeout: float = ANSWER_TIMEOUT_S,
    station: DMStation | str | None = None,
) -> MsgGenerator[MetadataOutcome]:
    """Add a dataset with the metadata of a run to DM's catalog; answers it.

    Args:
        run_uid: unique id of the run.
        metadata: what is to be known of it; numpy's arrays and numbers, dates and the like become what JSON can carry.
        experiment: DM experiment; empty: the one in use.
        workflow: DM workflow that the run belongs to.
        dataset: name of the dataset; empty: ``run_uid8_`` and the first 8 characters of the uid, or ``run_uid_`` and the whole
            uid where DM has a dataset of that name already.
        timeout: s, longest time for an answer.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.

    What was sent before the plan was left is stored.

    Raises `RefusedError`, `CommandFailedError` and `GatewayLostError` with the gateway's reason.
    """
    given = {"runUid": run_uid, "workflow": workflow, "dataset": dataset}

    async def work() -> MetadataOutcome:
        dm = await station_of(station)
        # One query, not the PVs of the group MD: two sessions may send at the same time.
        return await asyncio.to_thread(_sent, dm, experiment, given, metadata, timeout)

    return (yield from carried_out(work))


def _sent(
    dm: DMStation, experiment: str, given: Mapping[str, str], metadata: Mapping[str, Any], timeout_s: float
) -> MetadataOutcome:
    """Ask the gateway, and wait for its answer."""
    from dmioc.devices.json_values import json_text, json_value  # noqa: PLC0415  # an import of plans imports no device
    from dmioc.devices.rpc import StationRpc  # noqa: PLC0415

    rpc = StationRpc(dm.prefix, timeout_s)
    name = experiment or str(rpc.get("EXP:Name")).strip()
    if not name:
        raise RefusedError(f"{dm.prefix}EXP:Name is empty: choose the experiment first (setup_user)")
    question = {**given, "experiment": name, "JSON": json_text(json_value(metadata))}
    try:
        answer = rpc.call("addMetadata", **question)
    except RefusedError as error:
        if given["dataset"] or _NAME_IN_USE not in str(error):
            raise
        answer = rpc.call("addMetadata", **{**question, "dataset": f"run_uid_{given['runUid']}"})
    finally:
        rpc.close()
    _LOG.info("run %s: metadata are dataset %s of %s", given["runUid"], answer.get("dataset", ""), name)
    return MetadataOutcome(given["runUid"], name, str(answer.get("dataset", "")), str(answer.get("id", "")))
