"""DAQs and uploads under the names of ``apstools.utils``, by queries to the gateway (``pv-contract.md §9``).

All ask the station of `default_prefix`. They raise `RefusedError` for what the gateway or DM refuses, `CommandFailedError` when
DM does not answer, `WaitTimeoutError` when it has not after 30 s, and `GatewayLostError` when there is no gateway. Those that
are no plans block until the answer is there.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dmioc.devices.apstools_words import FINISHED_WORDS, STATUS_WORDS, status_word
from dmioc.devices.dm_records import DmRecord, DmTransfer, all_records, one_record
from dmioc.devices.plan_waits import in_background
from dmioc.devices.polled import polled
from dmioc.devices.rpc import StationRpc
from dmioc.errors import JobFailedError, RefusedError
from dmioc.model import Status
from dmioc.model.record import RecordKind

if TYPE_CHECKING:
    from bluesky.utils import Msg

DEFAULT_PERIOD = 10
DEFAULT_UPLOAD_TIMEOUT = 10 * 60
DEFAULT_UPLOAD_POLL_PERIOD = 30
LONGEST_UPLOAD_S = 86400.0
_ACTIVE = (Status.PENDING, Status.RUNNING)
_DONE = STATUS_WORDS[Status.DONE]
_FILE_KEY, _MODE_KEY, _AGAIN_KEY = "experimentFilePath", "processingMode", "reprocessFiles"
_MODES = {"single file": "Files"}
"""A word of DM's own screens for a mode that the gateway calls by another (``dm-protocol.md §5``)."""


class UploadFailedError(JobFailedError, ValueError):
    """The upload has ended, and not as done; a `ValueError` as apstools raises."""


def dm_start_daq(experimentName: str, dataDirectory: str, **daqInfo: Any) -> DmTransfer:  # noqa: N803  # apstools' names
    """Start a DAQ, or answer the active one of the same experiment and directory.

    Args:
        experimentName: of the DM experiment.
        dataDirectory: to watch, as DM sees it.
        daqInfo: DM's own keys, e.g. ``destDirectory`` (``dm-protocol.md §4.3``).

    Answers DM's record with ``id``, ``experimentName``, ``dataDirectory``, ``status`` … (``dm-protocol.md §4.4``). apstools
    raises DM's error where the DAQ runs already.
    """
    rpc = StationRpc()
    daq = rpc.call("startDaq", experiment=experimentName, dataDirectory=dataDirectory, options=daqInfo)
    return one_record(rpc, RecordKind.DAQ, daq["id"])


def dm_stop_daq(experimentName: str, dataDirectory: str) -> None:  # noqa: N803  # apstools' names
    """Have DM stop the active DAQ of an experiment and directory; raises `RefusedError` when there is none."""
    daqs = [daq for daq in dm_get_daqs(experimentName) if _is_active(daq)]
    found = next((daq for daq in daqs if _is_same(daq["dataDirectory"], dataDirectory)), None)
    if found is None:
        watched = ", ".join(sorted(daq["dataDirectory"] for daq in daqs)) or "none"
        raise RefusedError(f"no active DAQ of {experimentName} watches {dataDirectory}; watched are: {watched}")
    StationRpc().call("stopDaq", id=found["id"])


def dm_get_daqs(experimentName: str) -> list[DmTransfer]:  # noqa: N803  # apstools' name
    """DM's records of an experiment's DAQs, running and finished."""
    return all_records(StationRpc(), RecordKind.DAQ, experiment=experimentName)


def dm_get_experiment_datadir_active_daq(experiment_name: str, data_directory: str) -> DmTransfer | None:
    """DM's record of the pending or running DAQ of an experiment and directory; None if there is none.

    Two spellings of one path are the same (a slash at the end, ``..``), as they are for DM; other forms of a directory
    (``@host:/path``) are another one, as for DM (``field-notes.md §5``). apstools compares the texts.
    """
    daqs = (daq for daq in dm_get_daqs(experiment_name) if _is_same(daq["dataDirectory"], data_directory))
    return next(filter(_is_active, daqs), None)


def _is_active(daq: DmTransfer) -> bool:
    return Status.from_word(str(daq.get("status", ""))) in _ACTIVE


def _is_same(directory: str, other: str) -> bool:
    return posixpath.normpath(directory) == posixpath.normpath(other)


def dm_upload(experimentName: str, dataDirectory: str, **daqInfo: Any) -> DmTransfer:  # noqa: N803  # apstools' names
    """Start an upload of a directory, or of the file in it that ``experimentFilePath`` names.

    Args:
        experimentName: of the DM experiment.
        dataDirectory: the directory, as DM sees it.
        daqInfo: DM's own keys, e.g. ``destDirectory``, ``processingMode`` (``dm-protocol.md §4.3, §5``).

    Answers DM's record, whose ``id`` is what `dm_daq_wait_upload_plan` takes; apstools answers None.
    """
    rpc, options = StationRpc(), dict(daqInfo)
    mode, again = str(options.pop(_MODE_KEY, "")), options.pop(_AGAIN_KEY, None)
    path = dataDirectory
    if _FILE_KEY not in options and posixpath.splitext(path.rstrip("/"))[1]:
        path = f"{path.rstrip('/')}/"  # a directory, although its name has an extension
    upload = rpc.call(
        "upload",
        experiment=experimentName,
        path=path,
        mode=_MODES.get(mode.lower(), mode),
        reprocess=again,
        options=options,
    )
    return one_record(rpc, RecordKind.UPLOAD, upload["id"])


def wait_dm_upload(
    experiment_name: str,
    experiment_file: str,
    timeout: float = DEFAULT_UPLOAD_TIMEOUT,
    poll_period: float = DEFAULT_UPLOAD_POLL_PERIOD,
) -> Generator[Msg, Any, None]:
    """A bluesky plan: wait until DM's catalog has a file.

    Args:
        experiment_name: of the DM experiment.
        experiment_file: path of the file in the experiment, e.g. ``setup/mask.h5``.
        timeout: longest time, s.
        poll_period: DM is asked so often, s.

    Raises:
        WaitTimeoutError: not within ``timeout`` (a `TimeoutError`).
        CommandFailedError: DM has not answered for longer than the gateway's ``LostAfter``.
        GatewayLostError: the gateway has not.
    """
    rpc = StationRpc()
    what = f"file {experiment_file} in experiment {experiment_name}"

    def look() -> DmRecord | None:
        try:
            return one_record(rpc, RecordKind.FILE, experiment_file, experiment=experiment_name)
        except RefusedError:  # DM does not know it yet
            return None

    def wait(left: threading.Event) -> None:
        polled(rpc, look, left=left, period_s=poll_period, timeout_s=timeout, what=what)

    yield from in_background(wait, f"wait for {what}")


def dm_daq_wait_upload_plan(
    id: str, period: float = DEFAULT_PERIOD, *, timeout: float = LONGEST_UPLOAD_S
) -> Generator[Msg, Any, None]:
    """A bluesky plan: wait until an upload has ended.

    Args:
        id: DM's, of the upload.
        period: DM is asked so often, s.
        timeout: longest time, s; apstools has none.

    Raises:
        UploadFailedError: it ended otherwise than done (a `ValueError`); DM's "done" with errors or without a single file is no
            success (``pv-contract.md §5``).
        RefusedError: DM does not know it.
        WaitTimeoutError, CommandFailedError, GatewayLostError: as `wait_dm_upload`.
    """
    rpc = StationRpc()

    def look() -> dict[str, Any] | None:
        upload = rpc.call("uploadInfo", id=id)
        return upload if _word(upload) in FINISHED_WORDS else None

    def wait(left: threading.Event) -> dict[str, Any]:
        return polled(rpc, look, left=left, period_s=period, timeout_s=timeout, what=f"upload {id}")

    upload = yield from in_background(wait, f"wait for upload {id}")
    if _word(upload) != _DONE:
        raise UploadFailedError(
            f"upload {id} is {_word(upload)}: {upload['error'] or 'no reason given'}", id, _word(upload)
        )


def _word(upload: dict[str, Any]) -> str:
    return status_word(str(upload["status"]), str(upload["statusText"]))
