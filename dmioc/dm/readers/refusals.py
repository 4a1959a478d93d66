"""DM's errors by code and class name, and texts of DM's for messages to people (``dm-protocol.md §2.3``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import msgspec

from dmioc.errors import (
    DmError,
    DmExistsError,
    DmLoginError,
    DmNotFoundError,
    DmRefusedError,
    DmUnreachableError,
)

EXCERPT_LENGTH = 120
_PIECE = 8
"""Characters of a secret that are hidden where they stand without the others."""
_MESSAGE_LENGTH = 500
INVALID_SESSION = 12
DM_EXCEPTION = 1
"""The root of DM's exceptions: an error without a number of its own."""
AUTHENTICATION = 6
"""DM's code for a login that it does not take."""

CODES = {
    "DmException": DM_EXCEPTION,
    "InternalError": 2,
    "CommunicationError": 3,
    "ConfigurationError": 4,
    "AuthorizationError": 5,
    "AuthenticationError": AUTHENTICATION,
    "DbError": 7,
    "UrlError": 8,
    "TimeoutError": 9,
    "InvalidArgument": 10,
    "InvalidRequest": 11,
    "InvalidSession": INVALID_SESSION,
    "CommandFailed": 13,
    "ObjectNotFound": 14,
    "ObjectAlreadyExists": 15,
    "InvalidObjectState": 16,
    "FileProcessingError": 17,
}
"""DM's code by the name of the class; 18 to 22 exist, and their classes are unknown."""

_ERRORS: dict[int, type[DmRefusedError]] = {
    5: DmLoginError,
    6: DmLoginError,
    14: DmNotFoundError,
    15: DmExistsError,
}


class SessionExpiredError(DmRefusedError):
    """DM wants a login first: HTTP 401, or code 12. Never leaves this package."""


class _ErrorBody(msgspec.Struct, rename="camel"):
    """The keys of DM's error objects; ``id`` tells a record from an error."""

    error_code: object = None
    error_message: object = None
    exception_type: object = None
    id: object = None


def one_line(text: str, length: int = _MESSAGE_LENGTH) -> str:
    """The text on one line without control characters, cut to a length."""
    words = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * length]).split()
    line = " ".join(words)
    return line if len(line) <= length else line[: length - 3] + "..."


def excerpt(body: bytes) -> str:
    """The beginning of an answer for a message to people, at most 120 characters."""
    text = one_line(bytes(body[: 4 * EXCERPT_LENGTH]).decode("utf-8", "replace"), EXCERPT_LENGTH)
    return repr(text) if text else "an empty body"


def refusal(what: str, code: int, message: str, exception_type: str = "") -> DmRefusedError:
    """The error for DM's code; ``what`` names service and endpoint."""
    words = one_line(message) or "no message"
    kind = f"{one_line(exception_type, 60)}, " if exception_type else ""
    text = f"{what}: DM says: {words} ({kind}code {code})"
    error = SessionExpiredError if code == INVALID_SESSION else _ERRORS.get(code, DmRefusedError)
    return error(text, code)


def refusal_in_body(what: str, body: bytes) -> DmRefusedError | None:
    """The error that an object body tells, or None if it tells none.

    DM's errors have an integer ``errorCode``. A job has an ``errorMessage`` of its own, and may have any key among its
    arguments: an object with an ``id`` is a record and no error.
    """
    if b'"errorCode"' not in body:
        return None
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    code = found.error_code
    if not isinstance(code, int) or isinstance(code, bool) or code == 0 or found.id is not None:
        return None
    return refusal(what, code, _text(found.error_message), _text(found.exception_type))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def message_in(body: bytes) -> str:
    """The text of an error object; empty for a body that is none."""
    try:
        content = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return _text(content.error_message)


def mended(body: bytes) -> bytes | None:
    """The JSON text with what Python writes and JSON does not know replaced, or None if that is not what ails it.

    DM is written in Python, whose ``json`` writes NaN, Infinity and, for a file name that is not UTF-8, half a
    surrogate pair; msgspec rightly refuses all three. NaN and Infinity become null, half a pair becomes ``?``.
    """
    try:
        content = json.loads(body, parse_constant=lambda _: None)
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


def without_secrets(error: DmError, secrets: Sequence[str]) -> DmError:
    """The same error, with any of the secrets in its text (an echo in DM's answer) shown as ``***``.

    So is every piece of one: texts of DM are cut, also in the midst of a secret.
    """
    text = _masked(str(error), secrets)
    if text == str(error):
        return error
    if isinstance(error, DmRefusedError):
        return type(error)(text, error.code)
    if isinstance(error, DmUnreachableError):
        return type(error)(text, error.request_sent)
    return type(error)(text)


def _masked(text: str, secrets: Sequence[str]) -> str:
    hidden = [False] * len(text)
    for secret in secrets:
        size = min(len(secret), _PIECE)
        for start in range(len(secret) - size + 1 if size else 0):
            piece = secret[start : start + size]
            place = text.find(piece)
            while place >= 0:
                hidden[place : place + size] = [True] * size
                place = text.find(piece, place + 1)
    runs = groupby(zip(text, hidden, strict=True), key=itemgetter(1))
    return "".join("***" if is_hidden else "".join(letter for letter, _ in run) for is_hidden, run in runs)
