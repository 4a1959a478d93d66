"""DM's wire forms: the double base64 of values, error replies, time stamps (``dm-protocol.md §2.1, §2.3, §2.4``)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from datetime import datetime

import msgspec

from dmioc.localdm.answers import DmAnswerNo, InvalidArgument

_SHOWN_CHARACTERS = 80
_HEADER_CHARACTERS = 500
_DATE_FORMS = ("%d-%b-%y", "%d-%b-%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d")
INTERNAL_ERROR = (2, "InternalError")


def encode_text(text: str) -> str:
    """The text as the vendor's Python client puts it on the wire: ``b'…'`` around the double base64 (§2.1)."""
    return repr(base64.b64encode(base64.encodebytes(text.encode())))


def decode_text(value: str, name: str) -> str:
    """The text behind an encoded value that is percent-decoded already (§2.1).

    Takes it with ``b'…'`` around it (also with the closing quote missing) or without, with line feeds in the inner
    base64 or without; ``b''`` and nothing are the empty text. Raises `InvalidArgument` naming ``name`` and the value.
    """
    outer = value.strip()
    if outer[:2] in ("b'", 'b"'):
        outer = outer[2:].removesuffix(outer[1])
    try:
        return _base64(_base64(outer.encode("ascii"))).decode()
    except (ValueError, binascii.Error):
        raise InvalidArgument(f"{name} must be double base64 of UTF-8 text, not {shortened(value)}") from None


def _base64(data: bytes) -> bytes:
    return base64.b64decode(b"".join(data.split()), validate=True)


def decode_json(value: str, name: str) -> object:
    """The value behind encoded JSON; NaN and the infinities, which Python's json writes, become null.

    Raises `InvalidArgument` naming ``name`` and the text.
    """
    text = decode_text(value, name)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _tolerant_json(text, name)


def _tolerant_json(text: str, name: str) -> object:
    try:
        content = json.loads(text, parse_constant=_null)
        msgspec.json.encode(content)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name} must be JSON, not {shortened(text)} ({error})") from None
    return content


def _null(_constant: str) -> None:
    return None


def shortened(text: str) -> str:
    """The text in quotes for a message, cut when long."""
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!r}… ({len(text)} characters)"


def one_line(text: str) -> str:
    """The text in one line, as DM's clients expect their messages (§11 row 5)."""
    return " ".join(text.split())


def refusal_body(code: int, wire_name: str, message: str) -> bytes:
    """JSON of an error reply (§2.3)."""
    return msgspec.json.encode({"errorMessage": message, "errorCode": code, "exceptionType": wire_name})


def refusal_headers(code: int, wire_name: str, message: str) -> dict[str, str]:
    """The three ``Dm-*`` headers of an error reply (§2.3); the message is cut and made ASCII for the header."""
    text = message.encode("ascii", "backslashreplace").decode()
    plain = "".join(character if character.isprintable() else " " for character in text)
    return {
        "Dm-Status-Code": str(code),
        "Dm-Status-Message": plain[:_HEADER_CHARACTERS],
        "Dm-Exception-Type": wire_name,
    }


def refusal_words(error: DmAnswerNo) -> tuple[int, str, str]:
    """Code, class name and one-line message of a refusal."""
    return error.code, error.wire_name, one_line(str(error))


def local_timestamp(time_s: float) -> str:
    """POSIX seconds as DM's ``xxxTimestamp``: local ``2026/05/29 23:11:37 CDT`` (§2.4)."""
    return time.strftime("%Y/%m/%d %H:%M:%S %Z", time.localtime(time_s))


def experiment_date(moment: datetime) -> str:
    """A moment (local if naive) as experiment records write it: local ``2026-02-13 00:00:00-06:00`` (§2.4)."""
    return moment.astimezone().isoformat(sep=" ")


def parse_date(text: str, name: str) -> datetime:
    """The local moment that a client means by a date.

    Takes the vendor client's ``20-Jul-26`` (§3.3), ISO 8601 with or without time and zone, and ``YYYY/MM/DD``. Raises
    `InvalidArgument` naming ``name`` and the text.
    """
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text.strip(), form).astimezone()
        except (ValueError, OverflowError):
            continue
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise InvalidArgument(f"{name} must be a date like 2026-07-20 or 20-Jul-26, not {shortened(text)}") from None


def cookie_expiry(time_s: float) -> str:
    """POSIX seconds as the ``expires`` of a cookie: ``%a, %d %b %Y %H:%M:%S GMT`` in English (§11 row 1)."""
    moment = time.gmtime(time_s)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    date = f"{day}, {moment.tm_mday:02d} {months[moment.tm_mon - 1]} {moment.tm_year}"
    return f"{date} {time.strftime('%H:%M:%S', moment)} GMT"
