"""The part of MongoDB's query language that ``queryDict`` may hold (``dm-protocol.md §6.1``)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from dmioc.localdm.answers import InvalidArgument

Test = Callable[[object], bool]
_MISSING = object()
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def matcher(query: Mapping[str, object]) -> Callable[[Mapping[str, object]], bool]:
    """A test of records for a query: every key must fit; dots in a key go into the record.

    A value must be equal, or is an object of ``$regex``, ``$gt``, ``$gte``, ``$lt``, ``$lte``, ``$ne``, ``$in``,
    ``$exists``. Raises `InvalidArgument` for another operator and for a bad pattern.
    """
    tests = [(key, test) for key, wanted in query.items() for test in _tests(key, wanted)]

    def matches(record: Mapping[str, object]) -> bool:
        return all(test(_value(record, key)) for key, test in tests)

    return matches


def _value(record: Mapping[str, object], key: str) -> object:
    if key in record:
        return record[key]
    name, _, rest = key.partition(".")
    inner = record.get(name)
    if not rest or not isinstance(inner, Mapping):
        return _MISSING
    return _value(cast(Mapping[str, object], inner), rest)


def _tests(key: str, wanted: object) -> list[Test]:
    if key.startswith("$"):
        raise InvalidArgument(f"localdm does not know {key!r} as a key of a query")
    if isinstance(wanted, Mapping):
        conditions = cast(Mapping[str, object], wanted)
        if any(name.startswith("$") for name in conditions):
            return [_operator(name, value) for name, value in conditions.items() if name != "$options"]
    return [lambda value: value == wanted]


def _operator(name: str, wanted: object) -> Test:
    if name == "$regex":
        return _regex(wanted)
    if name in _ORDER:
        return _ordered(_ORDER[name], wanted)
    if name == "$ne":
        return lambda value: value != wanted
    if name == "$in" and isinstance(wanted, list):
        choices = cast(list[object], wanted)
        return lambda value: value in choices
    if name == "$exists":
        return lambda value: (value is not _MISSING) is bool(wanted)
    raise InvalidArgument(
        f"localdm does not know {name!r} in a query; it knows $regex $gt $gte $lt $lte $ne $in $exists"
    )


def _regex(wanted: object) -> Test:
    try:
        pattern = re.compile(str(wanted))
    except re.error as error:
        raise InvalidArgument(f"bad pattern {wanted!r} in a query: {error}") from None
    return lambda value: isinstance(value, str) and pattern.search(value) is not None


def _ordered(compare: Callable[[Any, Any], bool], wanted: object) -> Test:
    def test(value: object) -> bool:
        try:
            return value is not None and compare(value, wanted)
        except TypeError:  # text against a number, or no value at all: MongoDB does not match these either
            return False

    return test
