"""The gateway of a soak: its slots, and the PVs that its clients monitor."""

from __future__ import annotations

from dmioc.catalogue import Slots, station_catalogue

SLOTS = Slots(daq=10, upload=10, workflow=20, stream=8)


def scalar_names() -> list[str]:
    """Every PV that both protocols serve, without the prefix."""
    return [pv.name for pv in station_catalogue(SLOTS).scalars()]
