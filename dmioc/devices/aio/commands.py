"""Commands of the gateway for plans: ``trigger()``, or ``set(1)``, is done when the command has ended (``pv-contract.md §1``)."""

from __future__ import annotations

import asyncio
from typing import Any

from ophyd_async.core import (
    CALCULATE_TIMEOUT,
    NO_ARG_VOID_SIGNATURE,
    AsyncStatus,
    CalculatableTimeout,
    CommandBackend,
    Device,
    NotConnectedError,
    Reference,
    SignalR,
    TriggerableCommand,
)

from dmioc.devices.aio.execution import CommandPVs, Execution
from dmioc.devices.aio.wires import LinkDownError, Wire
from dmioc.errors import RefusedError, WaitTimeoutError

LOST_AFTER_S = 60.0
"""A command fails when the gateway has not been reached for so long."""

COMMAND_TIMEOUT_S = 120.0
"""How long a command may take that waits for an answer of DM only, which may be slow and asked more than once."""

MARGIN_S = 60.0
"""What a command may take beyond the gateway's own limit for it, which then tells why."""


class GatewayCommandBackend(CommandBackend[[], None]):
    """A command over one transport.

    Attributes:
        lost_after_s: how long the gateway may be away while the command runs, or before it is given.
    """

    def __init__(self, wire: Wire, scheme: str) -> None:
        super().__init__(NO_ARG_VOID_SIGNATURE)
        self._wire = wire
        self._scheme = scheme
        self.pvs = CommandPVs("", "", "")
        self.lost_after_s = LOST_AFTER_S

    def source(self, name: str) -> str:
        """Its PV."""
        return f"{self._scheme}://{self.pvs.pv}"

    async def connect(self, timeout: float) -> None:
        """Connect; raises `NotConnectedError` when the PV is not found in time."""
        try:
            async with asyncio.timeout(timeout):
                await self._wire.text(self.pvs.pv)
        except (TimeoutError, LinkDownError) as error:
            raise NotConnectedError(self.source("")) from error

    async def execute(self) -> None:
        """Run the command to its end; raises as `Execution.to_its_end`. A time limit is for the caller to set."""
        await Execution(self._wire, self.pvs, self.lost_after_s).to_its_end()


class DMCommand(TriggerableCommand):
    """A command of the gateway.

    The status fails with the gateway's reason: `RefusedError`, `CommandFailedError`, `InterruptedCommandError`; with
    `GatewayLostError` when the gateway has been away for longer than ``lost_after_s``; and with `WaitTimeoutError` when the time
    limit has passed, while what was begun goes on.
    """

    def __init__(self, backend: CommandBackend[[], None], name: str = "") -> None:
        super().__init__(backend, timeout=None, name=name)
        self._backend = backend
        self._limit: Reference[SignalR[float]] | None = None

    @property
    def lost_after_s(self) -> float:
        """How long the gateway may be away before the status fails."""
        return self._backend.lost_after_s if isinstance(self._backend, GatewayCommandBackend) else LOST_AFTER_S

    @lost_after_s.setter
    def lost_after_s(self, time_s: float) -> None:
        if isinstance(self._backend, GatewayCommandBackend):
            self._backend.lost_after_s = time_s

    def limit_by(self, signal: SignalR[float]) -> None:
        """Name the setpoint that limits the command in the gateway, in seconds."""
        self._limit = Reference(signal)

    @AsyncStatus.wrap
    async def trigger(self, timeout: CalculatableTimeout = CALCULATE_TIMEOUT) -> None:
        """Run the command; the status is done when it has ended.

        ``timeout`` in seconds; without one, and for None, the gateway's own limit for the command and a minute more, or two
        minutes where it has none: nothing here waits for ever.
        """
        await self._run(timeout)

    @AsyncStatus.wrap
    async def set(self, value: int, timeout: CalculatableTimeout = CALCULATE_TIMEOUT) -> None:
        """As `trigger`, for ``bps.mv`` and ``bps.abs_set``; raises `RefusedError` for any value but 1."""
        if value != 1:
            raise RefusedError(f"{self.source} takes 1, which runs it; not {value!r}")
        await self._run(timeout)

    @AsyncStatus.wrap
    async def execute(self, *args: Any, **kwargs: Any) -> None:
        """As `trigger`, without arguments."""
        if args or kwargs:
            raise TypeError(f"{self.source} takes no arguments")
        await self._run(CALCULATE_TIMEOUT)

    async def _run(self, timeout: CalculatableTimeout) -> None:
        limit_s = timeout if isinstance(timeout, float | int) else await self._limit_s()
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                await self._connector.backend.execute()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise WaitTimeoutError(
                f"{self.source}: not ended within {limit_s:g} s; it goes on in the gateway"
            ) from error

    async def _limit_s(self) -> float:
        if self._limit is None:
            return COMMAND_TIMEOUT_S
        try:
            return await self._limit().get_value(cached=False) + MARGIN_S
        except TimeoutError:
            # The gateway is away: the command itself waits for it, and tells when it has been away for too long.
            return max(COMMAND_TIMEOUT_S, self.lost_after_s + MARGIN_S)


class LimitedBy:
    """Annotation of a command: the name of the sibling that limits it in the gateway, ``LimitedBy("wait_timeout")``."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute

    def __call__(self, parent: Device, child: Device) -> None:
        """Tell the command."""
        if not isinstance(child, DMCommand):
            raise TypeError(f"{child} is not a DMCommand")
        child.limit_by(getattr(parent, self._attribute))
