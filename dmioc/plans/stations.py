"""Which station a plan talks to, and which of its slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dmioc.errors import RefusedError
from dmioc.plans.watching import CONNECT_TIMEOUT_S, no_answer

if TYPE_CHECKING:
    from dmioc.devices.station import DMStation

Slot = int | str
"""How a slot is named: its number from 1, or its group, e.g. ``WF1``."""


class _Stations:
    """The station in use, and those that were made here, by prefix."""

    def __init__(self) -> None:
        self.in_use: DMStation | str | None = None
        self.made: dict[str, DMStation] = {}


_STATIONS = _Stations()


def use_station(station: DMStation | str | None) -> None:
    """Have every plan that is given no ``station`` use this one.

    Args:
        station: a device, or the prefix of a gateway, e.g. ``25IDC:DM:``; None: back to the default, which is the prefix in
            ``DMIOC_PREFIX``, else that of a gateway with nothing configured. A gateway with other numbers of slots than the usual
            ones needs a device that says so, e.g. ``DMStation("25IDC:DM:", name="dm", workflows=8)``.

    Nothing is connected before the first plan.
    """
    _STATIONS.in_use = station


def forget_stations() -> None:
    """Forget what `use_station` said, and close the stations that plans made of prefixes; for tests, and before a fork."""
    _STATIONS.in_use = None
    while _STATIONS.made:
        _STATIONS.made.popitem()[1].destroy()


async def station_of(station: DMStation | str | None) -> DMStation:
    """The station that a plan's argument means; one is made for a prefix that is used for the first time.

    Raises `GatewayLostError` when the gateway of a prefix does not answer.
    """
    wanted = _STATIONS.in_use if station is None else station
    if wanted is not None and not isinstance(wanted, str):
        return wanted
    # Importing ophyd and making some hundred signals takes a second, in which the RunEngine must go on.
    return await asyncio.to_thread(_made, wanted)


def _made(prefix: str | None) -> DMStation:
    from dmioc.devices.prefix import default_prefix  # noqa: PLC0415  # an import of dmioc.plans starts no thread of ophyd's
    from dmioc.devices.station import DMStation  # noqa: PLC0415

    full = default_prefix() if prefix is None else prefix
    if full not in _STATIONS.made:
        _STATIONS.made[full] = DMStation(full, name="dm")
    try:
        # All of it: a program that ends while ophyd still connects is ended by a crash.
        _STATIONS.made[full].wait_for_connection(timeout=CONNECT_TIMEOUT_S)
    except TimeoutError as error:
        raise no_answer(full) from error
    return _STATIONS.made[full]


def slot_name(station: DMStation, slot: Any) -> str:
    """The group of a slot as people say it, e.g. ``WF1``."""
    return str(slot.prefix).removeprefix(station.prefix).rstrip(":")


def slots_for(
    station: DMStation, slots: Sequence[Any], wanted: Slot | None, is_free: Callable[[Any], bool]
) -> list[Any]:
    """The slots that a plan may use, the best first: the one it names, else those that are free.

    Raises `RefusedError` naming the slots when there is no such one, or none is free.
    """
    names = [slot_name(station, slot) for slot in slots]
    if wanted is None:
        free = [slot for slot in slots if is_free(slot)]
        if not free:
            raise RefusedError(f"no slot is free, each of {', '.join(names)} holds something that is active: name one")
        return free
    text = str(wanted).upper()
    for number, (name, slot) in enumerate(zip(names, slots, strict=True), start=1):
        if text in (name, str(number)):
            return [slot]
    raise RefusedError(f"there is no slot {wanted}: there are {', '.join(names)}")
