"""Requests that are cut off in the middle, at a deadline or by who asked, cost the service nothing afterwards."""

from __future__ import annotations

import asyncio
import os
from itertools import product
from pathlib import Path

from rest_stub import client_for, json_reply, serving

from dmioc.model import TransferKind


def test_requests_cut_off_at_any_moment_leave_the_service_reachable(tmp_path: Path) -> None:
    """httpcore 1.0.9 loses a connection at some of these moments; with four lost, nothing would be sent any more."""

    async def main(url: str) -> None:
        dm = client_for(url, tmp_path, deadline_s=5.0)
        try:
            await dm.transfers(TransferKind.DAQ)
            held = len(os.listdir("/proc/self/fd"))
            for at_once, turns in product((1, 1, 4), range(30)):
                asked = [asyncio.ensure_future(dm.transfers(TransferKind.DAQ)) for _ in range(at_once)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for one in asked:
                    one.cancel()
                await asyncio.gather(*asked, return_exceptions=True)
            assert await asyncio.gather(*(dm.transfers(TransferKind.DAQ) for _ in range(8))) == [[]] * 8
            # Both ends of four kept connections; the stub's end of one that was closed takes its time.
            async with asyncio.timeout(10.0):
                while len(os.listdir("/proc/self/fd")) > held + 8:
                    await asyncio.sleep(0.01)
        finally:
            await dm.close()

    with serving(lambda _: json_reply([])) as stub:
        asyncio.run(main(stub.url))
