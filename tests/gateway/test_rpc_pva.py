"""Queries by name as a program sends them: p4p's NTURI to the real gateway."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from p4p.client.thread import Context, RemoteError
from p4p.nt import NTURI
from waiting import wait_until

_CODES = {str: "s", int: "i", float: "d", bool: "?"}


class Rpc:
    """Calls the RPC PV of a gateway; values of NTURI, the types as a client would choose them."""

    def __init__(self, prefix: str) -> None:
        self._name = f"{prefix}RPC"
        self._context = Context("pva", nt=False)

    def __call__(self, method: str, /, **arguments: Any) -> Any:
        named = {"method": method, **arguments}
        uri = NTURI([(name, _CODES[type(value)]) for name, value in named.items()])
        return self._context.rpc(self._name, uri.wrap(self._name, kws=named), timeout=60)

    def rows(self, method: str, /, **arguments: Any) -> list[dict[str, Any]]:
        table = self(method, **arguments)
        columns = {name: list(table[f"value.{name}"]) for name in table["value"]}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def close(self) -> None:
        self._context.close()


@pytest.fixture
def rpc(ca: CaClient) -> Iterator[Rpc]:
    client = Rpc(ca.prefix)
    yield client
    client.close()


def test_a_job_is_started_and_seen_everywhere(rpc: Rpc, ca: CaClient, gateway: GatewayProcess, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("content")
    request = secrets.token_hex(8)
    arguments = {"workflow": "example-01", "args": json.dumps({"filePath": str(file)}), "requestId": request}
    started = rpc("startWorkflow", **arguments)
    assert started.getID() == "dmioc:Job:1.0"
    again = rpc("startWorkflow", **arguments)
    assert (again["id"], started["attached"], again["attached"]) == (started["id"], 0, 1)
    done = wait_until(
        lambda: (job := rpc("job", id=started["id"]))["status"] == "Done" and job, 20.0, what="the job is Done"
    )
    assert done["stages"].getID() == "epics:nt/NTTable:1.0"
    assert "DONE" in str(list(done["stages.value.stage"]))
    assert started["id"] in [row["id"] for row in rpc.rows("jobs", status="Done", limit=5)]
    assert [job["id"] for job in GatewayDm(gateway).jobs()].count(started["id"]) == 1
    assert "RPC startWorkflow: OK for" in ca.get("Message")


def test_a_daq_and_its_files(rpc: Rpc, data: Path, gateway: GatewayProcess) -> None:
    (data / "one.txt").write_text("one")
    below = secrets.token_hex(4)
    started = rpc(
        "startDaq", experiment="demo", dataDirectory=str(data), destDirectory=below, processExistingFiles=True
    )
    assert started.getID() == "dmioc:DAQ:1.0"
    wait_until(lambda: rpc("daq", id=started["id"])["filesDone"] == 1, 20.0, what="the file is stored")
    rpc("stopDaq", id=started["id"])
    wait_until(lambda: rpc("daq", id=started["id"])["status"] == "Done", 20.0, what="the DAQ is Done")
    assert list(GatewayDm(gateway).catalogued("demo", below)) == ["one.txt"]


def test_help_tells_what_there_is(rpc: Rpc, ca: CaClient) -> None:
    methods = [row["method"] for row in rpc.rows("help")]
    assert {"experiment", "startDaq", "upload", "startWorkflow", "jobs", "addMetadata", "pvs"} <= set(methods)
    assert [row["argument"] for row in rpc.rows("help", name="daq")] == ["id"]
    assert [row["pv"] for row in rpc.rows("pvs", filter="EXP:Name")] == [f"{ca.prefix}EXP:Name"]


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("nothing", {}, "there is no method 'nothing'; there are experiment, experiments"),
        ("daq", {}, "daq needs the argument id"),
        ("jobs", {"limit": 1.5}, "limit takes a whole number"),
        ("experiment", {"name": "none"}, "DM does not know the experiment none"),
    ],
)
def test_a_refusal_is_the_error_of_the_call(rpc: Rpc, method: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(RemoteError, match=words):
        rpc(method, **arguments)


def test_commands_are_refused_while_control_is_disabled(rpc: Rpc, ca: CaClient) -> None:
    ca.put("Control", "Disabled")
    try:
        with pytest.raises(RemoteError, match="Control is Disabled: enable it first"):
            rpc("createExperiment", name="never-made")
        assert rpc("experiment", name="demo")["name"] == "demo"
    finally:
        ca.put("Control", "Enabled")
    assert "never-made" not in [row["name"] for row in rpc.rows("experiments")]
