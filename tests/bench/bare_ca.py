"""A bare caproto IOC with a PV for each scalar of the gateway's catalogue: ``python bare_ca.py PREFIX``."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from caproto import ChannelType
from caproto.asyncio.server import Context
from caproto.server import PVGroup, pvproperty  # pyright: ignore[reportAttributeAccessIssue] - our stubs hold less

from dmioc.catalogue import PV, Kind, station_catalogue


def bare_property(pv: PV) -> Any:
    """The same type and size, as the README of caproto has it."""
    if pv.kind.is_text:
        return pvproperty(name=pv.name, value="", dtype=str, max_length=pv.length)
    if pv.kind is Kind.STRING:
        return pvproperty(name=pv.name, value="", dtype=ChannelType.STRING)
    if pv.kind.has_states:
        return pvproperty(name=pv.name, value=0, enum_strings=list(pv.labels), dtype=ChannelType.ENUM)
    if pv.kind is Kind.LONG:
        return pvproperty(name=pv.name, value=0, dtype=int)
    return pvproperty(name=pv.name, value=0.0, dtype=float, precision=pv.precision, units=pv.unit)


async def serve(prefix: str) -> None:
    """Until the process is ended."""
    body = {f"pv{number}": bare_property(pv) for number, pv in enumerate(station_catalogue().scalars())}
    context: Any = Context(type("Bare", (PVGroup,), body)(prefix=prefix).pvdb)
    running = asyncio.create_task(context.run())
    while context.port is None:
        await asyncio.sleep(0.01)
    print("serves", f"127.0.0.1:{context.ca_server_port}", flush=True)
    await running


logging.getLogger("caproto").setLevel(logging.ERROR)
asyncio.run(serve(sys.argv[1]))
