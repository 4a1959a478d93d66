"""A gateway with other numbers of slots than the contract's."""

from __future__ import annotations

import copy
from pathlib import Path

from device_parts import check_components
from gateway_process import running_gateway

from dmioc.catalogue import Slots


def test_other_numbers_of_slots(repeater: None, tmp_path: Path) -> None:
    from dmioc.devices import DMStation

    numbers = {"daqs": 3, "uploads": 1, "workflows": 5, "streams": 0}
    environment = {"DMIOC_SLOTS__DAQ": "3", "DMIOC_SLOTS__UPLOAD": "1", "DMIOC_SLOTS__WORKFLOW": "5"}
    environment["DMIOC_SLOTS__STREAM"] = "1"
    with running_gateway(tmp_path / "state", environment=environment) as gateway:
        station = DMStation(gateway.prefix, name="other", **numbers)
        again = None
        try:
            check_components(station, Slots(daq=3, upload=1, workflow=5, stream=0))
            station.wait_for_connection(timeout=30)
            assert isinstance(station, DMStation)
            assert [slot.status.get() for slot in station.workflows.slots] == ["Idle"] * 5
            assert station.streams.slots == ()
            again = copy.copy(station)
            check_components(again, Slots(daq=3, upload=1, workflow=5, stream=0))
            again.wait_for_connection(timeout=30)
            assert DMStation.daqs.cls.slot_count == 2, "the class itself stays as it was"
        finally:
            station.destroy()
            if again is not None:
                again.destroy()
