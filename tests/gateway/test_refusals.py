"""What a command refuses: it says why on its group's PVs, changes nothing, and disturbs no other PV."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess

from dmioc.catalogue import Access, Kind, Slots, station_catalogue

CATALOGUE = station_catalogue(Slots(daq=2, upload=2, workflow=4))
COMMANDS = [pv.name for pv in CATALOGUE if pv.kind is Kind.COMMAND]
NEED_DM = [
    name
    for name in COMMANDS
    if name not in ("JOB:Wait", "Refresh") and name.split(":")[-1] not in ("Wait", "Stop", "Abort")
]
OUTCOME = {"CmdStatus", "CmdMessage", "CmdCount"}
NOWHERE = "/does/not/exist"
DATA = "/tmp"

DAQ = {"DataDirectory": DATA, "DestDirectory": "", "Workflow": "", "WorkflowArgs": "", "Options": ""}
UPL = {"SourcePath": DATA, "DestDirectory": "", "Workflow": "", "WorkflowArgs": "", "Options": "", "Mode": "Files"}
WF = {
    "Name": "example-01",
    "Owner": "",
    "FilePath": "",
    "Args": "",
    "Arg1Key": "",
    "Arg1Value": "",
    "RequestID": "",
    "AttachID": "",
}
NEW = {"New:Name": "fresh", "New:Type": "", "New:StartDate": "", "New:EndDate": ""}
MD = {"Experiment": "", "RunUID": "0123456789", "Dataset": "", "JSON": '{"a": 1}'}

TRANSFER_CASES = [
    ({"EXP:Name": ""}, ["EXP:Name is empty"]),
    ({"EXP:Name": "no-such-experiment"}, ["no-such-experiment"]),
    ({"Options": "{oops"}, ["Options", "not JSON"]),
    ({"Options": "[1, 2]"}, ["Options", "JSON object", "[1, 2]"]),
    ({"Options": '{"a": 1, "a": 2}'}, ["Options", "'a'", "twice"]),
    ({"Options": '{"destDirectory": "x"}', "DestDirectory": "y"}, ["destDirectory", "Options"]),
    ({"Options": '{"maxRunTimeInHours": "soon"}'}, ["maxRunTimeInHours", "soon", "number"]),
    ({"WorkflowArgs": '{"a": 1}'}, ["WorkflowArgs", "Workflow is empty"]),
    ({"Workflow": "example-01", "WorkflowArgs": "5"}, ["WorkflowArgs", "JSON object"]),
    ({"DestDirectory": "../../etc"}, ["destDirectory", "../../etc", "relative"]),
    ({"DestDirectory": "/etc"}, ["destDirectory", "/etc", "relative"]),
]
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    *(("DAQ1:Start", values, words) for values, words in TRANSFER_CASES),
    ("DAQ1:Start", {"DataDirectory": ""}, ["DAQ1:DataDirectory is empty"]),
    ("DAQ1:Start", {"DataDirectory": NOWHERE}, [NOWHERE, "does not exist"]),
    ("DAQ1:Start", {"DataDirectory": "data/here"}, ["data/here", "absolute"]),
    ("DAQ1:Start", {"DataDirectory": "/etc/hostname"}, ["/etc/hostname", "no directory"]),
    ("DAQ1:Start", {"DataDirectory": "@host:/data"}, ["@host:/data", "local"]),
    ("DAQ1:Stop", {}, ["nothing to stop"]),
    ("DAQ1:Wait", {}, ["holds no DAQ"]),
    *(("UPL1:Run", values, words) for values, words in TRANSFER_CASES),
    ("UPL1:Start", {"SourcePath": ""}, ["UPL1:SourcePath is empty"]),
    ("UPL1:Start", {"SourcePath": NOWHERE}, [NOWHERE, "does not exist"]),
    ("UPL1:Start", {"SourcePath": NOWHERE + "/scan.dat"}, [NOWHERE, "does not exist"]),
    ("UPL1:Run", {"SourcePath": "scan.dat"}, ["scan.dat", "absolute"]),
    ("UPL1:Stop", {}, ["nothing to stop"]),
    ("UPL1:Wait", {}, ["holds no upload"]),
    ("WF1:Start", {"Name": ""}, ["WF1:Name is empty"]),
    ("WF1:Start", {"Name": "no-such-workflow"}, ["no-such-workflow"]),
    ("WF1:Start", {"Owner": "nobody"}, ["example-01", "nobody"]),
    ("WF1:Run", {"Args": "{'a': 1}"}, ["WF1:Args", "not JSON"]),
    ("WF1:Run", {"Args": '"text"'}, ["WF1:Args", "JSON object", "text"]),
    ("WF1:Run", {"Args": "[" * 10000}, ["WF1:Args"]),
    ("WF1:Run", {"Args": '{"a": 1, "b": 2, "a": 3}'}, ["WF1:Args", "'a'", "twice"]),
    ("WF1:Run", {"Args": '{"filePath": "/a"}', "FilePath": "/b"}, ["filePath", "WF1:FilePath", "WF1:Args"]),
    ("WF1:Run", {"Arg1Key": "", "Arg1Value": "x"}, ["WF1:Arg1Value", "WF1:Arg1Key is empty"]),
    ("WF1:Run", {"Args": '{"a": 1}', "Arg1Key": "a", "Arg1Value": "x"}, ["WF1:Args", "WF1:Arg1Key"]),
    ("WF1:Run", {"Args": '{"dmiocRequestId": "x"}'}, ["dmiocRequestId", "RequestID"]),
    ("WF1:Abort", {}, ["nothing to abort"]),
    ("WF1:Attach", {}, ["WF1:AttachID is empty"]),
    ("WF1:Attach", {"AttachID": "no-such-job"}, ["no-such-job"]),
    ("WF1:Wait", {}, ["holds no job"]),
    ("EXP:New:Create", {"New:Name": ""}, ["EXP:New:Name is empty"]),
    ("EXP:New:Create", {"New:Name": "demo"}, ["demo", "exists"]),
    ("EXP:New:Create", {"New:Name": "a/b"}, ["a/b"]),
    ("EXP:New:Create", {"New:StartDate": "tomorrow"}, ["EXP:New:StartDate", "'tomorrow'", "2026-11-21"]),
    (
        "EXP:New:Create",
        {"New:StartDate": "2026-11-21", "New:EndDate": "2026-11-20"},
        ["2026-11-20", "before", "2026-11-21"],
    ),
    ("MD:Send", {"JSON": ""}, ["MD:JSON is empty"]),
    ("MD:Send", {"JSON": "{"}, ["MD:JSON", "not JSON"]),
    ("MD:Send", {"JSON": "[1]"}, ["MD:JSON", "JSON object"]),
    ("MD:Send", {"RunUID": ""}, ["MD:RunUID", "MD:Dataset"]),
    ("MD:Send", {"EXP:Name": ""}, ["EXP:Name is empty"]),
]
SETPOINTS: dict[str, dict[str, Any]] = {"DAQ1:": DAQ, "UPL1:": UPL, "WF1:": WF, "EXP:": NEW, "MD:": MD}


def group_of(name: str) -> str:
    head, colon, _ = name.partition(":")
    return head + colon if colon else ""


def readbacks(ca: CaClient, group: str) -> dict[str, str]:
    """Every readback of a group but the outcome of its commands, and those that follow the clock."""
    from epics import ca as libca

    moving = OUTCOME | {
        "Message",
        "Revision",
        "Heartbeat",
        "Uptime",
        "Requests",
        "RequestErrors",
        "Cpu",
        "Memory",
        "Fds",
    }
    pvs = [
        pv
        for pv in CATALOGUE.group(group)
        if pv.kind.is_scalar and pv.access is Access.READ and pv.short_name not in moving and pv.row_of != "Messages"
    ]
    channels = {pv.name: ca.pv(pv.name).chid for pv in pvs}
    # All asked for at once: one after the other would take most of the time of these tests.
    for channel in channels.values():
        libca.get(channel, wait=False)
    return {name: repr(libca.get_complete(channel, timeout=30)) for name, channel in channels.items()}


@pytest.fixture
def undisturbed(ca: CaClient) -> Iterator[None]:
    """The connection of the refused command stays, and a monitor and gets on it go on."""
    import epics

    events: list[bool] = []
    beats: list[int] = []
    # The same circuit: libca has one for each server and priority.
    heartbeat = epics.PV(
        ca.prefix + "Heartbeat",
        connection_callback=lambda conn, **_: events.append(conn),
        callback=lambda value, **_: beats.append(value),
    )
    assert heartbeat.wait_for_connection(timeout=30)
    yield
    assert ca.get("Control") == "Enabled"
    assert events == [True]
    heartbeat.disconnect()


def refused(ca: CaClient, command: str, words: list[str], status: str = "Refused") -> None:
    group = group_of(command)
    before, count = readbacks(ca, group), ca.get(f"{group}CmdCount")
    state, message = ca.command(command)
    assert state == status, message
    assert message.startswith(f"{command[len(group) :]}: ")
    for word in words:
        assert word in message
    assert "\n" not in message and "bug" not in message
    assert ca.get(f"{group}CmdCount") == count + 1
    assert ca.get(command) == "Idle"
    changed = {name: (before[name], value) for name, value in readbacks(ca, group).items() if value != before[name]}
    assert not changed


@pytest.mark.parametrize(("command", "values", "words"), CASES, ids=[f"{case[0]} {case[1]}"[:60] for case in CASES])
@pytest.mark.usefixtures("undisturbed")
def test_a_wrong_setpoint_is_named(ca: CaClient, command: str, values: dict[str, Any], words: list[str]) -> None:
    group = group_of(command)
    wanted = {f"{group}{name}": value for name, value in SETPOINTS[group].items()} | {"EXP:Name": "demo"}
    wanted |= {name if name == "EXP:Name" else f"{group}{name}": value for name, value in values.items()}
    for name, value in wanted.items():
        if ca.get(name) != value:
            ca.put(name, value)
    experiment = ca.get("EXP:Name")
    refused(ca, command, words)
    assert ca.get("EXP:Name") == experiment


@pytest.fixture
def used(ca: CaClient, data: Path) -> None:
    """Slots that hold what is finished."""
    (data / "a.dat").write_bytes(b"a")
    ca.put("EXP:Name", "demo")
    ca.puts("DAQ1:", **DAQ | {"DataDirectory": str(data), "DestDirectory": secrets.token_hex(4)})
    ca.puts("UPL1:", **UPL | {"SourcePath": str(data), "DestDirectory": secrets.token_hex(4)})
    ca.puts("WF1:", **WF | {"FilePath": str(data / "a.dat")})
    for command in ("DAQ1:Start", "DAQ1:Stop", "UPL1:Run", "WF1:Run"):
        assert ca.command(command)[0] == "OK", ca.outcome(command)


@pytest.mark.usefixtures("used", "undisturbed")
def test_a_slot_keeps_what_it_holds_when_it_refuses(ca: CaClient) -> None:
    refused(ca, "DAQ1:Stop", ["nothing to stop"])
    refused(ca, "UPL1:Stop", ["nothing to stop"])
    refused(ca, "WF1:Abort", ["nothing to abort"])
    ca.puts("DAQ1:", DataDirectory=NOWHERE)
    ca.puts("UPL1:", SourcePath=NOWHERE)
    ca.puts("WF1:", Name="no-such-workflow", AttachID="no-such-job")
    refused(ca, "DAQ1:Start", [NOWHERE])
    refused(ca, "UPL1:Run", [NOWHERE])
    refused(ca, "WF1:Run", ["no-such-workflow"])
    refused(ca, "WF1:Attach", ["no-such-job"])


@pytest.mark.usefixtures("undisturbed")
def test_the_same_dataset_twice_is_refused(ca: CaClient) -> None:
    ca.put("EXP:Name", "demo")
    ca.puts("MD:", **MD | {"RunUID": secrets.token_hex(8)})
    assert ca.command("MD:Send")[0] == "OK"
    state, message = ca.command("MD:Send")
    assert state == "Refused" and "run_uid8_" in message
    assert ca.get("MD:Status") == "Failed"
    ca.puts("MD:", Experiment="no-such-experiment")
    state, message = ca.command("MD:Send")
    assert state == "Refused" and "no-such-experiment" in message


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("undisturbed")
def test_a_command_takes_only_1(ca: CaClient, command: str) -> None:
    group = group_of(command)
    for value in (0, 2):
        before, count = readbacks(ca, group), ca.get(f"{group}CmdCount")
        ca.put(command, value)
        assert ca.outcome(command)[0] == "Refused"
        message = ca.get(f"{group}CmdMessage")
        assert str(value) in message and "1" in message and "Traceback" not in message
        assert ca.get(f"{group}CmdCount") == count + 1
        assert readbacks(ca, group) == before


@pytest.mark.usefixtures("undisturbed")
def test_text_to_a_command_is_refused_and_its_label_is_taken(ca: CaClient) -> None:
    from epics import ca as libca
    from epics import dbr

    libca.put(ca.pv("WF1:Abort").chid, "please", wait=True, timeout=30, ftype=dbr.STRING)
    state, message = ca.outcome("WF1:Abort")
    assert state == "Refused" and "please" in message and "1 Busy" in message
    for label in ("Busy", "1"):
        libca.put(ca.pv("Refresh").chid, label, wait=True, timeout=30, ftype=dbr.STRING)
        assert ca.outcome("Refresh")[0] == "OK"


@pytest.mark.usefixtures("undisturbed")
def test_control_disabled_refuses_every_command(ca: CaClient) -> None:
    ca.put("Control", "Disabled")
    try:
        for command in COMMANDS:
            refused(ca, command, ["Control is Disabled"])
        ca.put("WF1:FilePath", "/still/taken")
        assert ca.get("WF1:FilePath") == "/still/taken"
    finally:
        ca.put("Control", "Enabled")


@pytest.mark.usefixtures("undisturbed")
def test_busy_leaves_the_running_command_alone(ca: CaClient) -> None:
    ca.puts("WF2:", Name="progress-01", FilePath="/dev/null")
    ca.put("WF2:Run", 1, wait=False)
    ca.wait_for("WF2:Status", "Running")
    stable = ("CmdStatus", "CmdMessage", "CmdCount", "JobID", "Attached", "Run")
    before = {name: ca.get(f"WF2:{name}") for name in stable}
    assert (before["CmdStatus"], before["Run"]) == ("Busy", "Busy")
    for command, value in (("WF2:Run", 1), ("WF2:Start", 1), ("WF2:Attach", 1), ("WF2:Run", 0), ("WF2:Abort", 2)):
        ca.put(command, value)
        assert {name: ca.get(f"WF2:{name}") for name in stable} == before
    assert "WF2:" in ca.get("Message")
    assert ca.command("WF2:Abort")[0] in ("OK", "Failed")
    ca.wait_for("WF2:Run", "Idle")


@pytest.mark.usefixtures("undisturbed")
def test_what_the_gateway_publishes_cannot_be_written(ca: CaClient) -> None:
    import epics

    pvs = [pv for pv in CATALOGUE if pv.kind.is_scalar and pv.access is Access.READ]
    names = [pv.name for pv in pvs if group_of(pv.name) in ("", "EXP:", "DAQ1:", "WF1:", "JOB:", "PROC:")]
    for name in names:
        pv = ca.pv(name)
        assert not pv.write_access, name
        before = ca.get(name)
        with pytest.raises(epics.ca.CASeverityException):
            epics.ca.put(pv.chid, "1" if {"char", "string"} & set(pv.type.split("_")) else 1, wait=True, timeout=30)
        if name in ("Station", "EXP:ID", "WF1:Status", "WF1:JobID", "DAQ1:FilesTotal"):
            assert ca.get(name) == before


def test_setpoints_refuse_what_they_cannot_hold(ca: CaClient) -> None:
    for name, value, words in (
        ("PollPeriod", 0.0, ["0.05", "60"]),
        ("PollPeriod", float("nan"), ["finite"]),
        ("PollPeriod", 1e300, ["60", "1e+300"]),
        ("EXP:Index", 99999, ["EXP:Index", "99999", "0 to"]),
        ("DAQ1:Expect", -1, ["from 0"]),
        ("WF1:IfRunning", 7, ["0 Start", "7"]),
    ):
        before = ca.get(name)
        ca.put(name, value)
        assert ca.get(name) == before, name
        for word in (name, *words):
            assert word in ca.get("Message")


def test_records_of_another_client_are_not_touched_by_refusals(ca: CaClient, gateway: GatewayProcess) -> None:
    dm = DmControl(gateway.state / "localdm")
    jobs = dm.session("PROC").call("GET", "processingJobsByOwner", "dmioc", query={"skip": "0", "limit": "1000"})
    names = {job.get("id") for job in jobs}
    assert ca.command("JOB:Wait")[0] == "OK"
    ca.puts("WF1:", **WF | {"Name": "no-such-workflow"})
    refused(ca, "WF1:Start", ["no-such-workflow"])
    again = dm.session("PROC").call("GET", "processingJobsByOwner", "dmioc", query={"skip": "0", "limit": "1000"})
    assert {job.get("id") for job in again} == names
