"""Commands while their gateway is killed and started anew: each ends, and says what is known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aio_devices import TRANSPORTS, connected, prepare_long_job, run, running
from gateway_process import CaClient, GatewayProcess, running_gateway

from dmioc.devices.aio import DMWorkflowSlot
from dmioc.errors import GatewayLostError, InterruptedCommandError


def test_gateway_that_is_killed_and_comes_back(repeater: None, tmp_path: Path) -> None:
    async def main(gateway: GatewayProcess) -> None:
        slots = [
            DMWorkflowSlot(f"{transport}://{gateway.prefix}WF{number}:", name=f"wf{number}")
            for number, transport in enumerate((*TRANSPORTS, *TRANSPORTS), start=1)
        ]
        for slot in slots:
            await slot.connect(timeout=30)
            await prepare_long_job(slot)
        impatient, patient = slots[:2], slots[2:]
        for slot in impatient:
            slot.run.lost_after_s = 0.5
            slot.abort.lost_after_s = 0.5
        statuses = {slot: slot.run.trigger() for slot in slots}
        for slot in slots:
            await running(slot)
        await asyncio.to_thread(gateway.kill)
        for slot in impatient:
            with pytest.raises(
                GatewayLostError, match=r"WF.:Run: .* not been reached for 0\.5 s; .* was given and may go on"
            ):
                await statuses[slot]
            with pytest.raises(GatewayLostError, match=r"WF.:Abort: .* for 0\.5 s; the command was not given"):
                await slot.abort.trigger(timeout=60)
        await asyncio.to_thread(gateway.start)
        for slot in patient:
            with pytest.raises(InterruptedCommandError, match=r"^Run: "):
                await statuses[slot]
        for transport in TRANSPORTS:
            station = await connected(gateway.prefix, transport, daqs=0, uploads=0, workflows=0, streams=0)
            await station.refresh.trigger()

    with running_gateway(tmp_path / "state") as gateway:
        client = CaClient(gateway.prefix)
        client.puts("", PollPeriod=0.1, IdlePollPeriod=0.5)
        client.close()
        run(lambda: main(gateway))
