"""What the exceptions of ``aps-dm-api`` mean (``dm-protocol.md §2.3``)."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator

from dmioc.dm.readers.refusals import AUTHENTICATION, CODES, DM_EXCEPTION, INVALID_SESSION, one_line, refusal
from dmioc.errors import DmAnswerError, DmError, DmLoginError, DmUnreachableError

_NO_ANSWER = frozenset({3, 8, 9})
_HTTP_ERROR = re.compile(r"HTTP Error (\d{3})")
_PROXY_WITHOUT_DM = frozenset({"502", "503", "504"})
_NOT_SENT = re.compile(
    r"refused connection|connection refused|name or service not known|no route to host", re.IGNORECASE
)
_NO_CONNECTION = re.compile(
    r"refused connection|urlopen error|connection (refused|reset|aborted)|timed out", re.IGNORECASE
)
_WRONG_PASSWORD = "incorrect username or password"
_NO_CONNECTION_KINDS = (OSError, http.client.HTTPException)


def dm_error(what: str, error: BaseException) -> DmError:
    """The error of ``dmioc.errors`` for what a call of the package raised; its own exceptions by class name, unknown ones too.

    Args:
        what: Service and method, which the text begins with.
        error: Anything the package raised.
    """
    kind = type(error).__name__
    code = next((CODES[name] for name in _names(error) if name in CODES), None)
    if code is None:
        return _foreign(what, error)
    told = getattr(error, "code", code)
    if isinstance(told, int) and not isinstance(told, bool) and kind not in CODES and told:
        code = told
    text = str(error)
    if code in _NO_ANSWER or (code == DM_EXCEPTION and _is_connection(error)):
        return _no_answer(what, error)
    if code == DM_EXCEPTION and any(isinstance(cause, ValueError) for cause in _causes(error)):
        return DmAnswerError(f"{what}: aps-dm-api says: {one_line(text)} ({kind})")
    refused = refusal(what, code, text, kind)
    if _WRONG_PASSWORD in text.lower():
        return DmLoginError(str(refused), AUTHENTICATION)
    return DmLoginError(str(refused), code) if code == INVALID_SESSION else refused


def _foreign(what: str, error: BaseException) -> DmError:
    """For what is no exception of the package's own."""
    words = f"{type(error).__name__}: {one_line(str(error)) or 'no message'}"
    if isinstance(error, _NO_CONNECTION_KINDS):
        return DmUnreachableError(f"{what}: aps-dm-api: {words}", request_sent=not _never_sent(error))
    return DmAnswerError(f"{what}: aps-dm-api failed with {words}")


def _no_answer(what: str, error: BaseException) -> DmError:
    text = f"{what}: aps-dm-api says: {one_line(str(error)) or 'no message'} ({type(error).__name__})"
    status = _HTTP_ERROR.search(str(error))
    if status and status[1] not in _PROXY_WITHOUT_DM:
        return DmAnswerError(text)
    return DmUnreachableError(text, request_sent=not _never_sent(error))


def _is_connection(error: BaseException) -> bool:
    """Whether a `DmException`, in which the package wraps every other error, stands for a lost connection."""
    return bool(_NO_CONNECTION.search(str(error))) or any(
        isinstance(one, _NO_CONNECTION_KINDS) for one in _causes(error)
    )


def _never_sent(error: BaseException) -> bool:
    kinds = (ConnectionRefusedError, socket.gaierror)
    return bool(_NOT_SENT.search(str(error))) or any(isinstance(one, kinds) for one in _causes(error))


def _names(error: BaseException) -> Iterator[str]:
    """Names of the class and its parents that the package made: Python's own `TimeoutError` is not DM's."""
    return (kind.__name__ for kind in type(error).__mro__ if kind.__module__ != "builtins")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from; urllib's `URLError` keeps it in ``reason``."""
    for _ in range(10):
        yield error
        reason = getattr(error, "reason", None)
        cause = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
        if cause is None:
            return
        error = cause
