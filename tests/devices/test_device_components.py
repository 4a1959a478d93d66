"""Every PV that Channel Access serves is a component, under the name of the rule and of the right class, and is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from device_parts import check_components, signals
from gateway_process import GatewayProcess

from dmioc.catalogue import Kind, Slots, station_catalogue
from dmioc.devices.names import TAKEN, component_name
from dmioc.errors import GatewayLostError

if TYPE_CHECKING:
    from dmioc.devices import DMStation


def test_rule() -> None:
    names = ("FilesTotal", "DataDirectory_RBV", "JobID", "StdOut", "RunUID", "Arg1Key", "JSON", "StorageURL")
    right = "files_total data_directory_rbv job_id std_out run_uid arg1_key json storage_url"
    assert [component_name(name) for name in names] == right.split()
    assert component_name("CAClients") == "ca_clients" and component_name("WFSlot_RBV") == "wf_slot_rbv"
    assert component_name("New:Name") == "new.name_" and component_name("DS:State") == "ds.state"


def test_taken_names_are_those_that_ophyd_takes() -> None:
    from ophyd import Device

    device = Device("X:", name="x")
    names = {component_name(pv.short_name).split(".")[-1] for pv in station_catalogue().scalars()}
    assert {name.rstrip("_") for name in names if hasattr(device, name.rstrip("_"))} == TAKEN
    assert not any(hasattr(device, name) for name in names)


def test_every_pv_has_its_component(station: DMStation) -> None:
    check_components(station, Slots())
    for signal in signals(station):
        assert signal.connected, signal.pvname
        signal.get()


def test_types_are_those_of_the_pvs(station: DMStation) -> None:
    catalogue = station_catalogue()
    types = {Kind.LONG: int, Kind.DOUBLE: float}
    for signal in signals(station):
        pv = catalogue[signal.pvname.removeprefix(station.prefix)]
        value = signal.get()
        assert type(value) is types.get(pv.kind, str), pv.name
        assert signal.get(use_monitor=False) is not None
        assert signal.write_access is pv.writable, pv.name
        if pv.kind.has_states:
            assert value in pv.labels and tuple(signal.enum_strs) == pv.labels


@pytest.mark.parametrize("kind", ["daqs", "uploads", "workflows", "streams"])
def test_slots_in_order(station: DMStation, kind: str) -> None:
    bank = getattr(station, kind)
    assert len(bank.slots) == bank.slot_count > 1
    assert [slot.prefix for slot in bank.slots] == [
        f"{station.prefix}{bank.slot_group}{number}:" for number in range(1, bank.slot_count + 1)
    ]


def test_parts_alone(gateway: GatewayProcess) -> None:
    import dmioc.devices as devices

    parts: list[tuple[Any, str, dict[str, int]]] = [
        (devices.DMExperiment, "EXP:", {}),
        (devices.DMDaqSlot, "DAQ1:", {}),
        (devices.DMUploadSlot, "UPL2:", {}),
        (devices.DMDaqs, "", {}),
        (devices.DMUploads, "", {"slots": 1}),
        (devices.DMWorkflowSlot, "WF4:", {}),
        (devices.DMWorkflows, "", {"slots": 2}),
        (devices.DMJobs, "JOB:", {}),
        (devices.DMRunMetadata, "MD:", {}),
        (devices.DMStreamSlot, "STR1:", {}),
        (devices.DMStreams, "", {}),
    ]
    for cls, group, arguments in parts:
        device = cls(gateway.prefix + group, name="part", **arguments)
        try:
            device.wait_for_connection(timeout=30)
            assert set(device.describe()) == set(device.read())
        finally:
            device.destroy()


def test_signal_names_its_pv_when_it_is_not_found() -> None:
    from dmioc.devices import DMWorkflowSlot

    slot = DMWorkflowSlot("NOBODY:WF1:", name="nobody")
    try:
        with pytest.raises(
            TimeoutError, match=r"nobody: \d+ of \d+ PVs .* NOBODY:WF1:CmdStatus: is the gateway running"
        ):
            slot.wait_for_connection(timeout=0.2)
        with pytest.raises(TimeoutError, match="NOBODY:WF1:JobID"):
            slot.job_id.get(connection_timeout=0.1)
        with pytest.raises(Exception, match="NOBODY:WF1:Status is not connected"):
            slot.status.read()
        statuses = slot.run.set(1), slot.if_running.set("Wait")
        for status, name in zip(statuses, ("WaitTimeout", "IfRunning"), strict=True):
            with pytest.raises(GatewayLostError, match=f"NOBODY:WF1:{name}"):
                status.wait(20)
    finally:
        slot.destroy()
