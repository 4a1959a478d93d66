"""Every PV of the catalogue is in the ophyd-async station: under the name that ophyd's has, and with its type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
import pytest
from aio_devices import TRANSPORTS, connected, leaves, run
from device_parts import right_attribute
from gateway_process import CaClient, GatewayProcess
from ophyd_async.core import NotConnectedError, SignalR, SignalRW, StrictEnum, Table

from dmioc.catalogue import PV, Kind, Slots, station_catalogue
from dmioc.devices import aio
from dmioc.model import Status, StreamState

if TYPE_CHECKING:
    from dmioc.devices import DMStation

CATALOGUE = station_catalogue()
DATATYPES = {
    Kind.TEXT: str,
    Kind.STRING: str,
    Kind.LONG: int,
    Kind.DOUBLE: float,
    Kind.LINES: Sequence[str],
}
COLUMN_TYPES = {"string": Sequence[str], "time": Sequence[str], "int": np.int32, "double": np.float64}


def expected(pv: PV) -> str:
    """Attribute path of a PV; tables of a bank of slots stand beside the slots, as the count of active ones does."""
    if pv.name in ("DAQ:List", "UPL:List", "WF:List"):
        return {"DAQ": "daqs", "UPL": "uploads", "WF": "workflows"}[pv.group.rstrip(":")] + ".list"
    return right_attribute(pv)


def has_component(pv: PV) -> bool:
    """Whether a station has it: scalars and tables; rows of tables as text are for screens only."""
    return (pv.kind.is_scalar or pv.kind is Kind.TABLE) and not pv.row_of


def check_type(pv: PV, leaf: Any) -> None:
    """The leaf is what the kind of the PV asks for."""
    if pv.kind is Kind.COMMAND:
        assert isinstance(leaf, aio.DMCommand), pv.name
        return
    assert isinstance(leaf, SignalRW if pv.writable else SignalR), pv.name
    assert isinstance(leaf, SignalRW) == pv.writable, pv.name
    datatype = leaf.datatype
    assert datatype is not None
    if pv.kind is Kind.TABLE:
        hints = get_type_hints(datatype)
        found = {name: hints[name] for name in datatype.model_fields}
        assert list(found) == [column.name for column in pv.columns], pv.name
        for column in pv.columns:
            right = COLUMN_TYPES[column.kind]
            is_array = right in (np.int32, np.float64)
            assert (get_args(get_args(found[column.name])[1])[0] if is_array else found[column.name]) == right
    elif pv.kind is Kind.ENUM:
        assert issubclass(datatype, StrictEnum)
        assert tuple(member.value for member in datatype) == pv.labels, pv.name
    else:
        assert datatype == DATATYPES[pv.kind], pv.name


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_pv_is_there_with_its_type_and_connects(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        station = await connected(gateway.prefix, transport)
        found = dict(leaves(station))
        served = {expected(pv): pv for pv in CATALOGUE if has_component(pv)}
        assert found.keys() == served.keys()
        for path, pv in served.items():
            is_far_table = pv.kind is Kind.TABLE and transport == "ca"
            assert found[path].source == f"{'pva' if is_far_table else transport}://{gateway.prefix}{pv.name}"
            check_type(pv, found[path])

    run(main)


def test_status_words_are_those_of_the_model() -> None:
    assert [member.value for member in aio.DMStatus] == [status.value for status in Status]
    assert [member.name for member in aio.DMStatus] == [status.name for status in Status]
    assert [member.name for member in aio.DMStreamState] == [state.name for state in StreamState]
    assert aio.DMStatus.TIMED_OUT.is_finished and not aio.DMStatus.UNKNOWN.is_finished
    assert aio.DMStatus.UNKNOWN.is_active and aio.DMStreamState.DRAINING.is_active


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_documents_hold_what_those_of_ophyd_hold(station: DMStation, gateway: GatewayProcess, transport: str) -> None:
    async def main() -> None:
        other = await connected(gateway.prefix, transport)
        other.set_name("dm", child_name_separator="_")
        described = await other.describe()
        assert described.keys() == station.describe().keys() == (await other.read()).keys()
        assert (await other.describe_configuration()).keys() == station.describe_configuration().keys()
        assert other.hints == {}
        for slots, ophyd_slots in (
            (other.daqs.slots, station.daqs.slots),
            (other.uploads.slots, station.uploads.slots),
            (other.workflows.slots, station.workflows.slots),
            (other.streams.slots, station.streams.slots),
        ):
            assert [slot.hints.get("fields") for slot in slots] == [slot.hints.get("fields") for slot in ophyd_slots]
        percent = described["dm_workflows_wf1_percent"]
        assert (percent["dtype"], percent.get("units"), percent.get("precision")) == ("number", "%", 1)
        assert described["dm_workflows_wf1_status"].get("choices") == [status.value for status in Status]

    run(main)


def test_numbers_of_slots() -> None:
    async def main() -> None:
        station = aio.DMStation("ca://X:", name="dm", daqs=3, uploads=1, workflows=5, streams=0)
        served = station_catalogue(Slots(3, 1, 5, 0))
        assert dict(leaves(station)).keys() == {expected(pv) for pv in served if has_component(pv)}
        assert [slot.name for slot in station.daqs.slots] == ["dm-daqs-daq1", "dm-daqs-daq2", "dm-daqs-daq3"]
        assert station.uploads.slots == (station.uploads.upl1,) and station.streams.slots == ()
        with pytest.raises(ValueError, match="from 0, not -1"):
            aio.DMDaqs("ca://X:", slots=-1)

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_parts_alone(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        prefix = f"{transport}://{gateway.prefix}"
        parts = [
            aio.DMExperiment(f"{prefix}EXP:", name="part"),
            aio.DMDaqSlot(f"{prefix}DAQ2:", name="part"),
            aio.DMUploadSlot(f"{prefix}UPL1:", name="part"),
            aio.DMDaqs(prefix, name="part", slots=1),
            aio.DMUploads(prefix, name="part"),
            aio.DMWorkflowSlot(f"{prefix}WF4:", name="part"),
            aio.DMWorkflows(prefix, name="part"),
            aio.DMJobs(f"{prefix}JOB:", name="part"),
            aio.DMRunMetadata(f"{prefix}MD:", name="part"),
            aio.DMStreamSlot(f"{prefix}STR1:", name="part"),
            aio.DMStreams(prefix, name="part"),
        ]
        for part in parts:
            await part.connect(timeout=30)
            assert (await part.read()).keys() == (await part.describe()).keys()
            assert all(key.startswith("part-") for key in await part.read())

    run(main)


def test_prefix_without_a_scheme_is_channel_access(gateway: GatewayProcess, ca: CaClient) -> None:
    async def main() -> None:
        slot = aio.DMWorkflowSlot(f"{gateway.prefix}WF1:", name="wf1")
        await slot.connect(timeout=30)
        assert slot.status.source == f"ca://{gateway.prefix}WF1:Status"

    run(main)


def test_prefix_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="'http://DEMO:DM:' should begin with ca:// or pva://"):
        aio.DMStation("http://DEMO:DM:")
    with pytest.raises(ValueError, match=r"'pva://DEMO:DM:' should be that of a group, e\.g\. pva://DEMO:DM:WF1:"):
        aio.DMWorkflowSlot("pva://DEMO:DM:")
    with pytest.raises(ValueError, match="'ca://' should be"):
        aio.DMStation("ca://")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_there(ca: CaClient, transport: str) -> None:
    async def main() -> None:
        slot = aio.DMWorkflowSlot(f"{transport}://NOBODY:WF1:", name="wf1")
        with pytest.raises(NotConnectedError) as caught:
            await slot.connect(timeout=0.3)
        assert f"{transport}://NOBODY:WF1:JobID" in str(caught.value)
        assert f"{transport}://NOBODY:WF1:Run" in str(caught.value)

    run(main)


def test_mock_mode_needs_no_gateway() -> None:
    async def main() -> None:
        station = aio.DMStation("pva://NOBODY:", name="dm")
        await station.connect(mock=True)
        await station.workflows.wf1.name_.set("example-01")
        await station.workflows.wf1.run.trigger()
        assert await station.workflows.wf1.status.get_value() is aio.DMStatus.IDLE
        assert isinstance(await station.jobs.list.get_value(), Table)

    run(main)


def test_no_ophyd_no_pyepics_no_caproto_is_imported() -> None:
    script = (
        "import json, sys, dmioc.devices.aio; dmioc.devices.aio.DMStation('pva://X:', name='dm');"
        "print(json.dumps(sorted({'ophyd', 'epics', 'caproto', 'httpx', 'dmioc.engine', 'dmioc.config'} & set(sys.modules))))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(finished.stdout) == []
