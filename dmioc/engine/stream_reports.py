"""From the fields that a workflow wrote to a report, or a refusal in one line (``pv-contract.md §8``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from dmioc.catalogue import shown
from dmioc.catalogue.streams import MESSAGE_BYTES, RESULT_BYTES
from dmioc.engine.projection import fit
from dmioc.errors import RefusedError
from dmioc.model.stream import REPORTABLE
from dmioc.model.stream_events import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmioc.catalogue import PV
    from dmioc.model import StreamState
    from dmioc.model.stream_session import Instant

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
_ANNOTATIONS = frozenset({"timeStamp", "alarm"})
"""Fields that normative structures carry besides; the gateway's own hold."""


def report_of(pv: PV, fields: Mapping[str, object], at: Instant) -> Report:
    """The report that the fields make, those that are left out as None.

    Args:
        pv: the structure that was put to.
        fields: what the client sent, by name.
        at: when it came.

    Raises `RefusedError` naming the field, its value and what would be right. A message that is too long is cut, a result is
    not: it would no longer be JSON.
    """
    unknown = sorted(set(fields) - {column.name for column in pv.columns} - _ANNOTATIONS)
    if unknown:
        known = ", ".join(column.name for column in pv.columns)
        raise RefusedError(f"{pv.name} has no field {shown(unknown[0])}; its fields are {known}")
    missing = [name for name in ("session", "epoch", "seq") if name not in fields]
    if missing:
        raise RefusedError(f"{pv.name}: a report names session, epoch and seq; {', '.join(missing)} is missing")
    message = _text(pv, fields, "message")
    return Report(
        at=at,
        session=_text(pv, fields, "session") or "",
        epoch=_number(pv, fields, "epoch", INT32_MAX) or 0,
        seq=_number(pv, fields, "seq", INT64_MAX) or 0,
        state=_state(pv, fields),
        message=None if message is None else fit(message, MESSAGE_BYTES),
        received=_number(pv, fields, "received", INT64_MAX),
        processed=_number(pv, fields, "processed", INT64_MAX),
        missed=_number(pv, fields, "missed", INT64_MAX),
        errors=_number(pv, fields, "errors", INT64_MAX),
        heartbeat=_number(pv, fields, "heartbeat", INT64_MAX),
        result=_result(pv, fields),
    )


def _text(pv: PV, fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise RefusedError(f"{pv.name}: {name} takes text, not {shown(value)}")


def _number(pv: PV, fields: Mapping[str, object], name: str, high: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high:
        return value
    raise RefusedError(f"{pv.name}: {name} takes a whole number from 0 to {high}, not {shown(value)}")


def _state(pv: PV, fields: Mapping[str, object]) -> StreamState | None:
    word = (_text(pv, fields, "state") or "").strip()
    if not word:
        return None
    found = [state for state in REPORTABLE if state.value == word]
    if not found:
        words = ", ".join(state.value for state in REPORTABLE)
        raise RefusedError(f"{pv.name}: a workflow reports one of {words}; not {shown(word)}")
    return found[0]


def _result(pv: PV, fields: Mapping[str, object]) -> str | None:
    text = _text(pv, fields, "result")
    if not text:
        return text
    size_bytes = len(text.encode("utf-8", "replace"))
    if size_bytes > RESULT_BYTES:
        raise RefusedError(
            f"{pv.name}: result holds at most {RESULT_BYTES} bytes, not {size_bytes}: put more into a file and its path here"
        )
    try:
        cast("object", json.loads(text, parse_constant=_refuse_constant))
    except ValueError as error:
        raise RefusedError(f"{pv.name}: result is not JSON: {error}") from error
    except RecursionError as error:
        raise RefusedError(f"{pv.name}: result is nested too deeply") from error
    return text


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON number")
