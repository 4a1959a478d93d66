"""From the objects of ``aps-dm-api`` to JSON text, which the readers of every backend take (``dm-protocol.md §2.4``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from dmioc.dm.readers.bodies import Reader
from dmioc.errors import DmAnswerError

T = TypeVar("T")


def read(what: str, answer: object, reader: Reader[T]) -> T:
    """What the reader makes of an answer: an object of the package, a list of them, or JSON text.

    Each record of a list goes to the reader by itself, so that no step holds the interpreter for long.

    Raises:
        DmAnswerError: something in it is no plain data, or the reader says so.
    """
    if isinstance(answer, str | bytes):
        reader.feed(answer.encode("utf-8", "replace") if isinstance(answer, str) else answer)
    elif isinstance(answer, list | tuple):
        reader.feed(b"[")
        for number, record in enumerate(cast("Sequence[object]", answer)):
            reader.feed((b"," if number else b"") + _json(what, record))
        reader.feed(b"]")
    else:
        reader.feed(_json(what, answer))
    return reader.result()


def _json(what: str, record: object) -> bytes:
    try:
        return json.dumps(record, default=_plain).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DmAnswerError(f"{what}: aps-dm-api answered what is no plain data: {error}") from None


def _plain(value: object) -> object:
    """The dictionary of one of the package's objects; raises `TypeError` for anything else."""
    data = getattr(value, "data", None)
    if isinstance(data, Mapping):
        return dict(cast("Mapping[str, object]", data))
    representation = getattr(value, "getDictRep", None)
    if callable(representation):
        return representation(keyList="ALL")
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError(f"an object of type {type(value).__name__}")
