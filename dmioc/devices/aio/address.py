"""Where a device's PVs are: ``ca://DEMO:DM:WF1:`` is group ``WF1:`` of the station ``DEMO:DM:`` over Channel Access."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum


class Transport(Enum):
    """How the gateway is reached; the value is what stands before ``://``."""

    CA = "ca"
    PVA = "pva"


@dataclass(frozen=True, slots=True)
class Address:
    """The PVs of one device.

    Attributes:
        transport: how they are reached.
        station: the station's prefix, ``DEMO:DM:``.
        group: group of PVs that has an outcome of its commands, ``WF1:``; empty for the station's own.
        part: part of that group, ``New:`` of ``EXP:New:Name``; empty for the whole group.
    """

    transport: Transport
    station: str
    group: str = ""
    part: str = ""

    @property
    def prefix(self) -> str:
        """What every PV of the device begins with."""
        return f"{self.station}{self.group}{self.part}"

    @property
    def group_prefix(self) -> str:
        """What every PV of the group begins with."""
        return f"{self.station}{self.group}"

    def below(self, suffix: str) -> Address:
        """Address of a part of the device: a group of a station, or a part of a group."""
        return replace(self, part=self.part + suffix) if self.group else replace(self, group=suffix)


def address_of(prefix: str, group_pattern: str) -> Address:
    """The address for ``ca://…``, ``pva://…`` or a prefix alone, which is Channel Access.

    ``group_pattern`` is a regular expression for the group that the prefix must end with, ``WF[0-9]+:``; empty for the
    prefix of a station. Raises `ValueError` for any other prefix.
    """
    scheme, separator, name = prefix.rpartition("://")
    known = {transport.value: transport for transport in Transport}
    transport = known.get(scheme) if separator else Transport.CA
    if transport is None:
        raise ValueError(f"prefix {prefix!r} should begin with ca:// or pva://")
    found = re.search(f"(?:{group_pattern})$", name)
    if found is None or not name:
        example = re.sub(r"\[0-9\]\+", "1", group_pattern)
        raise ValueError(f"prefix {prefix!r} should be that of a group, e.g. {transport.value}://DEMO:DM:{example}")
    return Address(transport, name[: found.start()], found.group())
