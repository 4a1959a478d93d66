"""What a client asks of a DAQ or an upload: DM's taskInfo (``dm-protocol.md §4.3, §5``), read and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import cast

from dmioc.localdm.answers import InvalidArgument, InvalidRequest
from dmioc.localdm.transfers.filters import FileFilter, compile_patterns, extension_endings

_TRUE = frozenset(("true", "1", "yes"))
_FALSE = frozenset(("false", "0", "no", "none", ""))
_MODES = {"": False, "files": False, "file": False, "single file": False, "directory": True}

SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The known keys of a taskInfo. Directories are relative paths without ``..``, empty for the root itself."""

    filter: FileFilter = field(default_factory=FileFilter)
    process_existing: bool = False
    max_run_time_s: float = 0.0
    destination: str = ""
    analysis_root: bool = False
    skip_transfer: bool = False
    skip_checksum: bool = False
    skip_catalog: bool = False
    remove_source: bool = False
    workflow_name: str = ""
    workflow_owner: str = ""
    workflow_arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    workflow_job_owner: str = ""
    upload_on_exit: str = ""
    upload_destination_on_exit: str = ""
    as_directory: bool = False
    reprocess: bool = False
    single_file: str = ""


def parse_task_info(info: Mapping[str, object]) -> TaskInfo:
    """The known keys, whose values may be of their own type or text; other keys are left to the record.

    Raises `InvalidArgument` for a value that cannot be, and `InvalidRequest` for keys that contradict one another.
    """
    task = TaskInfo(
        filter=FileFilter(
            only=compile_patterns(_text(info, "filePathPattern")),
            skip=compile_patterns(_text(info, "skipFilePathPattern")),
            include_endings=extension_endings(_text(info, "includeFileExtensions")),
            exclude_endings=extension_endings(_text(info, "excludeFileExtensions")),
            hidden=_flag(info, "processHiddenFiles"),
        ),
        process_existing=_flag(info, "processExistingFiles"),
        max_run_time_s=_hours(info, "maxRunTimeInHours") * SECONDS_AN_HOUR,
        destination=_relative(info, "destDirectory"),
        analysis_root=_flag(info, "useAnalysisDirectoryAsRoot"),
        skip_transfer=_flag(info, "skipTransfer"),
        skip_checksum=_flag(info, "skipChecksum"),
        skip_catalog=_flag(info, "skipCatalog"),
        remove_source=_flag(info, "removeSourceFiles"),
        workflow_name=_text(info, "workflowName"),
        workflow_owner=_text(info, "workflowOwner"),
        workflow_arguments=_arguments(info, "workflowArgs"),
        workflow_job_owner=_text(info, "workflowJobOwner"),
        upload_on_exit=_text(info, "uploadDataDirectoryOnExit"),
        upload_destination_on_exit=_relative(info, "uploadDestDirectoryOnExit"),
        as_directory=_as_directory(info, "processingMode"),
        reprocess=_flag(info, "reprocessFiles"),
        single_file=_relative(info, "experimentFilePath"),
    )
    _check_together(task)
    return task


def _check_together(task: TaskInfo) -> None:
    if bool(task.workflow_name) != bool(task.workflow_owner):
        given, missing = ("workflowName", "workflowOwner") if task.workflow_name else ("workflowOwner", "workflowName")
        raise InvalidRequest(f"{given} is given without {missing}: they must be given together")
    if task.remove_source and task.skip_transfer:
        raise InvalidRequest("removeSourceFiles with skipTransfer would destroy the only copy: give one of them")
    if task.remove_source and task.as_directory:
        raise InvalidRequest("removeSourceFiles cannot be used in processingMode directory: use processingMode files")


def _text(info: Mapping[str, object], key: str) -> str:
    value = info.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return ",".join(str(part) for part in cast(list[object], value))
    raise InvalidArgument(f"{key} is {value!r}; it must be a text")


def _flag(info: Mapping[str, object], key: str) -> bool:
    value = info.get(key)
    text = "" if value is None else str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidArgument(f"{key} is {value!r}; it must be True or False")


def _hours(info: Mapping[str, object], key: str) -> float:
    value = info.get(key)
    if value is None or value == "":
        return 0.0
    refusal = InvalidArgument(f"{key} is {value!r}; it must be a number of hours from 0 (no limit)")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise refusal
    try:
        hours = float(value)
    except (ValueError, OverflowError):
        raise refusal from None
    if not math.isfinite(hours) or hours < 0:
        raise refusal
    return hours


def _relative(info: Mapping[str, object], key: str) -> str:
    text = _text(info, key)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise InvalidArgument(f"{key} is {text!r}; it must be a relative path without '..'")
    return "" if str(path) == "." else str(path)


def _as_directory(info: Mapping[str, object], key: str) -> bool:
    text = _text(info, key)
    if text.lower() not in _MODES:
        raise InvalidArgument(f"{key} is {text!r}; it must be files or directory")
    return _MODES[text.lower()]


def _arguments(info: Mapping[str, object], key: str) -> dict[str, object]:
    value = info.get(key)
    if isinstance(value, Mapping):
        return {str(name): argument for name, argument in cast(Mapping[object, object], value).items()}
    arguments: dict[str, object] = {}
    for part in _text(info, key).split():
        name, colon, argument = part.partition(":")
        if not colon or not name:
            raise InvalidArgument(f"{key} has {part!r}; it must be a dictionary or 'key:value key:value'")
        arguments[name] = argument
    return arguments
