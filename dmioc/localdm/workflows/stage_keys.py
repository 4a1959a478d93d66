"""The keys of workflow documents and of their stages, and what their values can be (``dm-protocol.md §6.3, §6.4``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from dmioc.localdm.answers import InvalidArgument
from dmioc.localdm.wire import shortened

Document = dict[str, Any]

_MAX_NAME_CHARACTERS = 256
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_TRUTHS = {"true": True, "false": False}


def number(value: object) -> float | None:
    """A finite number of zero or more, also when it was written as text; nothing for another value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if 0 <= result < float("inf") else None


def truth(value: object) -> bool | None:
    """A truth value, also when it was written as text; nothing for another value."""
    return value if isinstance(value, bool) else _TRUTHS.get(str(value).lower())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= _MAX_NAME_CHARACTERS and value.isprintable()


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast(list[object], value))


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_count(value: object) -> bool:
    found = number(value)
    return found is not None and found >= 1 and found == int(found)


Rule = tuple[Callable[[object], bool], str]
_NAME: Rule = (_is_name, f"printable text of 1 to {_MAX_NAME_CHARACTERS} characters")
_TEXT: Rule = (_is_text, "text")
_TEXTS: Rule = (_is_list_of_texts, "a list of texts")
_OBJECT: Rule = (_is_object, "an object")

_WORKFLOW_RULES: Mapping[str, Rule] = {
    "name": _NAME,
    "owner": _NAME,
    "description": _TEXT,
    "userAccount": _TEXT,
    "version": (lambda value: isinstance(value, int | float | str) and not isinstance(value, bool), "a number or text"),
    "arguments": _OBJECT,
    "id": (lambda value: isinstance(value, str) and bool(_OBJECT_ID.fullmatch(value)), "24 hex digits"),
}
_STAGE_RULES: Mapping[str, Rule] = {
    "command": (lambda value: isinstance(value, str) and bool(value.strip()), "text that is not empty"),
    "outputVariableRegexList": _TEXTS,
    "workingDir": _TEXT,
    "dataDir": _TEXT,
    "runIf": _TEXT,
    "repeatPeriod": (lambda value: number(value) is not None, "seconds, 0 or more"),
    "repeatUntil": _TEXT,
    "maxRepeats": (_is_count, "a whole number, 1 or more"),
    "parallelExec": (lambda value: truth(value) is not None, "true or false"),
    "execOutFormat": _TEXT,
    "monitorCmd": _TEXT,
    "filePath": _TEXT,
    "filePathList": _TEXTS,
    "filePathPattern": _TEXT,
    "fileQueryDict": _OBJECT,
}


def check_workflow(document: Mapping[str, Any]) -> None:
    """Check a workflow document; raises `InvalidArgument` naming the key and its value.

    Keys that are not known pass, and a known optional key may be null, which counts as not there.
    """
    for key in ("name", "owner"):
        if document.get(key) is None:
            raise InvalidArgument(f"workflow: the key {key} is missing; it must be {_NAME[1]}")
    _check_keys("workflow: ", document, _WORKFLOW_RULES)
    stages: object = document.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise InvalidArgument(
            f"workflow: stages must be an object with at least one stage, not {_shown(cast(object, stages))}"
        )
    for key, stage in cast(Document, stages).items():
        if not isinstance(stage, dict):
            raise InvalidArgument(f"workflow: stages.{key} must be an object with a command, not {_shown(stage)}")
        if cast(Document, stage).get("command") is None:
            raise InvalidArgument(f"workflow: stages.{key}.command is missing; it must be {_STAGE_RULES['command'][1]}")
        _check_keys(f"workflow: stages.{key}.", cast(Document, stage), _STAGE_RULES)


def _check_keys(prefix: str, document: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    for key, (fits, wanted) in rules.items():
        value = document.get(key)
        if value is not None and not fits(value):
            raise InvalidArgument(f"{prefix}{key} must be {wanted}, not {_shown(value)}")


def encoded(document: Mapping[str, Any], what: str) -> bytes:
    """The document as JSON; raises `InvalidArgument` for what no JSON can hold, e.g. half a surrogate pair."""
    try:
        return msgspec.json.encode(document)
    except (UnicodeEncodeError, RecursionError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"{what} cannot be written as JSON: {error}") from None


def _shown(value: object) -> str:
    return shortened(value) if isinstance(value, str) else shortened(repr(value)).strip("'\"")
