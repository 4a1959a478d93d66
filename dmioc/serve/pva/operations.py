"""Puts and queries of clients: from p4p's threads to the loop, and one answer to each, whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from p4p import Value
from p4p.server import ServerOperation

from dmioc.catalogue import PV, Raw
from dmioc.engine.puts import Origin, Outcome, Puttable
from dmioc.errors import DmiocError, RefusedError
from dmioc.serve.pva.encoding import sendable

_log = logging.getLogger(__name__)

INTERNAL_ERROR = "internal error of the gateway; its log tells more"
_YES = frozenset(("true", "yes", "1"))

T = TypeVar("T")
Take = Callable[[Value, Origin], "asyncio.Future[Outcome]"]
"""Takes what a client put; raises `DmiocError` for what is refused before the engine is asked."""


def refuse(operation: ServerOperation, reason: str) -> None:
    """Answer that it was not done, and why."""
    operation.done(error=sendable(reason) or "refused")


def origin_of(operation: ServerOperation, protocol: str) -> Origin:
    """Who asks: the account that the client claims, empty if it is no text, and the host that it is connected from."""
    host = operation.peer().rpartition(":")[0].strip("[]")
    try:
        return Origin(protocol, operation.account(), host)
    except UnicodeDecodeError:
        return Origin(protocol, "", host)


def sent(read: Callable[[], T], full_name: str) -> T:
    """What a client sent, as ``read`` has it from p4p; raises `RefusedError` for what Python cannot hold."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise RefusedError(f"{full_name} takes text in UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise RefusedError(f"{full_name} takes no structure that is nested so deeply") from error


def waits_for_end(operation: ServerOperation) -> bool:
    """Whether the client wants its answer at the end of what the put begins (``record._options.block``)."""
    try:
        return str(operation.pvRequest().get("record._options.block", "")).strip().lower() in _YES
    except UnicodeDecodeError:
        return False


class PutHandler:
    """p4p's handler of one PV: every put to it, also under its aliases.

    A put that waits for the end is answered then; any other as soon as it was taken, or refused. ``record._options.process``
    changes nothing: there is no put without its effect. ``before_answer`` shows the engine's state before the client goes on.
    ``note_refusal`` is told what was refused before the engine was asked, and answers the reason for the client.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        take: Take,
        before_answer: Callable[[], None],
        note_refusal: Callable[[Origin, str], str],
    ) -> None:
        self._name = name
        self._loop = loop
        self._take = take
        self._before_answer = before_answer
        self._note_refusal = note_refusal

    def put(self, _shared: object, operation: ServerOperation) -> None:
        """A put has come; called in a thread of p4p."""
        self._loop.call_soon_threadsafe(self._put, operation)

    def _put(self, operation: ServerOperation) -> None:
        """The supervisor of one put: p4p gives the client no answer when a handler fails."""
        try:
            origin = origin_of(operation, "pva")
            if (asked := operation.name()) != self._name:
                origin = replace(origin, alias=asked)
            try:
                future = self._take(operation.value(), origin)
            except DmiocError as error:
                refuse(operation, self._note_refusal(origin, str(error)))
                return
            if future.done():
                self._answer(operation, future)
            elif waits_for_end(operation):
                future.add_done_callback(lambda done: self._answer(operation, done))
            else:
                self._before_answer()
                operation.done()
        except Exception:
            _log.exception("put to %s", self._name)
            refuse(operation, INTERNAL_ERROR)

    def _answer(self, operation: ServerOperation, future: asyncio.Future[Outcome]) -> None:
        self._before_answer()
        if future.cancelled():
            refuse(operation, "the gateway stopped before the end")
        elif (error := future.exception()) is not None:
            _log.error("put to %s", self._name, exc_info=error)
            refuse(operation, INTERNAL_ERROR)
        elif (outcome := future.result()).is_ok:
            operation.done()
        else:
            refuse(operation, outcome.message or outcome.state.value)


def scalar_take(engine: Puttable, pv: PV, full_name: str) -> Take:
    """Puts to a scalar PV: its value counts, other fields do not."""
    path = "value.index" if pv.kind.has_states else "value"

    def take(value: Value, origin: Origin) -> asyncio.Future[Outcome]:
        if not value.changed(path):
            fields = ", ".join(sorted(value.changedSet())) or "nothing"
            raise RefusedError(f"{full_name} takes a put to its value, not to {fields}")
        raw: Raw = sent(lambda: value[path], full_name)
        return engine.put(pv.name, raw, origin)

    return take


def structure_take(engine: Puttable, pv: PV, full_name: str) -> Take:
    """Puts to a writable structure: those of its own fields that the client sent."""
    names = tuple(column.name for column in pv.columns)

    def take(value: Value, origin: Origin) -> asyncio.Future[Outcome]:
        changed = [name for name in names if value.changed(name)]
        fields: dict[str, object] = sent(lambda: {name: value[name] for name in changed}, full_name)
        if not fields:
            raise RefusedError(f"{full_name} takes a put to one or more of {', '.join(names)}")
        return engine.put_structure(pv.name, fields, origin)

    return take


def read_only_take(full_name: str, reason: str = "is read-only") -> Take:
    """Puts to what clients only read."""

    def take(_value: Value, _origin: Origin) -> asyncio.Future[Outcome]:
        raise RefusedError(f"{full_name} {reason}")

    return take
