"""Where puts and queries of clients come in: who may do it is asked here, and everything is noted for the audit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.engine.access import AccessControl
from dmioc.engine.audit import ACCEPTED, BURST_S, DENIED, Audit, Outlet
from dmioc.engine.puts import CommandState, Outcome
from dmioc.engine.roots import ANYWHERE, Roots
from dmioc.engine.rpc_arguments import checked
from dmioc.engine.rpc_table import method_named
from dmioc.errors import DeniedError, RefusedError
from dmioc.model import Severity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dmioc.catalogue import PV, Raw
    from dmioc.engine.core import Core
    from dmioc.engine.ports import AccessRules
    from dmioc.engine.puts import Origin, RpcAnswer

_TOLD_EVERY_S = 10.0
_MOST_TOLD = 500
_QUERY = "RPC"


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands between clients and DM.

    Attributes:
        rules: who may put; None: everybody.
        roots: what transfers may read.
        outlets: where the audit goes.
        burst_s: how long the audit waits for further puts to a PV.
    """

    rules: AccessRules | None = None
    roots: Roots = ANYWHERE
    outlets: tuple[Outlet, ...] = ()
    burst_s: float = BURST_S


UNGUARDED = Guards()
"""Everything is allowed, nothing is noted."""


@dataclass(frozen=True, slots=True)
class Takers:
    """What puts and queries are handed to once they may come in; each raises `RefusedError`."""

    put: Callable[[str, Raw, Origin], asyncio.Future[Outcome]]
    structure: Callable[[str, Mapping[str, object], Origin], asyncio.Future[Outcome]]
    call: Callable[[str, Mapping[str, object], Origin], Awaitable[RpcAnswer]]


class Entrance:
    """Asks the rules of access and notes for the audit; see `dmioc.engine.puts.Puttable` for the methods.

    Attributes:
        access: the rules in force.
        audit: what is noted.
    """

    def __init__(self, core: Core, guards: Guards, takers: Takers, prefix: str) -> None:
        self._core = core
        self._takers = takers
        self._told: dict[tuple[str, str, str], float] = {}
        self._began: dict[str, float] = {}
        self.access = AccessControl(core.messages, core.store, guards.rules, prefix)
        self.audit = Audit(core.messages, core.store, core.clock, guards.outlets, prefix=prefix, burst_s=guards.burst_s)
        core.commands.ended.append(self._note_end)

    def put(self, name: str, raw: Raw, origin: Origin) -> asyncio.Future[Outcome]:
        """A put to a scalar PV."""
        pv = self._core.catalogue[name]
        old = self._shown(pv)
        try:
            self.access.check_put(pv, origin)
            future = self._takers.put(name, raw, origin)
        except DeniedError as error:
            return _ended(self._denied(origin, name, raw, old, error))
        except RefusedError as error:
            self._core.messages.add(name, f"refused for {origin}: {error}", Severity.MINOR)
            outcome = Outcome(CommandState.REFUSED, str(error))
            self._core.commands.show_outcome(name, outcome)
            self._core.store.commit()
            self.audit.note(origin, name, raw, old, outcome.state.value, message=outcome.message)
            return _ended(outcome)
        self._note_taken(pv, origin, raw, old, future)
        return future

    def _note_taken(self, pv: PV, origin: Origin, raw: object, old: object, future: asyncio.Future[Outcome]) -> None:
        ended = future.result() if future.done() else None
        if ended is not None and not ended.is_ok:
            self.audit.note(origin, pv.name, raw, old, ended.state.value, message=ended.message)
        elif pv.kind is Kind.COMMAND:
            self._note_begin(origin, pv.name, self._shown(pv), old)
        else:
            new = self._shown(pv) if pv.kind.is_scalar else raw
            self.audit.note(origin, pv.name, new, old, CommandState.OK.value)

    def _note_begin(self, origin: Origin, name: str, new: object, old: object) -> None:
        if name in self._core.catalogue:  # else several of them may run at the same time
            self._began[name] = self._core.clock.monotonic_s()
        self.audit.note(origin, name, new, old, ACCEPTED, is_command=True)

    def _note_end(self, command: str, origin: Origin, outcome: Outcome) -> None:
        """A command has ended, or was found to be without an end after a restart."""
        name = command.replace(" ", ".")  # a query by name: RPC startDaq
        began_s = self._began.pop(name, None)
        took_s = self._core.clock.monotonic_s() - began_s if began_s is not None else -1.0
        new, old = ("", "")
        if name in self._core.catalogue:
            new, old = self._core.catalogue[name].labels
        result, message = outcome.state.value, outcome.message
        self.audit.note(origin, name, new, old, result, message=message, took_s=took_s, is_command=True)

    def _shown(self, pv: PV) -> object:
        """The value of a scalar PV as the audit shows it: a state by its label."""
        if not pv.kind.is_scalar:
            return ""
        value = self._core.store.value(pv.name)
        return pv.labels[value] if pv.kind.has_states and isinstance(value, int) else value

    def put_structure(self, name: str, fields: Mapping[str, object], origin: Origin) -> asyncio.Future[Outcome]:
        """A put to a structure."""
        pv = self._core.catalogue[name]
        try:
            self.access.check_put(pv, origin)
            future = self._takers.structure(name, fields, origin)
        except DeniedError as error:
            return _ended(self._denied(origin, name, fields, "", error))
        except RefusedError as error:
            outcome = Outcome(CommandState.REFUSED, str(error))
            self.audit.note(origin, name, fields, "", outcome.state.value, message=outcome.message)
            return _ended(outcome)
        self._note_taken(pv, origin, fields, "", future)
        return future

    async def call(self, method_name: str, arguments: Mapping[str, object], origin: Origin) -> RpcAnswer:
        """A query by name; one that changes something needs the rights of a command."""
        method = method_named(method_name)
        if method.is_command:
            name = f"{_QUERY}.{method_name}"
            try:
                self.access.check_call(method_name, origin)
                checked(method_name, method.arguments, method.takes_more, arguments)
            except DeniedError as error:
                self._denied(origin, name, arguments, "", error)
                raise
            except RefusedError as error:
                self.audit.note(origin, name, arguments, "", CommandState.REFUSED.value, message=str(error))
                raise
            self._note_begin(origin, name, arguments, "")
        return await self._takers.call(method_name, arguments, origin)

    def refused(self, name: str, raw: object, origin: Origin, reason: str) -> str:
        """A put that a server did not take; answers the reason, with the rule where access is missing."""
        pv = self._core.catalogue[name] if name in self._core.catalogue else None
        old = self._shown(pv) if pv is not None else ""
        if pv is not None and pv.writable:
            try:
                self.access.check_put(pv, origin)
            except DeniedError as error:
                return self._denied(origin, name, raw, old, error).message
        self._tell(name, origin, f"refused for {origin}: {reason}")
        self.audit.note(origin, name, raw, old, CommandState.REFUSED.value, message=reason)
        return reason

    def _denied(self, origin: Origin, name: str, raw: object, old: object, error: DeniedError) -> Outcome:
        """Nothing that others see changes by it but the message, and that not often: a stranger must not flood it."""
        self._tell(name, origin, f"denied: {error}")
        self.audit.note(origin, name, raw, old, DENIED, message=str(error))
        return Outcome(CommandState.REFUSED, str(error), is_denied=True)

    def _tell(self, name: str, origin: Origin, text: str) -> None:
        key, now_s = (name, origin.user, origin.host), self._core.clock.monotonic_s()
        if now_s - self._told.get(key, -_TOLD_EVERY_S) < _TOLD_EVERY_S:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[key] = now_s
        self._core.messages.add(name, text, Severity.MINOR)
        self._core.store.commit()


def _ended(outcome: Outcome) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(outcome)
    return future
