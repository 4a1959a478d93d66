"""What status and headers of an answer say when it is not the answer that was asked for (``dm-protocol.md §2.3``)."""

from __future__ import annotations

from collections.abc import Mapping

from dmioc.dm.readers.refusals import (
    CODES,
    DM_EXCEPTION,
    INVALID_SESSION,
    SessionExpiredError,
    excerpt,
    message_in,
    one_line,
    refusal,
    refusal_in_body,
)
from dmioc.errors import DmAnswerError, DmError, DmUnreachableError

_PROXY_WITHOUT_DM = frozenset({502, 503, 504})  # written by a proxy whose DM does not answer


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
        code = CODES.get(kind, DM_EXCEPTION)
    if code:
        return refusal(what, code, headers.get("Dm-Status-Message", "") or message_in(body), kind)
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
