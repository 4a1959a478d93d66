"""One put as one line: caPutLog's text and its JSON, each with what happened to the put after caPutLog's own words.

Text: ``<date> <time> <host> <user> <pv> new=<value> old=<value> [min=<value> max=<value>]`` as of caPutLog's release 4 (texts are
quoted, what cannot be printed is escaped), then ``count alias via result took request message`` as far as there are any. JSON has
caPutLog's keys, and further ones of the same names. Host is the address that the put came from. Times are local, as caPutLog's.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from dmioc.catalogue import decode

LONGEST_VALUE = 400
"""Characters of a text that are kept, as in caPutLog's JSON."""

_LONGEST_WORD = 100
_LONGEST_MESSAGE = 400
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NUMBERS = {math.inf: "Infinity", -math.inf: "-Infinity"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is written; ``size`` is the number of characters of a text that was cut, else 0."""

    content: int | float | str
    size: int = 0

    @property
    def number(self) -> float | None:
        """The number that it is; None for a text and for what is no number."""
        if isinstance(self.content, str) or math.isnan(self.content):
            return None
        return self.content


@dataclass(frozen=True, slots=True)
class Line:
    """One put, or several of one burst; or the end of a command.

    Attributes:
        time_s: POSIX time of the first put.
        host, user, pv: from where, by whom, to what (full name).
        new: value of the last put.
        old: value before the first put.
        protocol: ``ca``, ``pva`` or ``rpc``.
        result: ``OK``, ``Accepted`` (a command that has begun), ``Refused``, ``Denied``, ``Failed``, ``Interrupted``.
        message: why, or what a command did.
        request_id: of a command that submitted a job.
        took_s: how long a command took; below 0 for what is not the end of one.
        lowest, highest: of the numbers of a burst.
        count: puts of a burst.
        alias: the second name by which the client knows the PV; empty for its own.
    """

    time_s: float
    host: str
    user: str
    pv: str
    new: Value
    old: Value
    protocol: str
    result: str
    message: str = ""
    request_id: str = ""
    took_s: float = -1.0
    lowest: float | None = None
    highest: float | None = None
    count: int = 1
    alias: str = ""


Form = Callable[[Line], str]
"""Writes a line, without its newline."""


def value_of(raw: object) -> Value:
    """A value of any type that a put may carry, on its way into a line."""
    if isinstance(raw, bool) or raw is None:
        return Value(str(raw))
    if isinstance(raw, int | float):
        return Value(raw) if not isinstance(raw, int) or raw.bit_length() < 64 else Value(hex(raw)[:LONGEST_VALUE])
    if isinstance(raw, bytes):
        # No character takes less than a byte, and none more than four.
        text, size = decode(raw[: 4 * LONGEST_VALUE].rstrip(b"\0")), len(raw)
        return Value(text, 0) if size <= LONGEST_VALUE else _cut(text, size)
    if isinstance(raw, str):
        return _cut(raw, len(raw))
    return _of_structure(raw)


def _of_structure(raw: object) -> Value:
    if isinstance(raw, Mapping):
        fields = cast("Mapping[str, object]", raw)
        text = json.dumps({name: _plain(value) for name, value in fields.items()}, ensure_ascii=False, default=str)
    elif isinstance(raw, Sequence):
        text = "\n".join(map(str, cast("Sequence[object]", raw)))
    else:
        text = str(raw)
    return _cut(text, len(text))


def _plain(value: object) -> object:
    """A field short enough to be written with others."""
    return value[: LONGEST_VALUE + 1] if isinstance(value, str | bytes) else value


def _cut(text: str, size: int) -> Value:
    return Value(text, 0) if size <= LONGEST_VALUE else Value(text[:LONGEST_VALUE], size)


def escaped(text: str) -> str:
    """The text without anything that would end a line or a quotation, or that cannot be printed."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(character if _is_plain(character) else _escape(character) for character in text)


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in _ESCAPES


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _word(text: str) -> str:
    """A text as one word: blanks, which separate words, are escaped."""
    shown = escaped(text[:_LONGEST_WORD]).replace(" ", "\\x20")
    return shown or "-"


def _quoted(text: str) -> str:
    return f'"{escaped(text)}"'


def _text_value(value: Value) -> str:
    if isinstance(value.content, str):
        return _quoted(value.content + ("..." if value.size else ""))
    return _number_text(value.content)


def _number_text(number: float) -> str:
    return f"{number:.15g}" if isinstance(number, float) else str(number)


def caputlog_line(line: Line) -> str:
    """As caPutLog's text."""
    stamp = time.strftime("%d-%b-%y %H:%M:%S", time.localtime(line.time_s))
    words = [stamp, _word(line.host), _word(line.user), _word(line.pv)]
    words += [f"new={_text_value(line.new)}", f"old={_text_value(line.old)}"]
    if line.lowest is not None and line.highest is not None:
        words += [f"min={_number_text(line.lowest)}", f"max={_number_text(line.highest)}"]
    if line.count > 1:
        words.append(f"count={line.count}")
    if line.alias:
        words.append(f"alias={_word(line.alias)}")
    words += [f"via={line.protocol}", f"result={line.result}"]
    if line.took_s >= 0.0:
        words.append(f"took={line.took_s:.3f}")
    if line.request_id:
        words.append(f"request={_quoted(line.request_id)}")
    if line.message:
        words.append(f"message={_quoted(line.message[:_LONGEST_MESSAGE])}")
    return " ".join(words)


def json_line(line: Line) -> str:
    """As caPutLog's JSON; ``epoch`` is the time in POSIX seconds, which no clock change makes ambiguous."""
    stamp = time.localtime(line.time_s)
    thousandths = int(line.time_s % 1.0 * 1000.0)
    document: dict[str, object] = {
        "date": time.strftime("%Y-%m-%d", stamp),
        "time": f"{time.strftime('%H:%M:%S', stamp)}.{thousandths:03d}",
        "host": line.host[:_LONGEST_WORD],
        "user": line.user[:_LONGEST_WORD],
        "pv": line.pv,
    }
    for name, value in (("new", line.new), ("old", line.old)):
        document[name] = _json_number(value.content)
        if value.size:
            document[f"{name}-size"] = value.size
    if line.lowest is not None and line.highest is not None:
        document |= {"min": _json_number(line.lowest), "max": _json_number(line.highest)}
    if line.count > 1:
        document["count"] = line.count
    if line.alias:
        document["alias"] = line.alias
    document |= {"via": line.protocol, "result": line.result}
    if line.took_s >= 0.0:
        document["took"] = round(line.took_s, 3)
    if line.request_id:
        document["request"] = line.request_id
    if line.message:
        document["message"] = line.message[:_LONGEST_MESSAGE]
    return json.dumps({**document, "epoch": round(line.time_s, 3)})


def _json_number(content: int | float | str) -> int | float | str:
    """As caPutLog: what JSON has no number for is a text."""
    if not isinstance(content, float):
        return content
    return "Nan" if math.isnan(content) else _NUMBERS.get(content, content)
