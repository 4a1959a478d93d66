"""What is refused before a transfer starts; every function blocks."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dmioc.localdm.answers import InvalidArgument, InvalidRequest
from dmioc.localdm.ports import Places
from dmioc.localdm.transfers.records import UPLOAD
from dmioc.localdm.transfers.task_info import TaskInfo

_REMOTE = re.compile(r"^(@|[A-Za-z][A-Za-z0-9+.-]*://)")


def local_directory(directory: str, key: str = "dataDirectory") -> str:
    """The directory in its plain form; raises `InvalidRequest` for one that is not local or does not exist.

    The real DM takes ``@host:/path`` and ``scheme://`` forms (``dm-protocol.md §4.3``) and accepts a directory that
    does not exist without a word; localdm reads local directories only and refuses one that is not there.
    """
    if _REMOTE.match(directory):
        raise InvalidRequest(f"{key} is {directory!r}; localdm reads local paths only, such as /data/2026-1")
    if not directory.startswith("/") or "\0" in directory:
        raise InvalidRequest(f"{key} is {directory!r}; it must be an absolute path, such as /data/2026-1")
    plain = os.path.normpath(directory)
    if not os.path.exists(plain):
        raise InvalidRequest(f"{key} is {directory!r}, which does not exist")
    if not os.path.isdir(plain):
        raise InvalidRequest(f"{key} is {directory!r}, which is no directory")
    if not os.access(plain, os.R_OK | os.X_OK):
        raise InvalidRequest(f"{key} is {directory!r}, which localdm may not read")
    return plain


def check_places(directory: str, task: TaskInfo, places: Places, kind: str) -> None:
    """Refuse a target outside the experiment, trees that lie in one another, and a single file that is not there."""
    root = places.analysis_directory if task.analysis_root else places.data_directory
    target = (root / task.destination).resolve()
    if not target.is_relative_to(root.resolve()):
        raise InvalidArgument(f"destDirectory is {task.destination!r}, which leads out of {root}")
    source = Path(directory).resolve()
    if not task.skip_transfer and (target == source or target.is_relative_to(source)):
        raise InvalidRequest(f"dataDirectory is {directory!r}, which holds the files' own target {target}")
    if kind == UPLOAD and task.single_file:
        file = source / task.single_file
        if not file.is_file() or not file.resolve().is_relative_to(source):
            raise InvalidRequest(f"experimentFilePath is {task.single_file!r}, which is no file in {directory}")
