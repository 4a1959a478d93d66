"""Any value of a document as one that JSON can carry, and content made short enough for a limit, in a stated way."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from enum import Enum
from typing import cast

MOST_NESTED = 100
"""Levels of lists and objects; what lies deeper is left out in words, also what holds itself."""
LEFT_OUT = "dmioc_left_out"
"""The key that tells what `shortened` left out."""
_LEAST_WORTH_BYTES = 100
_PATHS_NAMED = 50
_LONGEST_PATH = 200
_INT64 = range(-(2**63), 2**63)

_Path = tuple[str | int, ...]


def json_value(value: object, depth: int = 0) -> object:
    """The value as text, number, true, false, null, list or object.

    numpy arrays and numbers become lists and numbers, sets lists in the order of their texts, NaN and the infinities the texts
    ``NaN``, ``Infinity`` and ``-Infinity``, dates ISO 8601, durations seconds, integers beyond 64 bits texts, bytes and
    text that is not UTF-8 text with escapes; anything else the text that Python shows for it. Keys become texts; one that
    would stand twice gets the name of its type behind it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return json_value(value.value, depth)
    if isinstance(value, str | bytes | bytearray):
        return _text(value)
    if isinstance(value, int):
        return int(value) if value in _INT64 else str(value)
    if isinstance(value, float):
        return _number(float(value))
    if depth >= MOST_NESTED:
        return f"(left out: nested more than {MOST_NESTED} deep)"
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value), depth + 1)
    if isinstance(value, set | frozenset):
        members = [json_value(member, depth + 1) for member in cast("Iterable[object]", value)]
        return sorted(members, key=json_text)
    if isinstance(value, list | tuple):
        return [json_value(member, depth + 1) for member in cast("Iterable[object]", value)]
    return _other(value, depth)


def _other(value: object, depth: int) -> object:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    as_list = getattr(value, "tolist", None)  # numpy's arrays and numbers, without importing numpy
    if callable(as_list):
        return json_value(as_list(), depth + 1)
    return _text(str(value))


def _number(value: float) -> object:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _text(value: str | bytes | bytearray) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return bytes(value).decode("utf-8", "backslashreplace")


def _object(value: Mapping[object, object], depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, member in value.items():
        name = _text(key) if isinstance(key, str) else str(json_value(key, depth))
        while name in found:
            name = f"{name} ({type(key).__name__})"
        found[name] = json_value(member, depth)
    return found


def json_text(value: object) -> str:
    """The JSON of what `json_value` gave, without blanks, non-ASCII letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def size_bytes(value: object) -> int:
    """Bytes of its JSON."""
    return len(json_text(value).encode())


def shortened(content: Mapping[str, object], limit_bytes: int, kept_where: str) -> dict[str, object]:
    """The content with its largest values replaced by words until its JSON has at most ``limit_bytes``.

    First texts and lists of plain values go, then keys of the documents, then documents. The key `LEFT_OUT` tells how many
    values were left out, the paths of the first of them, and where all of them are kept. ``content`` is not changed.
    """
    result = cast("dict[str, object]", json.loads(json_text(content)))
    note: dict[str, object] = {"why": f"more than {limit_bytes} bytes", "kept": kept_where, "count": 0, "values": []}
    result[LEFT_OUT] = note
    left_out: dict[_Path, str] = {}
    for is_candidate in (_is_plain, _is_key, _is_document):
        excess_bytes = size_bytes(result) - limit_bytes
        candidates = [(size_bytes(value), path) for path, value in _walk(result, ()) if is_candidate(path, value)]
        for size, path in sorted(candidates, key=lambda pair: -pair[0]):
            if excess_bytes <= 0 or size < _LEAST_WORTH_BYTES:
                break
            if any(path[:end] in left_out for end in range(1, len(path))):
                continue
            left_out[path] = ".".join(map(str, path))[:_LONGEST_PATH]
            gained = size - _replace(result, path, f"(left out: {size} bytes)")
            note |= {"count": len(left_out), "values": list(left_out.values())[:_PATHS_NAMED]}
            excess_bytes -= gained - (size_bytes(left_out[path]) + 2 if len(left_out) <= _PATHS_NAMED else 1)
    return result


def _walk(value: object, path: _Path) -> Iterator[tuple[_Path, object]]:
    """Every value below, each with its path; not the note itself."""
    if isinstance(value, dict):
        members: Iterable[tuple[str | int, object]] = cast("dict[str, object]", value).items()
    elif isinstance(value, list):
        members = enumerate(cast("list[object]", value))
    else:
        return
    for key, member in members:
        if key != LEFT_OUT:
            yield (*path, key), member
            yield from _walk(member, (*path, key))


def _is_plain(_: _Path, value: object) -> bool:
    """A text, or a list with nothing but texts and numbers in it (lists of lists are taken as such)."""
    if isinstance(value, list):
        members = cast("list[object]", value)
        return not any(isinstance(member, dict) for member in members)
    return isinstance(value, str)


def _is_key(path: _Path, _: object) -> bool:
    """A key of the start or the stop document, or of one descriptor."""
    return len(path) == (3 if path[0] == "descriptors" else 2)


def _is_document(path: _Path, _: object) -> bool:
    return len(path) == 1


def _replace(content: dict[str, object], path: _Path, words: str) -> int:
    """Put words in the place of a value; answers their size in bytes."""
    place: object = content
    for key in path[:-1]:
        place = cast("dict[str | int, object]", place)[key]
    cast("dict[str | int, object]", place)[path[-1]] = words
    return size_bytes(words)
