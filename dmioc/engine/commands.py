"""Commands: which may run, that each ends, and how it ended, on PVs and in the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.engine.projection import fit
from dmioc.engine.puts import CommandState, Outcome
from dmioc.errors import CommandFailedError, DmError, DmRefusedError, DmUnreachableError, RefusedError, StateFileError
from dmioc.model import Severity

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.engine.journal import Journal
    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import Clock
    from dmioc.engine.puts import Origin
    from dmioc.engine.store import Store

_LOG = logging.getLogger(__name__)
MESSAGE_BYTES = 1024
_DISABLED = Outcome(CommandState.REFUSED, "Control is Disabled: enable it first")
_INTERRUPTED = Outcome(CommandState.INTERRUPTED, "was interrupted: the gateway stops")

Handler = Callable[[], Awaitable[str]]
"""Carries a command out and answers what it did in one line; raises a `DmiocError` when it did not."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its PV, what it does, and the PVs whose commands must not run beside it."""

    name: str
    handler: Handler
    excludes: tuple[str, ...] = ()


class Commands:
    """Takes commands, runs them side by side where they may be, and publishes their outcomes."""

    def __init__(self, catalogue: Catalogue, store: Store, clock: Clock, messages: Messages, journal: Journal) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._messages = messages
        self._journal = journal
        self._commands: dict[str, Command] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def register(self, *commands: Command) -> None:
        """Make commands known."""
        for command in commands:
            self._commands[command.name] = command

    @property
    def names(self) -> frozenset[str]:
        """PVs whose commands are known."""
        return frozenset(self._commands)

    def busy(self, group: str) -> bool:
        """Whether a command of the group runs."""
        return any(self._catalogue[name].group == group for name in self._running)

    def start(self, name: str, origin: Origin) -> asyncio.Future[Outcome]:
        """Start a command; the future is done at once if it is refused without asking DM, else when it has ended."""
        command = self._commands[name]
        result: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        blocking = next((other for other in (name, *command.excludes) if other in self._running), None)
        if blocking is not None:
            # Nothing of the command that runs may change by this, not even the outcome on its PVs.
            result.set_result(Outcome(CommandState.REFUSED, f"busy: {blocking} is still running"))
            return result
        if self._is_disabled:
            self.publish_outcome(name, _DISABLED)
            result.set_result(_DISABLED)
            return result
        self._store.set(name, 1)
        self._publish_state(name, Outcome(CommandState.BUSY, "is running"))
        self._store.commit()
        self._running[name] = asyncio.create_task(self._carry_out(command, origin, result), name=f"command {name}")
        return result

    async def _carry_out(self, command: Command, origin: Origin, result: asyncio.Future[Outcome]) -> None:
        outcome = _INTERRUPTED
        try:
            outcome = await self._recorded(command.name, command.handler, origin)
        finally:
            self._running.pop(command.name, None)
            self._end(command.name, origin, outcome)
            if not result.done():
                result.set_result(outcome)

    @property
    def _is_disabled(self) -> bool:
        return self._store.label("Control") == "Disabled"

    async def carry_out(self, name: str, handler: Handler, origin: Origin) -> Outcome:
        """Carry out what has no PV of its own (a query by name), by the same rules and with the same record."""
        outcome = _INTERRUPTED
        try:
            outcome = _DISABLED if self._is_disabled else await self._recorded(name, handler, origin)
        finally:
            self._announce(name, origin, outcome)
            self._store.commit()
        return outcome

    async def _recorded(self, name: str, handler: Handler, origin: Origin) -> Outcome:
        """Carry out with an entry in the journal before and one after; none after when the gateway stops meanwhile."""
        try:
            entry = await asyncio.to_thread(self._journal.accept, self._clock.now_s(), name, origin)
            outcome = await self._outcome(name, handler)
            await asyncio.to_thread(self._note_end, entry, outcome)
        except StateFileError as error:
            return Outcome(CommandState.REFUSED, str(error))
        return outcome

    async def _outcome(self, name: str, handler: Handler) -> Outcome:
        try:
            return Outcome(CommandState.OK, await handler())
        except (RefusedError, DmRefusedError) as error:
            return Outcome(CommandState.REFUSED, str(error))
        except DmUnreachableError as error:
            state = CommandState.FAILED if error.request_sent else CommandState.REFUSED
            return Outcome(state, str(error))
        except (CommandFailedError, DmError) as error:
            return Outcome(CommandState.FAILED, str(error))
        except Exception as error:
            # The supervisor of the commands: a bug in one must be told to the client that waits, and end nothing else.
            _LOG.exception("bug in command %s", name)
            return Outcome(CommandState.FAILED, f"bug in the gateway: {type(error).__name__}: {error}")

    def _note_end(self, entry: int, outcome: Outcome) -> None:
        try:
            self._journal.end(entry, self._clock.now_s(), outcome)
        except StateFileError as error:
            # The command has ended and its client is told; that it is not on record is for the log.
            _LOG.error("%s", error)

    def _end(self, name: str, origin: Origin, outcome: Outcome) -> None:
        self._store.set(name, 0)
        self.publish_outcome(name, outcome)
        self._announce(name, origin, outcome)
        self._store.commit()

    def _announce(self, name: str, origin: Origin, outcome: Outcome) -> None:
        severity = Severity.NO_ALARM if outcome.is_ok else Severity.MINOR
        self._messages.add(name, f"{outcome.state.value} for {origin}: {outcome.message}", severity)

    def show_refusal(self, name: str, outcome: Outcome) -> None:
        """Show on the PVs of a command that a put to it was refused, unless a command of its group runs."""
        if name in self._commands and not self.busy(self._catalogue[name].group):
            self.publish_outcome(name, outcome)

    def publish_outcome(self, name: str, outcome: Outcome) -> None:
        """Show on its group's PVs how a command ended, with its name since others of the group may run, and count it."""
        self._publish_state(name, outcome)
        count = f"{self._catalogue[name].group}CmdCount"
        self._store.set(count, int(self._store.number(count)) + 1)
        self._store.commit()

    def _publish_state(self, name: str, outcome: Outcome) -> None:
        pv = self._catalogue[name]
        labels = self._catalogue[f"{pv.group}CmdStatus"].labels
        self._store.set(f"{pv.group}CmdStatus", labels.index(outcome.state.value))
        self._store.set(f"{pv.group}CmdMessage", fit(f"{pv.short_name}: {outcome.message}", MESSAGE_BYTES))

    async def interrupt_all(self) -> None:
        """End every running command as Interrupted; DM is not told to stop anything.

        The journal gets no outcome of them, so that the next start of the gateway shows them as Interrupted.
        """
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
