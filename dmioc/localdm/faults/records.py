"""What faults do to the records of an answer; records are dicts that are changed in place."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, cast

from dmioc.localdm.faults.kinds import Fault
from dmioc.localdm.faults.requests import Record, is_for_record

_NAMES = frozenset(
    {
        "name",
        "description",
        "experimentName",
        "dataDirectory",
        "destDirectory",
        "storageDirectory",
        "analysisDirectory",
        "rootPath",
        "lastFile",
        "filePath",
        "errorMessage",
        "experimentFilePath",
    }
)
_CDT_OFFSET_S = -5 * 3600.0
_TIMES = ("submissionTime", "startTime")


def change(fault: Fault, content: object, started_s: float, by_name: bool) -> object:
    """The content of an answer as the fault makes it.

    Args:
        fault: one that changes records.
        content: an answer's JSON, decoded; may be changed in place.
        started_s: when the fault began, POSIX seconds; ``restart`` forgets what is older.
        by_name: whether the request named what the fault is for, so that every record is meant.
    """
    if fault.kind in _LISTS:
        if isinstance(content, list):
            return _LISTS[fault.kind](fault, cast("list[object]", content), started_s)
        return content
    for record in _records(content):
        if by_name or is_for_record(fault, record):
            _RECORDS[fault.kind](fault, record)
    return content


def is_older(content: object, moment_s: float) -> bool:
    """Whether a record began before a moment, as far as it says."""
    if not isinstance(content, dict):
        return False
    record = cast("Record", content)
    began = next((record[key] for key in _TIMES if isinstance(record.get(key), int | float)), moment_s)
    return bool(began < moment_s)


def _records(content: object) -> list[Record]:
    rows = cast("list[object]", content) if isinstance(content, list) else [content]
    return [cast("Record", row) for row in rows if isinstance(row, dict)]


def _is_meant(fault: Fault, row: object) -> bool:
    return isinstance(row, dict) and is_for_record(fault, cast("Record", row))


def _forgotten(_fault: Fault, rows: list[object], started_s: float) -> object:
    return [row for row in rows if not is_older(row, started_s)]


def _lost(fault: Fault, rows: list[object], _started_s: float) -> object:
    return [row for row in rows if not _is_meant(fault, row)]


def _cut_list(fault: Fault, rows: list[object], _started_s: float) -> object:
    return rows[: fault.limit]


def _duplicate(fault: Fault, rows: list[object], _started_s: float) -> object:
    return [*rows, *(copy.deepcopy(row) for row in rows if _is_meant(fault, row))]


def _parent(record: Record, path: str) -> tuple[Record, str] | None:
    """The object that holds a key, and the key in it; None where there is none."""
    *outer, last = path.split(".")
    for key in outer:
        inner = record.get(key)
        if not isinstance(inner, dict):
            return None
        record = cast("Record", inner)
    return (record, last) if last in record else None


def _wrong_types(fault: Fault, record: Record) -> None:
    for path in fault.keys or tuple(record):
        found = _parent(record, path)
        if found is not None:
            holder, key = found
            holder[key] = _other_type(holder[key])


def _other_type(value: object) -> object:
    if isinstance(value, str | dict):
        return [7]
    if isinstance(value, bool | int | float):
        return {"value": str(value)}
    return "a text" if isinstance(value, list) else 7


def _missing_key(fault: Fault, record: Record) -> None:
    for path in fault.keys:
        found = _parent(record, path)
        if found is not None:
            del found[0][found[1]]


def _status_word(fault: Fault, record: Record) -> None:
    if "status" in record:
        record["status"] = fault.word


def _set(fault: Fault, record: Record) -> None:
    for path, value in fault.values.items():
        found = _parent(record, path)
        holder, key = found if found is not None else (record, path)
        holder[key] = copy.deepcopy(value)


def _walked(value: Any, change_key: Callable[[str, Any], Any]) -> Any:
    """The value with each key of each object in it changed."""
    if isinstance(value, dict):
        content = cast("Record", value)
        return {key: change_key(key, _walked(inner, change_key)) for key, inner in content.items()}
    if isinstance(value, list):
        return [_walked(inner, change_key) for inner in cast("list[Any]", value)]
    return value


def _is_time(key: str, value: object) -> bool:
    return key.endswith("Time") and key != "runTime" and isinstance(value, int | float)


def _clock_skew(fault: Fault, record: Record) -> None:
    seconds = fault.seconds or 0.0
    record.update(_walked(record, lambda key, value: value + seconds if _is_time(key, value) else value))


def _local_time(fault: Fault, record: Record) -> None:
    def as_text(key: str, value: Any) -> Any:
        if not _is_time(key, value):
            return value
        return f"{time.strftime('%Y/%m/%d %H:%M:%S', time.gmtime(value + _CDT_OFFSET_S))} {fault.zone}"

    record.update(_walked(record, as_text))


def _huge_stderr(fault: Fault, record: Record) -> None:
    line = "fault of localdm: this process has much to say on stderr\n"
    text = (line * (fault.size_bytes // len(line) + 1))[: fault.size_bytes]
    record.update(_walked(record, lambda key, value: text if key == "stdErr" else value))


def _long_names(fault: Fault, record: Record) -> None:
    def longer(key: str, value: Any) -> Any:
        if key not in _NAMES or not isinstance(value, str) or not value:
            return value
        return value + (fault.text * fault.length)[: max(fault.length - len(value), len(fault.text))]

    record.update(_walked(record, longer))


_LISTS: dict[str, Callable[[Fault, list[object], float], object]] = {
    "restart": _forgotten,
    "lost": _lost,
    "cut-list": _cut_list,
    "duplicate-ids": _duplicate,
}
_RECORDS: dict[str, Callable[[Fault, Record], None]] = {
    "wrong-types": _wrong_types,
    "missing-key": _missing_key,
    "status-word": _status_word,
    "set": _set,
    "clock-skew": _clock_skew,
    "local-time": _local_time,
    "huge-stderr": _huge_stderr,
    "long-names": _long_names,
}
