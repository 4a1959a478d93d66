"""What every device of the station is made of: its children from its annotations, over the transport of its prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from bluesky.protocols import Hints
from ophyd_async.core import (
    Device,
    DeviceConnector,
    DeviceFiller,
    SignalR,
    StandardReadable,
    StandardReadableFormat,
    Table,
)
from ophyd_async.epics.core import PvSuffix

from dmioc.devices.aio.address import Address, Transport, address_of
from dmioc.devices.aio.backends import CaBackend, CaLinesBackend, PvaBackend, TableOverCaBackend
from dmioc.devices.aio.commands import GatewayCommandBackend
from dmioc.devices.aio.enums import DMCommandStatus
from dmioc.devices.aio.execution import CommandPVs
from dmioc.devices.aio.wires import WIRES

READ = StandardReadableFormat.UNCACHED_SIGNAL
"""In ``read()``, asked for each time: a monitor whose gateway has gone would go on showing its last value as if it were new."""

HINTED = StandardReadableFormat.HINTED_UNCACHED_SIGNAL
"""The same, and in ``hints``."""

CONFIG = StandardReadableFormat.CONFIG_SIGNAL
"""In ``read_configuration()``."""

CHILD = StandardReadableFormat.CHILD
"""A device whose own readings are part of the parent's."""

_Backend = CaBackend[Any] | PvaBackend[Any] | TableOverCaBackend


class GatewayConnector(DeviceConnector):
    """Makes the children that a device's annotations declare, each at the PV that its `PvSuffix` names.

    Attributes:
        address: where the device is; that of a part is set by the device it is a part of.
    """

    def __init__(self, address: Address | None = None) -> None:
        self.address = address

    def create_children_from_annotations(self, device: Device) -> None:
        """Make signals first, then commands, which may be limited by one of them, then parts."""
        address = self.address
        if address is None:
            raise TypeError(f"{type(device).__name__} needs a prefix")
        filler = DeviceFiller(
            device,
            signal_backend_factory=lambda datatype: _signal_backend(address.transport, datatype),
            device_connector_factory=GatewayConnector,
            command_backend_factory=lambda _: _command_backend(address.transport),
        )
        for backend, extras in filler.create_signals_from_annotations():
            backend.read_pv = backend.write_pv = address.prefix + _take_suffix(extras)
        for command, extras in filler.create_commands_from_annotations():
            command.pvs = CommandPVs(address.station, address.group_prefix, address.part + _take_suffix(extras))
        for connector, extras in filler.create_devices_from_annotations():
            connector.address = address.below(_take_suffix(extras))


def _signal_backend(transport: Transport, datatype: type[Any] | None) -> _Backend:
    if transport is Transport.PVA:
        return PvaBackend(datatype)
    if isinstance(datatype, type) and issubclass(datatype, Table):
        return TableOverCaBackend(datatype)
    return CaLinesBackend(datatype) if datatype == Sequence[str] else CaBackend(datatype)


def _command_backend(transport: Transport) -> GatewayCommandBackend:
    return GatewayCommandBackend(WIRES[transport], transport.value)


def _take_suffix(extras: list[Any]) -> str:
    """Take the suffix out of a child's annotations; what is left is for ophyd-async."""
    suffix = next(extra for extra in extras if isinstance(extra, PvSuffix))
    extras.remove(suffix)
    return suffix.read_suffix


class GatewayDevice(StandardReadable):
    """A device at some of the gateway's PVs.

    Attributes:
        group_pattern: regular expression for the group that its prefix ends with; empty for devices at the station's prefix.
    """

    group_pattern: ClassVar[str] = ""

    def __init__(self, prefix: str = "", name: str = "", *, connector: GatewayConnector | None = None) -> None:
        """The device at ``prefix``, e.g. ``ca://DEMO:DM:WF1:`` or ``pva://DEMO:DM:WF1:``; without a scheme over Channel Access.

        ``connector`` is for devices that make this one as a part of theirs. Raises `ValueError` for a prefix that cannot be.
        """
        super().__init__(name, connector or GatewayConnector(address_of(prefix, self.group_pattern)))

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        """Name it and its children; the underscore that keeps an attribute apart (``stop_``) is not in their names."""
        super().set_name(name, child_name_separator=child_name_separator)
        for attribute, child in self.children():
            if attribute.endswith("_"):
                child.set_name(child.name.rstrip("_"))


class CommandGroup(GatewayDevice):
    """A group of PVs with commands, and the outcome of the last of them."""

    cmd_status: Annotated[SignalR[DMCommandStatus], PvSuffix("CmdStatus")]
    cmd_message: Annotated[SignalR[str], PvSuffix("CmdMessage")]
    cmd_count: Annotated[SignalR[int], PvSuffix("CmdCount")]


class WithoutHints(StandardReadable):
    """A device of many: what of it should be plotted, only who plots can know. Its parts have hints, each by itself."""

    @property
    def hints(self) -> Hints:
        """None."""
        return {}
