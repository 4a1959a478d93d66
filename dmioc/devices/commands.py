"""Commands, and how they ended (``pv-contract.md §1``)."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.signal import DEFAULT_WRITE_TIMEOUT
from ophyd.status import Status

from dmioc.catalogue import shown
from dmioc.devices.device import DMDevice
from dmioc.devices.monitored import READ_TIMEOUT_S, MonitoredSignal
from dmioc.devices.signals import ChoiceSignal, ChoiceSignalRO, NumberSignalRO, TextSignalRO
from dmioc.errors import (
    CommandFailedError,
    GatewayLostError,
    InterruptedCommandError,
    RefusedError,
    WaitTimeoutError,
)

COMMAND_TIMEOUT_S = 120.0
"""How long a command may take that waits for an answer of DM, not for the end of something."""

MARGIN_S = 60.0
"""What a command may take beyond the time it waits for: DM is asked before and after."""

LOST_AFTER_S = 60.0
_KEPT_EVENTS = 64
RUN = 1
BUSY = "Busy"
OK = "OK"
INTERRUPTED = "Interrupted"
_ERRORS = {"Refused": RefusedError, INTERRUPTED: InterruptedCommandError}


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a command of a group ended: label of ``CmdStatus``, and ``CmdMessage``."""

    status: str | None
    message: str

    def is_of(self, command: str) -> bool:
        """Whether it is the end of this command."""
        return self.status not in (None, BUSY) and self.message.startswith(f"{command}: ")


class _Remembered(MonitoredSignal):
    """A signal that keeps its last values with the times the gateway gave them, oldest first."""

    def __init__(self, read_pv: str, **kwargs: Any) -> None:
        self.events: deque[tuple[float, Any]] = deque(maxlen=_KEPT_EVENTS)
        super().__init__(read_pv, **kwargs)

    def _accepted(self) -> None:
        self.events.append((self.timestamp, self._readback))

    def at(self, time_s: float) -> Any:
        """The value at a time by the gateway's clock; None where that is not known any more."""
        return next((value for taken_s, value in reversed(tuple(self.events)) if taken_s <= time_s), None)


class OutcomeStatus(_Remembered, ChoiceSignalRO):
    """``CmdStatus`` of a group."""


class OutcomeMessage(_Remembered, TextSignalRO):
    """``CmdMessage`` of a group."""


class OutcomeCount(_Remembered, NumberSignalRO):
    """``CmdCount`` of a group: grows by one, last of the three, when a command has ended or was refused."""

    def _accepted(self) -> None:
        if self.events and self._readback < self.events[-1][1]:
            self.events.clear()  # the gateway was started anew
        super()._accepted()

    def wait_for(self, count: int) -> None:
        """Wait until the monitor has brought a count; `READ_TIMEOUT_S` at most."""
        with self._news:
            self._news.wait_for(lambda: bool(self.events) and self.events[-1][1] >= count, READ_TIMEOUT_S)


class CommandGroup(DMDevice):
    """A group of PVs with commands; remembers how the last ones ended, since several clients may use one group.

    Components are named after their PVs, see `dmioc.devices.names.component_name`.
    """

    cmd_status = Cpt(OutcomeStatus, "CmdStatus", kind=Kind.omitted, doc="Outcome of the last command")
    cmd_message = Cpt(OutcomeMessage, "CmdMessage", kind=Kind.omitted, doc="The same in words")
    cmd_count = Cpt(OutcomeCount, "CmdCount", kind=Kind.omitted, doc="Commands ended or refused since the start")

    def outcome_of(self, command: str, after: int, count: int | None = None) -> CommandOutcome | None:
        """How the command ended that the group counted last after ``after``, up to ``count``; None where it cannot be told.

        Two commands may end together; then their updates come status by status, message by message, count by count, and only
        the times tell what belongs together.
        """
        for time_s, known in reversed(tuple(self.cmd_count.events)):
            outcome = CommandOutcome(self.cmd_status.at(time_s), self.cmd_message.at(time_s) or "")
            if after < known <= (known if count is None else count) and outcome.is_of(command):
                return outcome
        return None

    def counted(self, after: int, count: int) -> int:
        """How many of the outcomes after one count and up to another were seen."""
        return len({known for _, known in tuple(self.cmd_count.events) if after < known <= count})


class CommandSignal(ChoiceSignal):
    """A command: ``set(1)``, or ``trigger()``, runs it; reads ``Busy`` until it has ended.

    The status is done when the command has ended and ``CmdStatus`` of its group says OK. Otherwise it fails, with the text of
    ``CmdMessage``, which begins with the command's name:

    * `RefusedError`: nothing was done; also when another client's command is in the way ("busy").
    * `CommandFailedError`: it was done and did not succeed, or another client's command hid how it ended.
    * `InterruptedCommandError`: the gateway stopped or was started anew meanwhile, or the connection was lost and came back.
    * `GatewayLostError`: the gateway was away for longer than ``lost_after_s``.
    * `WaitTimeoutError`: the time-out passed; the command goes on.

    Args:
        timeout_s: time-out of ``set`` where none is given.
        timeout_from: component of the group that holds the time the command may wait, s; the time-out is that and a margin.
        lost_after_s: how long the gateway may be away while the command runs.
    """

    def __init__(
        self,
        read_pv: str,
        *,
        timeout_s: float = COMMAND_TIMEOUT_S,
        timeout_from: str = "",
        lost_after_s: float = LOST_AFTER_S,
        **kwargs: Any,
    ) -> None:
        self.timeout_s = timeout_s
        self.timeout_from = timeout_from
        self.lost_after_s = lost_after_s
        super().__init__(read_pv, **kwargs)

    @property
    def group(self) -> CommandGroup:
        """The device whose outcome this command has; raises `TypeError` for a command without one."""
        device = self.parent
        while device is not None and not isinstance(device, CommandGroup):
            device = device.parent
        if device is None:
            raise TypeError(f"{self.pvname} has to be a component of a CommandGroup, which knows how commands end")
        return device

    @property
    def command(self) -> str:
        """Name of the command as ``CmdMessage`` begins: ``Start``, ``New:Create``."""
        return self.pvname.removeprefix(self.group.prefix)

    def _as_held(self, value: Any) -> str:
        if value not in (RUN, BUSY):
            raise RefusedError(f"{self.pvname} is a command: it takes 1, not {shown(value)}")
        return BUSY

    def trigger(self) -> Status:
        """Run the command; see the class."""
        return self.set(RUN)

    def set(self, value: Any, *, timeout: Any = DEFAULT_WRITE_TIMEOUT, settle_time: float | None = None) -> Status:
        """Run the command with the value 1; the status tells how it ended, see the class.

        ``timeout`` in s; by default what the command is declared with.
        """
        timeout_s = None if timeout is DEFAULT_WRITE_TIMEOUT or timeout is None else float(timeout)
        return self._in_thread(lambda: self._carry_out(value, timeout_s), settle_time)

    def _carry_out(self, value: Any, timeout_s: float | None) -> None:
        """Run the command to its end; raises as the class says."""
        self._as_held(value)
        group = self.group
        if timeout_s is None:
            timeout_s = self.timeout_s
            if self.timeout_from:
                timeout_s = float(getattr(group, self.timeout_from).get(use_monitor=False)) + MARGIN_S
        deadline_s = time.monotonic() + timeout_s
        before = int(group.cmd_count.get(use_monitor=False))
        lost_count = self._lost_count
        if self.get(use_monitor=False) == BUSY:
            raise RefusedError(f"{self.command}: busy: {self.pvname} is still running")
        ended = self._put_with_end(RUN, timeout_s)
        self._wait_for_end(ended, lost_count, timeout_s)
        if self._lost_count != lost_count:
            self._judge_lost(before, deadline_s)
        elif not ended.is_set():
            raise WaitTimeoutError(f"{self.command}: {self.pvname} has not ended within {timeout_s:g} s; it goes on")
        else:
            self._judge(before, lost_count, deadline_s)

    def _judge(self, before: int, lost_count: int, deadline_s: float) -> None:
        """What the outcome of the group says of a command that has ended."""
        group = self.group
        try:
            count = int(group.cmd_count.get(use_monitor=False))
            now = group.cmd_message.get(use_monitor=False)
        except TimeoutError:
            # libca ends a put as well when the connection is lost, and says so a little later.
            self._judge_lost(before, deadline_s)
            return
        group.cmd_count.wait_for(count)
        self._catch_up()
        if self._lost_count != lost_count:
            self._judge_lost(before, deadline_s)
        elif outcome := group.outcome_of(self.command, before, count):
            _tell(outcome)
        elif group.counted(before, count) == count - before:
            # Every outcome since is known, and none is ours: only what is refused as busy is not counted.
            raise RefusedError(f"{self.command}: busy: another command is still running ({now})")
        else:
            raise CommandFailedError(f"{self.command}: ended, but another command hid how: {self.pvname}; now {now}")

    def _judge_lost(self, before: int, deadline_s: float) -> None:
        """Tell how the command ended if that came before the connection was lost, else that it is not known."""
        group = self.group
        self._catch_up()
        if outcome := group.outcome_of(self.command, before):
            _tell(outcome)
            return
        away_s = time.monotonic() - (self._lost_since_s or time.monotonic())
        lost_s = max(0.0, self.lost_after_s - away_s)
        left_s = max(0.0, deadline_s - time.monotonic())
        rest_s = min(lost_s, left_s)
        back_until_s = time.monotonic() + rest_s
        with self._news:
            is_back = self._news.wait_for(lambda: self._lost_since_s is None or self._destroyed, rest_s)
        if not is_back and left_s < lost_s:
            raise WaitTimeoutError(f"{self.command}: {self.pvname} has not ended in time, and the gateway is away")
        if not is_back or self._destroyed:
            raise GatewayLostError(
                f"{self.command}: the gateway is away since the command was put ({self.pvname});"
                " whether it was done is not known"
            )
        text = f"{self.command}: the gateway was away while the command ran ({self.pvname}); how it ended is not known"
        # Each channel comes back for itself: libca may find the ones that tell much later than this one.
        asked = {"use_monitor": False, "connection_timeout": max(READ_TIMEOUT_S, back_until_s - time.monotonic())}
        try:
            now = group.cmd_message.get(**asked)
            is_told = group.cmd_status.get(**asked) == INTERRUPTED and now.startswith(f"{self.command}: ")
        except TimeoutError as error:
            raise GatewayLostError(f"{text}: {error}") from error
        raise InterruptedCommandError(now if is_told else text)


def _tell(outcome: CommandOutcome) -> None:
    """Raises what the outcome of a command says, unless that is OK."""
    if outcome.status != OK:
        raise _ERRORS.get(outcome.status or "", CommandFailedError)(outcome.message)
