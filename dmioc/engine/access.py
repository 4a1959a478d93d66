"""Who may put and call: the rules in force, asked in one place for every protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dmioc.catalogue import Access
from dmioc.engine.ports import AccessRequest
from dmioc.errors import ConfigurationError, DeniedError
from dmioc.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmioc.catalogue import PV
    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import AccessRules
    from dmioc.engine.puts import Origin
    from dmioc.engine.store import Store

_SOURCE = "access"


class AccessControl:
    """Asks the rules, and has them loaded anew.

    Args:
        messages: where changes are told.
        store: committed then.
        rules: those in force; None lets everybody do everything.
        prefix: before every PV's name, for what is told to clients.

    Attributes:
        changed: called after each change, by whoever has told clients of their rights.
    """

    def __init__(self, messages: Messages, store: Store, rules: AccessRules | None, prefix: str) -> None:
        self._messages = messages
        self._store = store
        self._rules = rules
        self._prefix = prefix
        self._loading = asyncio.Lock()
        self.changed: list[Callable[[], None]] = []
        self._warn()

    def _warn(self) -> None:
        for warning in self._rules.warnings if self._rules is not None else ():
            self._messages.add(_SOURCE, warning, Severity.MINOR)

    def rights(self, pv: PV, user: str, host: str) -> tuple[bool, bool]:
        """Whether a user (as claimed) at a host (by its address) may read and may write a PV."""
        return True, pv.writable and self._denial(pv.asg, user, host, is_rpc=False) is None

    def _denial(self, asg: str, user: str, host: str, *, is_rpc: bool) -> str | None:
        """Why it may not be done; None if it may."""
        if self._rules is None:
            return None
        decision = self._rules.decide(AccessRequest(asg, user, host, is_rpc))
        return None if decision.is_allowed else decision.reason

    def check_put(self, pv: PV, origin: Origin) -> None:
        """Raises `DeniedError` naming user, host, PV and rule when the client may not put."""
        self._check(pv.name, pv.asg, origin, is_rpc=False)

    def check_call(self, method: str, origin: Origin) -> None:
        """Raises `DeniedError` likewise when the client may not call a command by name."""
        self._check(f"RPC.{method}", Access.COMMAND.value, origin, is_rpc=True)

    def _check(self, name: str, asg: str, origin: Origin, *, is_rpc: bool) -> None:
        denial = self._denial(asg, origin.user, origin.host, is_rpc=is_rpc)
        if denial is not None:
            raise DeniedError(f"{self._prefix}{name}: no write access for {origin}: {denial}")

    async def reload(self, load: Callable[[], AccessRules]) -> None:
        """Put other rules in force; those in force stay when the new ones cannot be loaded.

        Args:
            load: called in a thread; raises `ConfigurationError`.
        """
        async with self._loading:
            try:
                rules = await asyncio.to_thread(load)
            except ConfigurationError as error:
                self._messages.add(_SOURCE, f"not loaded, the rules before stay in force: {error}", Severity.MAJOR)
            else:
                self._rules = rules
                self._messages.add(_SOURCE, "the rules were loaded anew")
                self._warn()
                for tell in self.changed:
                    tell()
            self._store.commit()
