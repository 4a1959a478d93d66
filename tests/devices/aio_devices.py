"""ophyd-async devices in tests: a loop for each test, and nothing of its channels left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aioca
from ophyd_async.core import Device, Signal

from dmioc.devices.aio import DMCommand, DMStation, DMWorkflowSlot
from dmioc.errors import GatewayLostError

TRANSPORTS = ("ca", "pva")
TIME_LIMIT_S = 50.0


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it to its end in a loop of its own.

    The CA client of the pytest process must exist before (fixture ``ca``): aioca then takes pyepics' context, as it should.
    """

    async def whole() -> None:
        try:
            await asyncio.wait_for(main(), TIME_LIMIT_S)
        finally:
            aioca.purge_channel_caches()  # a channel would call into the closed loop when its gateway goes away

    asyncio.run(whole())


async def connected(prefix: str, transport: str, **slots: int) -> DMStation:
    """A station with its PVs connected."""
    station = DMStation(f"{transport}://{prefix}", name="dm", **slots)
    await station.connect(timeout=30)
    return station


def leaves(device: Device, path: str = "") -> Iterator[tuple[str, Signal[Any] | DMCommand]]:
    """Every signal and command below a device, with its attribute path: ``workflows.wf1.job_id``."""
    for attribute, child in device.children():
        here = f"{path}.{attribute}" if path else attribute
        if isinstance(child, Signal | DMCommand):
            yield here, child
        else:
            yield from leaves(child, here)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], what: str, timeout_s: float = 30.0) -> None:
    """Wait until the condition holds; fails the test when it does not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(f"not within {timeout_s} s: {what}") from error


async def running(slot: DMWorkflowSlot) -> None:
    """Wait until the slot's job is running, or waits for others to end first."""

    async def is_running() -> bool:
        try:
            return (await slot.status.get_value()).is_active
        except GatewayLostError:
            return False

    await until(is_running, f"{slot.name} runs")


async def prepare_long_job(slot: DMWorkflowSlot) -> None:
    """Have the next start be of about a minute."""
    await slot.name_.set("progress-01")
    await slot.file_path.set("/dev/null")
