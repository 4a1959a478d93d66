"""What a browser may ask, in the message format of PVWS (``screens.md §2c``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from dmioc.catalogue import shown
from dmioc.errors import RefusedError

SUBSCRIBE, CLEAR, LIST, ECHO, PING, STATIONS = "subscribe", "clear", "list", "echo", "ping", "stations"
_OLD_SUBSCRIBE = "monitor"
"""What epics2web says for subscribe; PVWS takes it too."""
_WRITE = "write"
_WITH_PVS = (SUBSCRIBE, CLEAR)
_TYPES = (SUBSCRIBE, CLEAR, LIST, ECHO, PING, STATIONS)
READ_ONLY = "this page is read-only, nothing was written; use an EPICS client on a host that the access rules let in"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its type, and the PVs it names as the client wrote them."""

    type: str
    pvs: tuple[str, ...] = ()


def request_of(text: str) -> Request:
    """The request in a message; raises `RefusedError` telling what is wrong with it."""
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"a message is one JSON object, not {shown(text)}: {error}") from error
    if not isinstance(content, dict):
        raise RefusedError(f"a message is one JSON object, not {shown(content)}")
    message = cast("dict[str, object]", content)
    kind = message.get("type")
    if kind == _WRITE:
        raise RefusedError(f"{shown(message.get('pv'))} was not written: {READ_ONLY}")
    if kind == _OLD_SUBSCRIBE:
        kind = SUBSCRIBE
    if not isinstance(kind, str) or kind not in _TYPES:
        raise RefusedError(f"type is one of {', '.join(_TYPES)}, not {shown(kind)}")
    return Request(kind, _pvs(message) if kind in _WITH_PVS else ())


def _pvs(message: dict[str, object]) -> tuple[str, ...]:
    pvs = message.get("pvs")
    if not isinstance(pvs, list):
        raise RefusedError(f"pvs is a list of names of PVs, not {shown(pvs)}")
    names = cast("list[object]", pvs)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise RefusedError(f"pvs holds names of PVs, not {shown(wrong[0])}; nothing of this message was done")
    return tuple(dict.fromkeys(cast("list[str]", names)))
