"""What an answer of DM says when it is not the answer that was asked for (``dm-protocol.md §2.3``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from dmioc.errors import (
    DmAnswerError,
    DmError,
    DmExistsError,
    DmLoginError,
    DmNotFoundError,
    DmRefusedError,
    DmUnreachableError,
)

EXCERPT_LENGTH = 120
_MESSAGE_LENGTH = 500
INVALID_SESSION = 12
_CODES = {  # those that mean something to the client, by the class name that DM sends along
    "AuthorizationError": 5,
    "AuthenticationError": 6,
    "InvalidSession": INVALID_SESSION,
    "ObjectNotFound": 14,
    "ObjectAlreadyExists": 15,
}
_DM_EXCEPTION = 1  # the root of DM's exceptions: an error without a number of its own
_ERRORS: dict[int, type[DmRefusedError]] = {
    5: DmLoginError,
    6: DmLoginError,
    14: DmNotFoundError,
    15: DmExistsError,
}
_PROXY_WITHOUT_DM = frozenset({502, 503, 504})  # written by a proxy whose DM does not answer


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


def error_of(what: str, status: int, headers: Mapping[str, str], body: bytes, hint: str = "") -> DmError | None:
    """The error that status and headers tell, or None for an answer that is one (its body may still tell another).

    Args:
        what: Service and endpoint, for the message.
        status: HTTP status.
        headers: HTTP headers, read without regard to case.
        body: Beginning of the body.
        hint: What the reader may do about a path that is not there.
    """
    code_text = headers.get("Dm-Status-Code", "").strip()
    kind = headers.get("Dm-Exception-Type", "").strip()
    try:
        code = int(code_text or "0")
    except ValueError:
        return DmAnswerError(f"{what}: header Dm-Status-Code is {one_line(code_text, 40)!r}, a number is needed")
    if not code and kind:
        code = _CODES.get(kind, _DM_EXCEPTION)
    if code:
        return refusal(what, code, headers.get("Dm-Status-Message", "") or _message_in(body), kind)
    if 200 <= status < 300:
        return None
    if (told := refusal_in_body(what, body)) is not None:
        return told
    if status == 401:
        return SessionExpiredError(f"{what}: HTTP 401, DM wants a login", INVALID_SESSION)
    kind_of_body = one_line(headers.get("Content-Type", "") or "no content type", 60)
    text = f"{what}: HTTP {status} ({kind_of_body}) without DM's headers: {excerpt(body)}"
    if status in _PROXY_WITHOUT_DM:
        return DmUnreachableError(text)
    return DmAnswerError(f"{text}; {hint}" if hint and status in {404, 405} else text)


def _message_in(body: bytes) -> str:
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
    """The same error, with any of the secrets in its text (an echo in DM's answer) shown as ``***``."""
    text = str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    if text == str(error):
        return error
    if isinstance(error, DmRefusedError):
        return type(error)(text, error.code)
    return type(error)(text)
