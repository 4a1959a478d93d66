"""`StationRpc` against a real gateway: answers as Python's own, and errors of the right kind."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess

from dmioc.devices import StationRpc, default_prefix
from dmioc.errors import CommandFailedError, GatewayLostError, InterruptedCommandError, RefusedError, WaitTimeoutError
from dmioc.model.refusal import error_of, error_text

pytestmark = pytest.mark.long


@pytest.fixture
def rpc(gateway: GatewayProcess, ca: CaClient) -> StationRpc:
    return StationRpc(gateway.prefix, timeout_s=10.0)


def test_structures_tables_and_scalars(rpc: StationRpc, ca: CaClient) -> None:
    experiment = rpc.call("experiment", name="demo")
    assert (experiment["name"], experiment["state"], experiment["users"]) == ("demo", "Loaded", ["dmioc"])
    rows = rpc.call("experiments")
    assert [row["name"] for row in rows] == ["demo"]
    assert rpc.table("EXP:List")[0]["name"] == "demo"
    assert rpc.get("State") == ca.get("State")
    assert rpc.get("PollPeriod") == 0.1
    assert rpc.get("EXP:Name") == "demo"
    assert rpc.get("EXP:Info")["name"] == "demo"
    with pytest.raises(CommandFailedError, match="State is no table"):
        rpc.table("State")


def test_arguments_are_sent_as_what_they_are(rpc: StationRpc, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("one")
    args = {"filePath": tmp_path / "one.txt", "count": np.int64(3), "angles": np.array([1.5, 2.5]), "flag": True}
    job = rpc.call("startWorkflow", workflow="example-01", args=args, owner=None, requestId="")
    record = rpc.call("record", kind="Job", name=job["id"])["JSON"]
    assert '"count": 3' in record and '"angles": [1.5, 2.5]' in record and '"flag": true' in record
    assert job["stages"][0]["stage"] == "01-START"
    assert rpc.call("jobs", limit=np.int32(1))[0]["id"] == job["id"]


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "words"),
    [
        ("nothing", {}, RefusedError, "there is no method 'nothing'"),
        ("daq", {}, RefusedError, "daq needs the argument id"),
        ("experiment", {"name": "none"}, RefusedError, "DM does not know the experiment none"),
        ("startWorkflow", {"workflow": "none"}, RefusedError, "DM does not know workflow none"),
        ("createExperiment", {"name": "demo"}, RefusedError, "demo"),
    ],
)
def test_a_refusal_has_the_gateways_words(
    rpc: StationRpc, method: str, arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        rpc.call(method, **arguments)


@pytest.mark.parametrize("error", [RefusedError("no: why"), CommandFailedError("bad"), InterruptedCommandError("cut")])
def test_an_error_keeps_its_kind_over_the_wire(error: Any) -> None:
    back = error_of(error_text(error))
    assert (type(back), str(back)) == (type(error), str(error))


def test_a_gateway_that_waits_for_dm_is_not_lost(rpc: StationRpc, gateway: GatewayProcess) -> None:
    rpc.timeout_s = 0.5
    with DmControl(gateway.state / "localdm").hanging():
        with pytest.raises(WaitTimeoutError, match=r"experiment was not answered within 0\.5 s; the gateway is there"):
            rpc.call("experiment", name="demo")
    rpc.timeout_s = 10.0
    assert rpc.call("experiment", name="demo")["name"] == "demo"


def test_no_gateway_and_a_closed_client() -> None:
    rpc = StationRpc("no-such-gateway:", timeout_s=0.2)
    with pytest.raises(GatewayLostError, match="help was not answered: no gateway no-such-gateway: within"):
        rpc.call("help")
    with pytest.raises(GatewayLostError, match="no-such-gateway:State was not read"):
        rpc.get("State")
    rpc.close()
    with pytest.raises(GatewayLostError, match="is closed"):
        rpc.call("help")


def test_a_gateway_that_is_killed_and_comes_back(rpc: StationRpc, gateway: GatewayProcess) -> None:
    rpc.call("help")
    gateway.kill()
    rpc.timeout_s = 1.0
    with pytest.raises(GatewayLostError):
        rpc.call("help")
    gateway.start()
    rpc.timeout_s = 15.0
    assert rpc.call("help")


def test_usable_from_many_threads(rpc: StationRpc) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(rpc.call("experiment", name="demo")["name"])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert answers == ["demo"] * 8


def test_the_prefix_is_read_from_the_environment_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMIOC_PREFIX", "25IDC:DM:")
    assert (default_prefix(), StationRpc().prefix) == ("25IDC:DM:", "25IDC:DM:")
    monkeypatch.delenv("DMIOC_PREFIX")
    assert default_prefix() == "DEMO:DM:"


def test_it_needs_no_ophyd_and_its_import_no_p4p(tmp_path: Path) -> None:
    script = (
        "import sys; import dmioc.devices.rpc;"
        "print([name for name in ('ophyd', 'bluesky', 'epics', 'p4p') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_devices_imports_neither_p4p_nor_bluesky(tmp_path: Path) -> None:
    script = (
        "import sys; from dmioc.devices import DM_WorkflowConnector, dm_upload, DM_WorkflowCache, StationRpc;"
        "print([name for name in ('bluesky', 'p4p', 'pyRestTable', 'apstools') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
