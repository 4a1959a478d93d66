"""The catalogue keeps what the PV contract promises.

``CONTRACT`` is the contract's independent copy, on purpose: it is not made from the catalogue. A line may be added to
it; none may be changed or taken away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from dmioc.catalogue import PV, Access, Kind, Slots, station_catalogue

STATUS = "{Idle,Pending,Running,Done,Failed,Aborting,Aborted,Skipped,TimedOut,Lost,Unknown}"

# group, then: names : type, access, "saved", unit. "text" without a number: the contract gives no length.
CONTRACT = f"""
[]
Station Owner Backend Version : string r
State : enum{{Starting,Connected,Degraded,Disconnected}} r
DS:State DAQ:State PROC:State CAT:State : enum{{Unknown,Connected,Disconnected}} r
DS:Error DAQ:Error PROC:Error CAT:Error : text(512) r
DS:Latency DAQ:Latency PROC:Latency CAT:Latency : double r ms
DS:Age DAQ:Age PROC:Age CAT:Age : double r s
Message : text(1024) r
Messages : table{{time,severity,source,message}} r
PollPeriod IdlePollPeriod LostAfter NoFilesAfter : double rw saved s
Refresh : command rw
Requests RequestErrors Revision Heartbeat : long r
Control : enum{{Disabled,Enabled}} rw saved
Uptime : double r s
StartTime Host : string r
Pid Fds CAClients PVAClients PVCount : long r
Cpu Memory : double r
Status : structure r
RPC : rpc r

[EXP:]
Name : text(256) rw saved
State : enum{{Unset,Loaded,NotFound,Unverified}} r
ID UserCount FileCount : long r
Type StorageName StorageHost StartDate EndDate Created : string r
Description : text(2048) r
RootPath StorageDirectory DataDirectory AnalysisDirectory StorageURL : text(1024) r
Users : lines r
List : table{{name,id,type,start,end,users,description}} r
Index : long rw
New:Name New:Type New:Description New:StartDate New:EndDate : text rw
New:Create : command rw

[DAQ1: DAQ2:]
DataDirectory DestDirectory : text(1024) rw saved
Workflow WorkflowArgs : text rw saved
Options : text(4096) rw saved
Start Stop Wait : command rw
Attached : long r
Expect : long rw
ExpectFile : text(1024) rw
WaitTimeout : double rw s

[UPL1: UPL2:]
SourcePath DestDirectory : text(1024) rw saved
Mode : enum{{Files,Directory}} rw saved
Reprocess : enum{{No,Yes}} rw saved
Workflow WorkflowArgs : text rw saved
Options : text(4096) rw saved
Start Run Stop : command rw

[DAQ1: DAQ2: UPL1: UPL2:]
Status : enum{STATUS} r
StatusText Experiment_RBV DataDirectory_RBV DestDirectory_RBV LastFile : text r
ID StartTime EndTime : string r
FilesTotal FilesDone FilesWaiting FilesFailed : long r
Percent : double r %
Rate : double r files/s
Bytes : double r B
RunTime : double r s
Error : text(4096) r

[DAQ: UPL:]
Active : long r
List : table{{id,experiment,directory,dest,status,total,done,waiting,failed,percent,start,end}} r

[WF1: WF2: WF3: WF4:]
Name : text(256) rw saved
Owner : text(64) rw saved
FilePath : text(1024) rw saved
Args : text(16384) rw saved
Arg1Key Arg2Key Arg3Key Arg4Key Arg5Key Arg6Key Arg7Key Arg8Key : string rw saved
Arg1Value Arg2Value Arg3Value Arg4Value Arg5Value Arg6Value Arg7Value Arg8Value : text(1024) rw saved
RequestID AttachID : string rw
IfRunning : enum{{Start,Wait,Refuse}} rw saved
Start Run Abort Attach : command rw
ReportPeriod ReportTimeout : double rw saved s
Concise : enum{{No,Yes}} rw saved
Status : enum{STATUS} r
StatusText Workflow_RBV : text r
JobID Stage SubmitTime StartTime EndTime : string r
StageIndex StageCount ExitStatus Files : long r
Percent : double r %
RunTime : double r s
Command StdOut StdErr : text(8192) r
Error : text(4096) r
Report : text(16384) r
Job : structure r
Stages : table{{stage,process,status,exitStatus,runTime,command,stdOut,stdErr}} r

[WF:]
List : table{{name,owner,description,stages}} r

[JOB:]
Active Pending Running : long r
Idle : enum{{No,Yes}} r
Wait : command rw
WaitTimeout : double rw s
List : table{{id,workflow,status,stage,submitted,started,ended,runTime,error}} r

[MD:]
Experiment Workflow : text rw
RunUID : string rw
Dataset : text(256) rw
JSON : text(1048576) rw
Send : command rw
Status : enum{STATUS} r
ID : string r
Bytes : long r B

[STR1: STR2:]
State : enum{{Idle,Offered,Accepted,Ready,Streaming,Draining,Done,Failed,Aborted,Lost}} r
Epoch Received Processed Missed Errors Heartbeat : long r
Session JobID : string r
WFSlot : long rw
Source : text(256) rw saved
Offer Begin End Abort : command rw
ReadyTimeout HeartbeatTimeout DrainTimeout : double rw saved s
HeartbeatAge : double r s
Message Result Error : text r
Report : structure{{session,epoch,seq,state,message,received,processed,missed,errors,heartbeat,result}} rw
Command : structure{{session,epoch,seq,command,args}} r

[EXP: DAQ: UPL: WF: JOB:]
Row0 Row1 Row2 Row3 Row4 Row5 Row6 Row7 Row8 Row9 : text(256) r

[ EXP: DAQ1: DAQ2: UPL1: UPL2: WF1: WF2: WF3: WF4: JOB: MD: STR1: STR2:]
CmdStatus : enum{{None,Busy,OK,Refused,Failed,Interrupted}} r
CmdMessage : text(1024) r
CmdCount : long r
"""

UNIT_IS_FREE = ("Cpu", "Memory")
"""The contract gives these no unit; the catalogue does."""

TYPE = re.compile(r"(?P<kind>[a-z]+)(\((?P<length>\d+)\))?(\{(?P<parts>.*)\})?")


@dataclass(frozen=True)
class Promise:
    """One PV as the contract promises it; ``length`` 0 where it gives none."""

    name: str
    kind: str
    length: int
    parts: tuple[str, ...]
    access: str
    saved: bool
    unit: str


def promises() -> list[Promise]:
    found: list[Promise] = []
    groups: list[str] = []
    for line in filter(None, CONTRACT.splitlines()):
        if line.startswith("["):
            groups = list(line[1:-1].split(" "))
            continue
        names, _, rest = line.partition(" : ")
        kind, access, *more = rest.split()
        matched = TYPE.fullmatch(kind)
        assert matched, line
        saved, unit = "saved" in more, "".join(word for word in more if word != "saved")
        parts = tuple((matched["parts"] or "").split(",")) if matched["parts"] else ()
        for group in groups:
            for name in names.split():
                length = int(matched["length"] or 0)
                found.append(Promise(group + name, matched["kind"], length, parts, access, saved, unit))
    return found


CATALOGUE = station_catalogue()
PROMISES = promises()


def as_promised(pv: PV, promise: Promise) -> Promise:
    """The PV in the words of the contract."""
    return Promise(
        name=pv.name,
        kind=pv.kind.value,
        length=pv.length if promise.length else 0,
        parts=tuple(column.name for column in pv.columns)
        if pv.kind in (Kind.TABLE, Kind.STRUCTURE)
        else pv.labels
        if pv.kind is Kind.ENUM
        else (),
        access="rw" if pv.writable else "r",
        saved=pv.saved,
        unit="" if pv.name in UNIT_IS_FREE else pv.unit,
    )


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_pv_is_as_the_contract_says(promise: Promise) -> None:
    assert promise.name in CATALOGUE, f"{promise.name} is missing"
    assert as_promised(CATALOGUE[promise.name], promise) == promise


def test_copy_of_the_contract_holds_every_group() -> None:
    assert {name.partition(":")[0] for name in (promise.name for promise in PROMISES) if ":" in name} == {
        group for group in (pv.group.removesuffix(":") for pv in CATALOGUE) if group
    }
    assert len(PROMISES) == len({promise.name for promise in PROMISES})


def test_commands_are_idle_or_busy_and_in_the_command_group() -> None:
    commands = [pv for pv in CATALOGUE if pv.kind is Kind.COMMAND]
    assert {pv.labels for pv in commands} == {("Idle", "Busy")}
    assert {pv.access for pv in commands} == {Access.COMMAND}
    assert {pv.kind for pv in CATALOGUE if pv.access is Access.COMMAND} == {Kind.COMMAND}


def test_every_group_with_a_command_tells_its_outcome() -> None:
    groups = {pv.group for pv in CATALOGUE if pv.kind is Kind.COMMAND}
    for group in groups:
        assert {"CmdStatus", "CmdMessage", "CmdCount"} <= {pv.short_name for pv in CATALOGUE.group(group)}, group


def test_no_readback_is_writable_and_only_setpoints_are_saved() -> None:
    assert [pv.name for pv in CATALOGUE if pv.name.endswith("_RBV") and pv.writable] == []
    assert [pv.name for pv in CATALOGUE if pv.saved and pv.access not in (Access.WRITE, Access.ADMIN)] == []


def test_defaults_of_the_contract() -> None:
    poll, idle, lost = (CATALOGUE[name] for name in ("PollPeriod", "IdlePollPeriod", "LostAfter"))
    assert (poll.low, poll.high, poll.default) == (0.05, 60.0, 0.5)
    assert (idle.default, lost.default) == (5.0, 60.0)
    control = CATALOGUE["Control"]
    assert control.labels[int(str(control.default))] == "Enabled"


def test_severities_of_the_alarm_rules() -> None:
    severities = {state.label: state.severity.name for state in CATALOGUE["WF1:Status"].states}
    assert severities["Failed"] == "MAJOR"
    assert severities["Aborted"] == "MINOR"
    assert {severities[label] for label in ("Idle", "Pending", "Running", "Done", "Aborting")} == {"NO_ALARM"}
    gateway = {state.label: state.severity.name for state in CATALOGUE["State"].states}
    assert (gateway["Degraded"], gateway["Disconnected"]) == ("MINOR", "MAJOR")


def test_severities_and_types_of_streaming() -> None:
    severities = {state.label: state.severity.name for state in CATALOGUE["STR1:State"].states}
    assert severities["Failed"] == severities["Lost"] == "MAJOR"
    assert severities["Aborted"] == "MINOR"
    assert {severities[label] for label in ("Idle", "Offered", "Ready", "Streaming", "Done")} == {"NO_ALARM"}
    report, command = CATALOGUE["STR2:Report"], CATALOGUE["STR2:Command"]
    assert (report.type_id, command.type_id) == ("dmioc:StreamReport:1.0", "dmioc:StreamCommand:1.0")
    kinds = {column.name: column.kind for column in (*report.columns, *command.columns)}
    assert kinds["epoch"] == "int"
    assert {kinds[name] for name in ("seq", "received", "processed", "missed", "errors", "heartbeat")} == {"long"}
    assert {kinds[name] for name in ("session", "state", "message", "result", "command", "args")} == {"string"}


def test_number_of_slots_follows_the_settings() -> None:
    catalogue = station_catalogue(Slots(daq=1, upload=3, workflow=2, stream=3))
    groups = {pv.group for pv in catalogue}
    assert {"DAQ1:", "UPL3:", "WF2:", "STR3:"} <= groups
    assert groups.isdisjoint({"DAQ2:", "UPL4:", "WF3:", "STR4:"})
    assert catalogue["STR3:WFSlot"].high == 2.0
    assert "STR1:State" not in station_catalogue(Slots(stream=0))


def test_what_comes_from_dm_says_from_which_service() -> None:
    for name, service in (
        ("WF1:StdOut", "PROC"),
        ("DAQ2:FilesDone", "DAQ"),
        ("EXP:FileCount", "CAT"),
        ("EXP:ID", "DS"),
    ):
        pv = CATALOGUE[name]
        assert pv.service is not None
        assert pv.service.value == service
    assert [pv.name for pv in CATALOGUE if pv.writable and pv.service is not None] == []
