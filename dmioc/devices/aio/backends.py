"""Signals over Channel Access and PVAccess where ophyd-async's own do not do what the contract needs.

* A refused put fails. Over Channel Access ophyd-async's `SignalW.set` takes it for done: the exception that aioca raises is
  false as a truth value, and so is lost on its way. Both transports raise `RefusedError` here.
* A text that is too long for a DBR_STRING is refused, as is a number that a whole number of 32 bits cannot hold: the libraries
  would cut them.
* A text over Channel Access may be as long as the PV holds; ophyd-async needs one byte of it for itself.
* Lists of text are lists over Channel Access, too, where they come as one text with a line for each.
* A table over Channel Access says that it needs PVAccess, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from aioca import DBR_CHAR_STR, DBR_STRING, CANothing
from aioca.types import AugmentedValue, Format
from bluesky.protocols import Reading
from epicscorelibs.ca.cadef import ECA_DISCONN, CAException, Disconnected
from event_model import DataKey
from ophyd_async.core import Callback, SignalBackend, SignalDatatypeT, Table
from ophyd_async.epics.core import CaSignalBackend, PvaSignalBackend
from ophyd_async.epics.core._aioca import CaConverter  # not public; what CaSignalBackend converts with
from p4p.client.asyncio import Disconnected as PvaDisconnected
from p4p.client.asyncio import RemoteError

from dmioc.catalogue import shown
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.catalogue.values import INT32_MAX, INT32_MIN
from dmioc.errors import GatewayLostError, RefusedError


def _lost(pv: str) -> GatewayLostError:
    return GatewayLostError(f"{pv}: the gateway went away during the put; whether it was taken is not known")


def _check_whole(pv: str, datatype: type[Any] | None, value: object) -> None:
    """Both libraries would cut a number that a PV of whole numbers cannot hold, and tell nobody."""
    if datatype is int and isinstance(value, int | float):
        if not INT32_MIN <= value <= INT32_MAX or value != int(value):
            raise RefusedError(f"{pv} takes a whole number from {INT32_MIN} to {INT32_MAX}, not {shown(value)}")


class CaBackend(CaSignalBackend[SignalDatatypeT]):
    """One PV over Channel Access."""

    async def connect(self, timeout: float) -> None:
        """Connect; raises `NotConnectedError` when the PV is not found in time."""
        await super().connect(timeout)
        if self._read_dbr == DBR_CHAR_STR:
            self.converter = _TextConverter(str, DBR_CHAR_STR, DBR_CHAR_STR)

    @property
    def _read_dbr(self) -> int:
        return self.converter.read_dbr  # pyright: ignore[reportUnknownMemberType] - generic, and not said of what

    async def put(self, value: SignalDatatypeT | None) -> None:
        """Put with completion.

        Raises `RefusedError`, for which Channel Access has no words of the gateway, and `GatewayLostError`.
        """
        _check_whole(self.write_pv, self.datatype, value)
        self._check_length(value)
        try:
            await super().put(value)
        except CANothing as error:
            if error.errorcode == ECA_DISCONN:
                raise _lost(self.write_pv) from error
            raise RefusedError(
                f"{self.write_pv}: the gateway refused {shown(value)}; Channel Access gives no reason, pva:// does"
            ) from error
        except Disconnected as error:
            raise _lost(self.write_pv) from error
        except CAException as error:
            raise RefusedError(f"{self.write_pv} does not take {shown(value)}: {error}") from error

    async def _caget(self, pv: str, format: Format) -> AugmentedValue:
        try:
            return await super()._caget(pv, format)
        except (CANothing, CAException, Disconnected) as error:
            raise GatewayLostError(f"{pv}: the gateway went away while it was read") from error

    def _check_length(self, value: object) -> None:
        """Aioca would send the first 40 bytes of what is too long for a DBR_STRING, and tell nobody."""
        if isinstance(value, str) and self._read_dbr == DBR_STRING:
            size_bytes = len(value.encode())
            if size_bytes > STRING_BYTES:
                raise RefusedError(
                    f"{self.write_pv} holds at most {STRING_BYTES} bytes, not {size_bytes}: {shown(value)}"
                )


class _TextConverter(CaConverter[str]):
    def write_value(self, value: str) -> str:
        """ophyd-async adds a NUL to every text, and so cannot fill a PV; no bytes at all cannot be put."""
        return value or "\0"


class _LinesConverter(CaConverter[Sequence[str]]):
    def value(self, value: AugmentedValue) -> Sequence[str]:
        return str(value).splitlines()


class CaLinesBackend(CaBackend[Sequence[str]]):
    """A list of text over Channel Access: one text with a line for each."""

    async def connect(self, timeout: float) -> None:
        """Connect; raises `NotConnectedError` when the PV is not found in time."""
        datatype, self.datatype = self.datatype, None
        try:
            await super().connect(timeout)
        finally:
            self.datatype = datatype
        self.converter = _LinesConverter(Sequence[str], DBR_CHAR_STR)


class PvaBackend(PvaSignalBackend[SignalDatatypeT]):
    """One PV over PVAccess."""

    async def put(self, value: SignalDatatypeT | None) -> None:
        """Put with completion; raises `RefusedError` with the gateway's reason, and `GatewayLostError`."""
        _check_whole(self.write_pv, self.datatype, value)
        try:
            await super().put(value)
        except RemoteError as error:
            raise RefusedError(str(error)) from error
        except PvaDisconnected as error:
            raise _lost(self.write_pv) from error


class TableOverCaBackend(SignalBackend[Table]):
    """A table of a device that is reached over Channel Access: it is there, and cannot be read."""

    read_pv = ""
    write_pv = ""

    def source(self, name: str, read: bool) -> str:
        """Its PV over the transport that it would need."""
        return f"pva://{self.read_pv}"

    async def connect(self, timeout: float) -> None:
        """Nothing to connect to."""

    async def put(self, value: Table | None) -> None:
        """Raises `RefusedError`."""
        self._refuse()

    async def get_datakey(self, source: str) -> DataKey:
        """Raises `RefusedError`."""
        self._refuse()

    async def get_reading(self) -> Reading[Table]:
        """Raises `RefusedError`."""
        self._refuse()

    async def get_value(self) -> Table:
        """Raises `RefusedError`."""
        self._refuse()

    async def get_setpoint(self) -> Table:
        """Raises `RefusedError`."""
        self._refuse()

    def set_callback(self, callback: Callback[Reading[Table]] | None) -> None:
        """Raises `RefusedError`, except for taking a callback away."""
        if callback is not None:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise RefusedError(f"{self.read_pv} is a table, and Channel Access has none: make the device with pva://")
