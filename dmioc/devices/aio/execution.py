"""One run of a command, to its end in the gateway (``pv-contract.md §1``, command)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from dmioc.devices.aio.enums import DMCommandStatus
from dmioc.devices.aio.wires import LinkDownError, PutRefusedError, Wire
from dmioc.errors import (
    CommandFailedError,
    DmiocError,
    GatewayLostError,
    InterruptedCommandError,
    RefusedError,
)

_IDLE = 0
_LOOK_AGAIN_S = 0.2
_ERRORS: dict[str, type[DmiocError]] = {
    DMCommandStatus.REFUSED.value: RefusedError,
    DMCommandStatus.FAILED.value: CommandFailedError,
    DMCommandStatus.INTERRUPTED.value: InterruptedCommandError,
}


@dataclass(frozen=True, slots=True)
class CommandPVs:
    """The PVs behind a command.

    Attributes:
        station: the station's prefix, ``DEMO:DM:``.
        group: prefix of its group, which has the outcome, ``DEMO:DM:EXP:``.
        short_name: its name in the group, as messages begin, ``New:Create``.
    """

    station: str
    group: str
    short_name: str

    @property
    def pv(self) -> str:
        """The command itself."""
        return self.group + self.short_name


@dataclass(frozen=True, slots=True)
class Shown:
    """What the outcome PVs of a group show, and when the gateway was started."""

    status: str
    message: str
    count: int
    started: str


class Link:
    """Whether a command's PV is connected, and its state; ``losses`` counts how often the connection was lost."""

    def __init__(self, wire: Wire, pv: str) -> None:
        self._loop = asyncio.get_running_loop()
        self.losses = 0
        self._state: int | None = None
        self._away_since_s = self._loop.time()
        self._change = self._loop.create_future()
        self.close: Callable[[], None] = wire.watch(pv, self._take)

    def _take(self, state: int | None) -> None:
        if state is None and self._state is not None:
            self._away_since_s = self._loop.time()
            self.losses += 1
        self._state = state
        change, self._change = self._change, self._loop.create_future()
        change.set_result(None)

    async def connected(self) -> None:
        """Wait until it is connected."""
        while self._state is None:
            await asyncio.wait({self._change})

    async def lost(self) -> None:
        """Wait until the connection is lost, if only for a moment."""
        losses = self.losses
        while self._state is not None and self.losses == losses:
            await asyncio.wait({self._change})

    async def idle(self) -> None:
        """Wait until it is connected and reads Idle."""
        while self._state != _IDLE:
            await asyncio.wait({self._change})

    async def away_for(self, time_s: float) -> None:
        """Wait until it has not been connected for so long."""
        while True:
            left_s = None
            if self._state is None:
                left_s = self._away_since_s + time_s - self._loop.time()
                if left_s <= 0.0:
                    return
            await asyncio.wait({self._change}, timeout=left_s)


class Execution:
    """One run of a command: put, wait, and tell how it ended."""

    def __init__(self, wire: Wire, pvs: CommandPVs, lost_after_s: float) -> None:
        self._wire = wire
        self._pvs = pvs
        self._lost_after_s = lost_after_s
        self._was_given = False

    async def to_its_end(self) -> None:
        """Run the command and return when it has ended well.

        Raises `RefusedError`, `CommandFailedError` or `InterruptedCommandError` with the gateway's reason, and `GatewayLostError`
        when the gateway was not reached for longer than ``lost_after_s``.
        """
        link = Link(self._wire, self._pvs.pv)
        command = asyncio.create_task(self._carry_out(link))
        loss = asyncio.create_task(link.away_for(self._lost_after_s))
        try:
            await asyncio.wait({command, loss}, return_when=asyncio.FIRST_COMPLETED)
            if command.done():
                return command.result()
            given = "was given and may go on" if self._was_given else "was not given"
            raise GatewayLostError(
                f"{self._pvs.pv}: the gateway has not been reached for {self._lost_after_s:g} s; the command {given}"
            )
        finally:
            link.close()
            await _cancelled(command, loss)

    async def _carry_out(self, link: Link) -> None:
        await link.connected()
        before = await self._shown()
        self._was_given = True
        try:
            await self._put_once(link)
        except PutRefusedError as error:
            self._raise_as_shown(before, await self._shown(), reason=str(error))
        except LinkDownError:
            await self._end_after_loss(link, before)

    async def _put_once(self, link: Link) -> None:
        """Put, unless the connection is lost; raises as `Wire.put`.

        A put over PVAccess that has no answer is sent again by pvxs when the gateway is back, and would run the command twice.
        """
        losses = link.losses
        put = asyncio.create_task(self._wire.put(self._pvs.pv))
        loss = asyncio.create_task(link.lost())
        try:
            await asyncio.wait({put, loss}, return_when=asyncio.FIRST_COMPLETED)
            # After a loss a refusal may be that of the put which was sent again: busy with the first.
            if not put.done() or (link.losses != losses and put.exception() is not None):
                raise LinkDownError
            put.result()
        finally:
            await _cancelled(put, loss)

    async def _end_after_loss(self, link: Link, before: Shown) -> None:
        """Find out how a command ended of whose end there was no word."""
        now = await self._shown()
        while now.started == before.started:
            await link.idle()
            now = await self._shown()
            if not self._is_at_it(before, now):
                break
            # The link's first word after a loss may be older than what is shown.
            await asyncio.sleep(_LOOK_AGAIN_S)
        is_ours = now.started == before.started and now.count > before.count and self._names_it(now)
        if now.status == DMCommandStatus.OK.value and is_ours:
            return
        self._raise_as_shown(before, now, reason="")

    def _is_at_it(self, before: Shown, now: Shown) -> bool:
        """Whether the command that was put is still shown to run."""
        return now.status == DMCommandStatus.BUSY.value and now.count == before.count and self._names_it(now)

    def _names_it(self, shown: Shown) -> bool:
        """Whether the outcome that is shown is one of this command, by the name that the message begins with."""
        return shown.message.startswith(f"{self._pvs.short_name}: ")

    def _raise_as_shown(self, before: Shown, now: Shown, reason: str) -> NoReturn:
        """Raise what a command that has not ended well ended with; ``reason`` is the gateway's own, where it gave one."""
        name = self._pvs.short_name
        if now.started != before.started:
            if self._names_it(now) and now.status == DMCommandStatus.INTERRUPTED.value:
                raise InterruptedCommandError(now.message)
            raise InterruptedCommandError(
                f"{name}: the gateway was started anew at {now.started}; how it ended is not known; shown is {now.message!r}"
            )
        if self._names_it(now) and now.count > before.count:
            raise _ERRORS.get(now.status, CommandFailedError)(now.message)
        if reason:
            # No outcome of it is shown: it was refused at once, unless that of another command has replaced it.
            kind = RefusedError if now.count == before.count else CommandFailedError
            raise kind(f"{name}: {reason}")
        if now.count > before.count:
            raise CommandFailedError(
                f"{name}: did not end well; another of its group ended right after it: {now.message!r}"
            )
        if now.status == DMCommandStatus.BUSY.value:
            raise RefusedError(f"{name}: busy: a command of its group is at work: {now.message!r}")
        raise RefusedError(f"{name}: the gateway refused it at once; over Channel Access it gives no reason")

    async def _shown(self) -> Shown:
        """What is shown now, once the gateway is there."""
        group = self._pvs.group
        names = (f"{group}CmdStatus", f"{group}CmdMessage", f"{group}CmdCount", f"{self._pvs.station}StartTime")
        while True:
            try:
                status, message, count, started = await asyncio.gather(*(self._wire.text(name) for name in names))
            except LinkDownError:
                # The transport tells of a loss before it knows itself; what waits too long is ended by `away_for`.
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                return Shown(status, message, int(count), started)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """End tasks that nobody waits for any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
