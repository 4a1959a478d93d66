"""What the slots have in common: arguments as JSON, and following one object of DM by its id."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from dmioc.catalogue import shown
from dmioc.errors import RefusedError

if TYPE_CHECKING:
    from dmioc.engine.store import Store

NOT_FOUND_BEFORE_LOST = 3
"""DM may not know an object in the first moments after it was started (``field-notes.md §1.2``)."""


def json_object(store: Store, name: str) -> dict[str, object]:
    """The JSON object in a text PV; see `object_of`."""
    return object_of(store.text(name), name)


def object_of(text: str, name: str) -> dict[str, object]:
    """The JSON object that a text is; empty for an empty text.

    Raises `RefusedError` naming the PV or the argument and what is wrong with its text.
    """
    if not text:
        return {}
    try:
        value: object = json.loads(text, object_pairs_hook=_without_doubles)
    except ValueError as error:
        raise RefusedError(f"{name} is not JSON: {error}") from error
    except RecursionError as error:
        raise RefusedError(f"{name} is nested too deeply") from error
    if not isinstance(value, dict):
        raise RefusedError(f'{name} must be a JSON object such as {{"key": "value"}}, not {shown(value)}')
    return cast("dict[str, object]", value)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {shown(double)} stands in it twice")
    return found


def path_setpoint(store: Store, name: str, what: str) -> str:
    """The path in a text PV; see `checked_path`."""
    return checked_path(store.text(name), name, what)


def checked_path(path: str, name: str, what: str) -> str:
    """The path: absolute, or in one of DM's forms for another host (``dm-protocol.md §4.3``).

    Raises `RefusedError` for an empty or a relative one: DM would resolve it in a directory nobody knows.
    """
    if not path:
        raise RefusedError(f"{name} is empty: put {what}")
    if not (path.startswith(("/", "@")) or "://" in path):
        raise RefusedError(f"{name} takes an absolute path such as /data/scans, not {shown(path)}")
    return path


def merged(parts: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """One set of arguments from several PVs; raises `RefusedError` for a key that stands in two of them.

    Args:
        parts: by the name of the PV they come from.
    """
    result: dict[str, object] = {}
    origin: dict[str, str] = {}
    for name, values in parts.items():
        for key, value in values.items():
            if key in result:
                raise RefusedError(f"{key} stands in {origin[key]} and in {name}: leave it out of one")
            result[key] = value
            origin[key] = name
    return result


class NotFoundCount:
    """How often in a row DM did not know an object."""

    def __init__(self) -> None:
        self._count = 0

    def found(self) -> None:
        """DM knows it."""
        self._count = 0

    def is_lost(self) -> bool:
        """Count one more answer that it is not known; whether it is to be called Lost now."""
        self._count += 1
        return self._count >= NOT_FOUND_BEFORE_LOST
