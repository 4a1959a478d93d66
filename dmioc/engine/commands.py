"""Commands: which may run, that each ends, and how it ended, on PVs and in the journal.

A command whose handler is an `Orders` is carried out once, whatever happens to the gateway: what it was asked to do is in the
journal before DM is asked, and a gateway that starts anew carries out again what has no outcome there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dmioc.engine.projection import fit
from dmioc.engine.puts import CommandState, Outcome
from dmioc.errors import (
    CommandFailedError,
    DmError,
    InterruptedCommandError,
    RefusedError,
    StateFileError,
)
from dmioc.model import Severity

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.engine.journal import Journal, Unfinished
    from dmioc.engine.messages import Messages
    from dmioc.engine.ports import Clock
    from dmioc.engine.puts import Origin
    from dmioc.engine.store import Store

_LOG = logging.getLogger(__name__)
MESSAGE_BYTES = 1024
_DISABLED = Outcome(CommandState.REFUSED, "Control is Disabled: enable it first")
_INTERRUPTED = Outcome(CommandState.INTERRUPTED, "was interrupted: the gateway stops")

REPEATED_WITHIN_S = 600.0
"""A command that was accepted longer ago is not carried out again: who asked for it has gone on without it."""

Order = Mapping[str, object]
"""What a command was asked to do, as JSON can hold it: fixed when it is accepted, whatever setpoints do afterwards."""

Handler = Callable[[], Awaitable[str]]
"""Carries a command out and answers what it did in one line; raises a `DmiocError` when it did not."""

Work = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Orders:
    """How a command is carried out from an order, the first time and again after a crash of the gateway.

    Attributes:
        take: what is asked for now, without asking DM; raises `RefusedError`.
        carry_out: does it and answers what it did in one line. Told True it may have been done before: what DM has of it is
            taken for it, and a wait for its end is given up with `InterruptedCommandError`.
    """

    take: Callable[[], Order]
    carry_out: Callable[[Order, bool], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its PV, what it does, and the PVs whose commands must not run beside it."""

    name: str
    handler: Handler | Orders
    excludes: tuple[str, ...] = ()

    def taken(self) -> tuple[Order | None, Handler]:
        """The order, if there is one, and what carries it out; raises `RefusedError`."""
        if isinstance(self.handler, Orders):
            order = self.handler.take()
            return order, partial(self.handler.carry_out, order, False)
        return None, self.handler


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
        self.ended: list[Callable[[str, Origin, Outcome], None]] = []
        """Called with name, origin and outcome when a command has ended, also one without a PV; must not raise."""

    def register(self, *commands: Command) -> None:
        """Make commands known."""
        for command in commands:
            self._commands[command.name] = command

    @property
    def names(self) -> frozenset[str]:
        """PVs whose commands are known."""
        return frozenset(self._commands)

    def runs(self, name: str) -> bool:
        """Whether this command runs, or is just to begin."""
        return name in self._running

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
        try:
            order, handler = self._taken(command)
            # Before anybody sees it Busy: what is seen to run is on record, whatever happens then.
            entry = self._journal.accept(self._clock.now_s(), name, origin, order)
        except (RefusedError, StateFileError) as error:
            outcome = Outcome(CommandState.REFUSED, str(error))
            self.publish_outcome(name, outcome)
            result.set_result(outcome)
            return result
        self._launch(name, origin, result, lambda: self._recorded(entry, name, handler))
        return result

    def _taken(self, command: Command) -> tuple[Order | None, Handler]:
        if self._is_disabled:
            raise RefusedError(_DISABLED.message)
        return command.taken()

    def _launch(self, name: str, origin: Origin, result: asyncio.Future[Outcome], work: Work) -> None:
        self._store.set(name, 1)
        self._publish_state(name, Outcome(CommandState.BUSY, "is running"))
        self._store.commit()
        self._running[name] = asyncio.create_task(self._carry_out(name, origin, result, work), name=f"command {name}")

    async def _carry_out(self, name: str, origin: Origin, result: asyncio.Future[Outcome], work: Work) -> None:
        outcome = _INTERRUPTED
        try:
            outcome = await work()
        finally:
            self._running.pop(name, None)
            self._end(name, origin, outcome)
            if not result.done():
                result.set_result(outcome)

    @property
    def _is_disabled(self) -> bool:
        return self._store.label("Control") == "Disabled"

    async def carry_out(self, name: str, handler: Handler, origin: Origin) -> Outcome:
        """Carry out what has no PV of its own (a query by name), by the same rules and with the same record."""
        outcome = _INTERRUPTED
        try:
            if self._is_disabled:
                outcome = _DISABLED
            else:
                entry = self._journal.accept(self._clock.now_s(), name, origin)
                outcome = await self._recorded(entry, name, handler)
        except StateFileError as error:
            outcome = Outcome(CommandState.REFUSED, str(error))
        finally:
            self._announce(name, origin, outcome)
            self._store.commit()
        return outcome

    def restored(self, entry: Unfinished, ready: Callable[[], Awaitable[None]]) -> None:
        """A command of the last run has no outcome: carry it out again once ``ready`` has ended, or call it interrupted."""
        command = self._commands.get(entry.command)
        age_s = self._clock.now_s() - entry.time_s
        may_repeat = age_s <= REPEATED_WITHIN_S and not self._is_disabled and entry.command not in self._running
        if may_repeat and command is not None and isinstance(command.handler, Orders) and entry.order is not None:
            again = partial(command.handler.carry_out, entry.order, True)
            result: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            self._launch(entry.command, entry.origin, result, lambda: self._repeated(entry, again, ready))
            return
        reason = f", {age_s:.0f} s ago" if age_s > REPEATED_WITHIN_S else ""
        outcome = Outcome(CommandState.INTERRUPTED, f"was interrupted: the gateway ended before it did{reason}")
        self._note_end(entry.entry, outcome)
        self._announce(entry.command, entry.origin, outcome)
        self.show_outcome(entry.command, outcome)

    async def _repeated(self, entry: Unfinished, again: Handler, ready: Callable[[], Awaitable[None]]) -> Outcome:
        """Carry out again what is on record as accepted, under the same entry."""
        await ready()
        outcome = await self._outcome(entry.command, again)
        await asyncio.to_thread(self._note_end, entry.entry, outcome)
        return outcome

    async def _recorded(self, entry: int, name: str, handler: Handler) -> Outcome:
        """Carry out what is in the journal, and note there how it ended; not when the gateway stops meanwhile."""
        try:
            await asyncio.to_thread(self._journal.sync)
            outcome = await self._outcome(name, handler)
        except asyncio.CancelledError:
            # Who asked is told Interrupted and may ask again: the next start must not do it behind their back.
            self._journal.drop_order(entry)
            raise
        except StateFileError as error:
            outcome = Outcome(CommandState.REFUSED, str(error))
        await asyncio.to_thread(self._note_end, entry, outcome)
        return outcome

    async def _outcome(self, name: str, handler: Handler) -> Outcome:
        try:
            return Outcome(CommandState.OK, await handler())
        except RefusedError as error:
            return Outcome(CommandState.REFUSED, str(error))
        except DmError as error:
            return Outcome(CommandState.FAILED if error.may_be_done else CommandState.REFUSED, str(error))
        except InterruptedCommandError as error:
            return Outcome(CommandState.INTERRUPTED, str(error))
        except CommandFailedError as error:
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
        for tell in self.ended:
            tell(name, origin, outcome)

    def show_outcome(self, name: str, outcome: Outcome) -> None:
        """Show on the PVs of a command that a put to it was refused or interrupted, unless a command of its group runs."""
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
        # A task that is cancelled before its first step has no end to tell of.
        await asyncio.sleep(0)
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
