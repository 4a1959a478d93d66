"""Reads a file of faults; every value that is wrong is named with its key and with what would be right."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from dmioc.errors import ConfigurationError
from dmioc.localdm.endpoints import ENDPOINTS
from dmioc.localdm.faults.kinds import EVERY_KEY, KINDS, Fault, keys_of
from dmioc.localdm.services import ALL_SERVICES

_LONGEST_S = 1e9
_SERVICES = tuple(service.value for service in ALL_SERVICES)
_VERBS = tuple(sorted({endpoint.verb for endpoint in ENDPOINTS}))
_Check = Callable[[object], object]


def read_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a file that are enabled, in its order.

    Raises `ConfigurationError` for a file that cannot be read or is no TOML, and for every key that is wrong, in one line.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"file of faults {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"file of faults {path} is not TOML: {error}") from error
    others = [key for key in document if key != "fault"]
    if others:
        raise ConfigurationError(f"{path}: {others[0]}: only [[fault]] tables may stand here")
    tables = document.get("fault", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in cast("list[object]", tables)):
        raise ConfigurationError(f"{path}: fault = {tables!r}: [[fault]] tables are needed, with two brackets")
    faults: list[Fault] = []
    problems: list[str] = []
    for number, table in enumerate(cast("list[dict[str, object]]", tables), start=1):
        found, wrong = _fault(table)
        problems += [f"{path}: fault {number}: {text}" for text in wrong]
        faults += [found] if found is not None and found.enabled else []
    if problems:
        raise ConfigurationError("; ".join(problems))
    return tuple(faults)


def _fault(table: dict[str, object]) -> tuple[Fault | None, list[str]]:
    """The fault of a table, or what is wrong with it."""
    if "kind" not in table:
        return None, [f"kind is missing: one of {', '.join(KINDS)} is needed"]
    kind = KINDS.get(str(table["kind"]))
    if kind is None:
        return None, [f"kind = {table['kind']!r}: {_one_of(tuple(KINDS), str(table['kind']))}"]
    allowed = keys_of(kind)
    wrong = [_misplaced(key, kind.name, allowed) for key in table if key not in allowed]
    wrong += [f"{key} is missing: {kind.name} needs {EVERY_KEY[key]}" for key in kind.needed if key not in table]
    values: dict[str, Any] = {}
    for key in (key for key in table if key in allowed):
        try:
            values[key] = _checked(kind.name, key, table[key])
        except ValueError as error:
            wrong.append(f"{key} = {table[key]!r}: {error}")
    if not wrong:
        wrong += _unmatched(values)
    return (None, wrong) if wrong else (Fault(**values), [])


def _misplaced(key: str, kind: str, allowed: Sequence[str]) -> str:
    if key in EVERY_KEY:
        return f"{key} does not go with {kind}, which takes {', '.join(allowed)}"
    return f"{key}: there is no such key; {_one_of(allowed, key)}"


def _one_of(names: Sequence[str], given: str) -> str:
    near = difflib.get_close_matches(given, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(names)} is needed"


def _checked(kind: str, key: str, value: object) -> object:
    """The value as `Fault` holds it; raises `ValueError` with what is needed."""
    if key == "seconds":
        # A clock may be slow as well, and what is slow by nothing is no fault.
        low = {"clock-skew": -_LONGEST_S, "slow": 0.001}.get(kind, 0.0)
        return _number(low, _LONGEST_S, "seconds")(value)
    return _CHECKS[key](value)


def _number(low: float, high: float, what: str = "number") -> _Check:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a {what} from {low:g} to {high:g} is needed")
        return float(value)

    return check


def _whole(low: int, high: int) -> _Check:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high} is needed")
        return value

    return check


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("true or false is needed")
    return value


def _text(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is needed")
    return value


def _texts(value: object) -> tuple[str, ...]:
    texts = cast("list[object]", value) if isinstance(value, list) else [value]
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise ValueError("a text or a list of texts is needed")
    return tuple(cast("list[str]", texts))


def _services(value: object) -> object:
    names = _texts(value)
    for name in names:
        if name not in _SERVICES:
            raise ValueError(f"{', '.join(_SERVICES)} or a list of them is needed")
    return names


def _endpoints(value: object) -> object:
    patterns, names = _texts(value), sorted({endpoint.name for endpoint in ENDPOINTS})
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = _one_of(names, pattern) if difflib.get_close_matches(pattern, names) else ""
            raise ValueError(f"no endpoint of localdm fits {pattern!r}; {hint or 'see dmioc localdm --endpoints'}")
    return patterns


def _method(value: object) -> object:
    if value not in _VERBS:
        raise ValueError(f"one of {', '.join(_VERBS)} is needed")
    return value


def _table(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError('a table such as { status = "done" } is needed')
    return cast("dict[str, object]", value)


def _unmatched(values: dict[str, Any]) -> list[str]:
    """What no request can match."""
    services, patterns = values.get("service", ()), values.get("endpoint", ())
    for endpoint in ENDPOINTS:
        fits_service = not services or any(service.value in services for service in endpoint.services)
        fits_name = not patterns or any(fnmatchcase(endpoint.name, pattern) for pattern in patterns)
        if fits_service and fits_name and values.get("method", endpoint.verb) == endpoint.verb:
            return []
    asked = ", ".join(f"{key} {values[key]!r}" for key in ("service", "endpoint", "method") if key in values)
    return [f"no request can match {asked}: see dmioc localdm --endpoints"]


_CHECKS: dict[str, _Check] = {
    "kind": _text,
    "enabled": _flag,
    "service": _services,
    "endpoint": _endpoints,
    "method": _method,
    "experiment": _text,
    "object": _text,
    "after": _whole(0, 10**9),
    "count": _whole(1, 10**9),
    "probability": _number(0.0, 1.0),
    "seed": _whole(0, 2**63),
    "carry_out": _flag,
    "status": _whole(300, 599),
    "code": _whole(1, 10**6),
    "message": _text,
    "headers": _flag,
    "keys": _texts,
    "word": _text,
    "values": _table,
    "limit": _whole(0, 10**9),
    "zone": _text,
    "size_bytes": _whole(1, 64 * 2**20),
    "length": _whole(1, 10**6),
    "text": _text,
}
