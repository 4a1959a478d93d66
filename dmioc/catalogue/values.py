"""From what a client put to a value the PV can hold, or a refusal in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmioc.catalogue.entries import STRING_BYTES, Kind
from dmioc.errors import RefusedError

if TYPE_CHECKING:
    from dmioc.catalogue.entries import PV

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
_SHOWN_CHARACTERS = 60
_INDEX_DIGITS = 3

Raw = int | float | str | bytes | Sequence[str]
"""What a protocol hands over: one number, text, the bytes of a CHAR array, or lines of text."""


def coerce(pv: PV, raw: Raw) -> int | float | str | tuple[str, ...]:
    """The value to store for a put: ``int`` for long, enum (its index) and command, ``float``, ``str`` or lines.

    Text cut at the first NUL; bytes that are not UTF-8 are read as Latin-1; enums take the label, the index and the
    index as text (``pv-contract.md §1``). Raises `RefusedError` naming the PV, the value and what would be right.
    """
    if pv.kind is Kind.TEXT or pv.kind is Kind.STRING:
        return _text(pv, raw)
    if pv.kind is Kind.LINES:
        text = _text(pv, raw)
        return tuple(text.split("\n")) if text else ()
    if pv.kind.has_states:
        return _state(pv, raw)
    if pv.kind is Kind.LONG:
        return _long(pv, raw)
    if pv.kind is Kind.DOUBLE:
        return _double(pv, raw)
    raise RefusedError(f"{pv.name} cannot be put: it is a {pv.kind.value}")


def shown(raw: object) -> str:
    """A value as messages show it: quoted, on one line, at most 60 characters."""
    if isinstance(raw, str | bytes):
        raw = raw[: _SHOWN_CHARACTERS + 1]
    try:
        text = repr(raw)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def decode(data: bytes) -> str:
    """Text of bytes that a client sent: up to the first NUL, UTF-8, else Latin-1 (Phoebus sends é as 0xE9)."""
    data = data.split(b"\0", 1)[0]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _text(pv: PV, raw: Raw) -> str:
    if isinstance(raw, bytes):
        text = decode(raw)
    elif isinstance(raw, str):
        text = raw
    elif isinstance(raw, int | float):
        text = _digits(pv, raw)
    else:
        text = "\n".join(raw)
    text = text.split("\0", 1)[0]
    limit = STRING_BYTES if pv.kind is Kind.STRING else pv.length
    try:
        size_bytes = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise RefusedError(f"{pv.name}: {shown(text)} is not text: {error.reason}") from error
    if size_bytes > limit:
        raise RefusedError(f"{pv.name} holds at most {limit} bytes, not {size_bytes}: {shown(text)}")
    return text


def _digits(pv: PV, number: int | float) -> str:
    try:
        return str(number)
    except ValueError as error:  # as in `shown`
        raise RefusedError(f"{pv.name} cannot hold {shown(number)}") from error


def _state(pv: PV, raw: Raw) -> int:
    index = _state_index(pv, decode(raw) if isinstance(raw, bytes) else raw)
    if 0 <= index < len(pv.states):
        return index
    choices = ", ".join(f"{number} {label}" for number, label in enumerate(pv.labels))
    raise RefusedError(f"{pv.name} takes one of {choices}; not {shown(raw)}")


def _state_index(pv: PV, raw: int | float | str | Sequence[str]) -> int:
    if isinstance(raw, str):
        text = raw.strip()
        if text in pv.labels:
            return pv.labels.index(text)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _INDEX_DIGITS else -1
    if isinstance(raw, int | float):
        return int(raw) if _is_whole(raw) else -1
    return -1


def _number(pv: PV, raw: Raw) -> int | float:
    if isinstance(raw, bytes):
        raw = decode(raw)
    if isinstance(raw, str):
        try:
            return int(raw) if raw.strip().lstrip("+-").isdecimal() else float(raw)
        except ValueError as error:
            raise RefusedError(f"{pv.name} takes a number, not {shown(raw)}") from error
    if isinstance(raw, int | float):
        return raw
    raise RefusedError(f"{pv.name} takes one number, not {shown(raw)}")


def _is_whole(number: int | float) -> bool:
    """Whether it is a whole number; of any size: `math.isfinite` would raise for an int beyond the range of doubles."""
    return isinstance(number, int) or number.is_integer()


def _long(pv: PV, raw: Raw) -> int:
    number = _number(pv, raw)
    if not _is_whole(number):
        raise RefusedError(f"{pv.name} takes a whole number, not {shown(raw)}")
    low = INT32_MIN if pv.low is None else int(pv.low)
    high = INT32_MAX if pv.high is None else int(pv.high)
    if not low <= number <= high:
        raise RefusedError(f"{pv.name} takes a whole number from {low} to {high}, not {shown(raw)}")
    return int(number)


def _double(pv: PV, raw: Raw) -> float:
    try:
        number = float(_number(pv, raw))
    except OverflowError as error:
        raise RefusedError(f"{pv.name} takes a number that fits a double, not {shown(raw)}") from error
    if not math.isfinite(number):
        raise RefusedError(f"{pv.name} takes a finite number, not {shown(raw)}")
    low = -math.inf if pv.low is None else pv.low
    high = math.inf if pv.high is None else pv.high
    if not low <= number <= high:
        unit = f" {pv.unit}" if pv.unit else ""
        raise RefusedError(f"{pv.name} takes {low:g} to {high:g}{unit}, not {shown(raw)}")
    return number
