"""What a command needs of a transport: a put that tells how it ended, texts of PVs now, and whether the gateway is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from aioca import DBR_ENUM_STR, CANothing, caget, camonitor, caput
from epicscorelibs.ca.cadef import ECA_DISCONN, CAException, Disconnected
from ophyd_async.epics.core._p4p import context  # not public; a context of our own would be a second connection
from p4p.client.asyncio import Disconnected as PvaDisconnected
from p4p.client.asyncio import RemoteError

from dmioc.devices.aio.address import Transport

Watcher = Callable[[int | None], None]
"""Takes the state of a command's PV, 0 Idle or 1 Busy, and None when its gateway goes away."""


class PutRefusedError(Exception):
    """The gateway ended the put with an error; the text is its reason, empty over Channel Access."""


class LinkDownError(Exception):
    """The connection was lost, or had not been there."""


class Wire(Protocol):
    """One transport."""

    async def put(self, pv: str) -> None:
        """Put 1 and wait for the end of what it begins; raises `PutRefusedError` or `LinkDownError`."""
        ...

    async def text(self, pv: str) -> str:
        """The value now, of an enum its label; waits while the PV is not connected. Raises `LinkDownError`."""
        ...

    def watch(self, pv: str, watcher: Watcher) -> Callable[[], None]:
        """Tell the state of a command's PV from now on; answers what ends it."""
        ...


class CaWire:
    """Channel Access."""

    async def put(self, pv: str) -> None:
        """As `Wire.put`."""
        try:
            await caput(pv, 1, wait=True, timeout=None)
        except CANothing as error:
            if error.errorcode == ECA_DISCONN:
                raise LinkDownError from error
            raise PutRefusedError from error
        except Disconnected as error:
            raise LinkDownError from error
        except CAException as error:  # no right to write, seen before anything is sent
            raise PutRefusedError(str(error)) from error

    async def text(self, pv: str) -> str:
        """As `Wire.text`."""
        try:
            value = await caget(pv, datatype=DBR_ENUM_STR, timeout=None)
        except (CANothing, CAException, Disconnected) as error:
            raise LinkDownError from error
        return value.tobytes().rstrip(b"\0").decode("utf-8", "replace") if isinstance(value, np.ndarray) else str(value)

    def watch(self, pv: str, watcher: Watcher) -> Callable[[], None]:
        """As `Wire.watch`."""

        def take(value: Any) -> None:
            watcher(None if isinstance(value, CANothing) else int(value))

        return camonitor(pv, take, notify_disconnect=True).close


class PvaWire:
    """PVAccess."""

    async def put(self, pv: str) -> None:
        """As `Wire.put`."""
        try:
            await context().put(pv, {"value": 1}, wait=True)
        except RemoteError as error:
            raise PutRefusedError(str(error)) from error
        except PvaDisconnected as error:
            raise LinkDownError from error

    async def text(self, pv: str) -> str:
        """As `Wire.text`."""
        try:
            value = (await context().get(pv, request="field(value)"))["value"]
        except (RemoteError, PvaDisconnected) as error:
            raise LinkDownError from error
        return value["choices"][value["index"]] if hasattr(value, "choices") else str(value)

    def watch(self, pv: str, watcher: Watcher) -> Callable[[], None]:
        """As `Wire.watch`."""

        async def take(value: Any) -> None:
            watcher(None if isinstance(value, Exception) else int(value["value"]["index"]))

        return context().monitor(pv, take, request="field(value)", notify_disconnect=True).close


WIRES: dict[Transport, Wire] = {Transport.CA: CaWire(), Transport.PVA: PvaWire()}
"""The transports by their names; they hold nothing."""
