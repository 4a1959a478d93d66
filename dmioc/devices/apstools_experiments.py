"""Experiments, files and run metadata under the names of ``apstools.utils``; see `dmioc.devices.apstools_daq` for errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, cast

from dmioc.devices.dm_records import DmExperiment, DmRecord, all_records, one_record
from dmioc.devices.rpc import StationRpc
from dmioc.errors import RefusedError
from dmioc.model.record import RecordKind

_log = logging.getLogger(__name__)

DEFAULT_DM_EXPERIMENT_KEYS = ["id", "name", "startDate", "experimentType", "experimentStation"]


def dm_get_experiments(
    keys: Sequence[str] = DEFAULT_DM_EXPERIMENT_KEYS, table: bool = False, default_value: str = "-na-"
) -> Any:
    """The station's experiments: a list of DM's records, or a table to print.

    Args:
        keys: columns of the table; DM's usual ones when empty.
        table: whether to answer a ``pyRestTable.Table`` (that package is needed then). An empty list stays a list.
        default_value: in cells of keys that a record does not have.
    """
    experiments: list[DmExperiment] = all_records(StationRpc(), RecordKind.EXPERIMENT)
    if not table or not experiments:
        return experiments
    try:
        from pyRestTable import Table  # noqa: PLC0415  # only who wants a table needs it
    except ImportError as error:
        raise RefusedError("table=True needs the package pyRestTable: pip install pyRestTable") from error
    labels = list(keys) or list(DmExperiment.DEFAULT_KEY_LIST)
    found = Table()
    found.labels = labels
    for experiment in experiments:
        found.addRow([_cell(experiment.get(key, default_value)) for key in labels])
    return found


def _cell(value: Any) -> Any:
    """A type, a station or a storage by its description."""
    return cast("dict[str, Any]", value).get("description", value) if isinstance(value, dict) else value


def dm_get_experiment_file(experiment_name: str, experiment_file: str) -> DmRecord:
    """DM's catalog entry of a file (``dm-protocol.md §7.1``); raises `RefusedError` while there is none.

    Args:
        experiment_name: of the DM experiment.
        experiment_file: path of the file in the experiment.
    """
    return one_record(StationRpc(), RecordKind.FILE, experiment_file, experiment=experiment_name)


def dm_get_experiment_path(experiment_name: str) -> PurePosixPath | None:
    """Storage directory of an experiment, as DM's storage host sees it; None where DM gives none."""
    path = one_record(StationRpc(), RecordKind.EXPERIMENT, experiment_name).get("storageDirectory")
    return None if path is None else PurePosixPath(path)


def dm_station_name() -> str:
    """Name of the DM station in small letters."""
    return str(StationRpc().get("Station")).lower()


def validate_experiment_dataDirectory(dm_experiment_name: str) -> None:  # noqa: N802  # apstools' name
    """Raises `RefusedError` for an experiment that DM does not know, `KeyError` for one without a data directory."""
    if "dataDirectory" not in one_record(StationRpc(), RecordKind.EXPERIMENT, dm_experiment_name):
        raise KeyError(f"experiment {dm_experiment_name!r} has no 'dataDirectory'")


def dm_file_ready_to_process(
    experimentFilePath: str,  # noqa: N803  # apstools' names
    experimentName: str,  # noqa: N803
    compression: str = "",
    retrieveMd5Sum: bool = False,  # noqa: N803
) -> bool:
    """Whether DM calls a stored file ready for processing; False while there is no such file.

    Args:
        experimentFilePath: path of the file in the experiment.
        experimentName: of the DM experiment.
        compression: must be empty: how DM is asked for it is not known (``dm-protocol.md §7.4``).
        retrieveMd5Sum: without effect, as the answer holds no sum.
    """
    del retrieveMd5Sum
    if compression:
        raise RefusedError(f"compression={compression!r}: only files as they are can be asked for")
    return bool(StationRpc().call("fileReady", experiment=experimentName, path=experimentFilePath)["ready"])


def build_run_metadata_dict(user_md: dict[str, Any], **dm_kwargs: Any) -> dict[str, Any]:
    """Metadata for a run: ``title``, ``description``, ``datetime`` and ``data_management``, and what the user gives.

    Args:
        user_md: stands where it has the same keys.
        dm_kwargs: go under ``data_management``.
    """
    return {
        "title": "title placeholder",
        "description": "description placeholder",
        "datetime": str(datetime.now()),
        "data_management": dm_kwargs,
        **user_md,
    }


def share_bluesky_metadata_with_dm(
    experimentName: str,  # noqa: N803  # apstools' name
    workflow_name: str,
    run: Any,
    should_raise: bool = False,
) -> DmRecord | None:
    """Add the metadata of a run that has ended to DM's catalog, as dataset ``run_uid8_`` and 8 characters of its uid.

    Args:
        experimentName: of the DM experiment.
        workflow_name: the workflow that the run belongs to.
        run: a run of databroker or tiled: its ``metadata`` has the start document, and each of its streams ``metadata``.
        should_raise: whether a refusal is raised (`RefusedError`) or logged and answered with None.

    Answers what was added, without the metadata themselves. Other errors are raised.
    """
    start = run.metadata["start"]
    began = datetime.fromtimestamp(start.get("time", 0.0)).astimezone().isoformat()
    try:
        answer = StationRpc().call(
            "addMetadata",
            experiment=experimentName,
            runUid=start["uid"],
            workflow=workflow_name,
            time=began,
            JSON={stream: getattr(run, stream).metadata for stream in run},
        )
    except RefusedError as error:
        if should_raise:
            raise
        _log.error("metadata of run %s were refused: %s", start["uid"], error)
        return None
    return DmRecord(
        {
            "id": answer["id"],
            "experimentName": answer["experiment"],
            "datasetName": answer["dataset"],
            "bluesky_run_uid": start["uid"],
            "workflow_name": workflow_name,
            "time_iso8601": began,
        }
    )
