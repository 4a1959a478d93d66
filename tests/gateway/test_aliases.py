"""Second names of PVs: the registers of an older instrument, served by the real gateway to the clients that knew them."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway_monitor import watched
from gateway_process import CaClient, GatewayProcess, running_gateway
from p4p.client.thread import Context, RemoteError
from p4p.nt import NTURI
from raw_ca_client import RawClient
from waiting import wait_until

from dmioc.check import check_station
from dmioc.config import load_settings

LONG = "/gdata/dm/8IDI/2026-3/" + "é" * 9 + "-A0123_Sample-Name_a0010_f100000.hdf"
"""A path whose 39th and 40th byte are one character."""
CUT = "/gdata/dm/8IDI/2026-3/" + "é" * 8
ME = pwd.getpwuid(os.getuid()).pw_name
MINOR, SOFT = 1, 15
WRITE_RIGHT, NO_WRITE_ACCESS, PUT_FAILED, NORMAL = 2, 376, 160, 1
DBR_STRING, DBR_CHAR, DBR_LONG = 0, 4, 5
ACF = """ASG(DMWRITE) {{ RULE(1, READ) RULE(1, WRITE) {{ UAG(staff) }} }}
ASG(DMCOMMAND) {{ RULE(1, READ) RULE(1, WRITE) {{ UAG(staff) }} }}
UAG(staff) {{ "{user}" }}
"""


@dataclass(frozen=True)
class Station:
    """The gateway, the beginning of its older names, and clients of them."""

    process: GatewayProcess
    config: Path
    old: str
    registers: CaClient

    @property
    def prefix(self) -> str:
        return self.process.prefix

    def raw(self, user: str) -> RawClient:
        """A CA client of that name."""
        line = next(line for line in self.process.lines if line.startswith("dmioc serves"))
        return RawClient(line.split("Channel Access at ")[1].split()[0], user)

    def audit(self, alias: str, result: str) -> list[dict[str, Any]]:
        """The lines about puts by an alias, once there are any."""

        def found() -> list[dict[str, Any]]:
            path = self.process.state / "audit.log"
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
            return [one for one in lines if (one.get("alias"), one["result"]) == (self.old + alias, result)]

        return wait_until(found, what=f"audit of {alias}")

    def dmioc(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same settings."""
        command = [sys.executable, "-m", "dmioc", words[0], "--config", str(self.config), "--prefix", self.prefix]
        return subprocess.run(
            [*command, *words[1:]], env=os.environ, capture_output=True, text=True, timeout=60, check=False
        )


def settings(old: str, acf: Path) -> str:
    """What an instrument of 8-ID would have."""
    return f"""
[aliases]
"{old}StrReg4" = {{ pv = "EXP:Name", type = "string" }}
"{old}StrReg6" = {{ pv = "WF1:Name", type = "string" }}
"{old}StrReg30" = {{ pv = "WF1:FilePath", type = "string" }}
"{old}FilePath" = "WF1:FilePath"
"{old}Reg170" = "WF1:Run"
"{old}Reg171" = "WF1:IfRunning"
"{old}Status" = "WF1:Status"
"{old}users" = "EXP:Users"
[access]
file = "{acf}"
[audit]
format = "json"
burst_s = 0.2
[slots]
daq = 0
upload = 0
workflow = 1
stream = 0
"""


@pytest.fixture(scope="module")
def station(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    top, old = tmp_path_factory.mktemp("aliases"), f"{secrets.token_hex(3)}:"
    (top / "access.acf").write_text(ACF.format(user=ME))
    config = top / "dmioc.toml"
    config.write_text(settings(old, top / "access.acf"), "utf-8")
    with running_gateway(top / "state", "--config", str(config)) as process:
        registers = CaClient(old)
        yield Station(process, config, old, registers)
        registers.close()


@pytest.fixture(scope="module")
def gateway(station: Station) -> GatewayProcess:
    return station.process


@pytest.fixture
def pva() -> Iterator[Context]:
    with Context("pva", nt=False) as context:
        yield context


def whole(pva: Context, name: str) -> tuple[Any, ...]:
    """Value, alarm and time over PVAccess."""
    got = pva.get(name, timeout=30).todict()
    return got["value"], got["alarm"], got["timeStamp"]


def stamped(client: CaClient, name: str) -> tuple[Any, ...]:
    """The same over Channel Access."""
    data = client.metadata(name)
    return client.get(name), data["severity"], data["status"], data["timestamp"]


def text_of(client: CaClient, name: str) -> str:
    """A CHAR waveform as it is; pyepics itself reads Latin-1."""
    characters = client.pv(name).get(use_monitor=False, timeout=30, as_numpy=False)
    return bytes(int(one) for one in characters).rstrip(b"\0").decode()


def raw_string(station: Station, name: str) -> bytes:
    """A string as its bytes; what pyepics makes of those that are not ASCII depends on the locale."""
    raw = station.raw(ME)
    try:
        return raw.get(raw.open(station.old + name).parameter2, DBR_STRING, 1).payload.rstrip(b"\0")
    finally:
        raw.close()


def test_the_old_device_works_as_it_is_written(station: Station, ca: CaClient) -> None:
    from ophyd import Component, Device, EpicsSignal

    class Registers(Device):
        experiment_name = Component(EpicsSignal, "StrReg4", string=True)
        workflow_name = Component(EpicsSignal, "StrReg6", string=True)

    registers = Registers(station.old, name="registers")
    registers.wait_for_connection(timeout=30)
    try:
        registers.experiment_name.set("demo").wait(timeout=30)
        registers.workflow_name.put("example-01")
        ca.wait_for("WF1:Name", "example-01")
        assert (ca.get("EXP:Name"), registers.experiment_name.get()) == ("demo", "demo")
        ca.put("WF1:Name", "xpcs8-02-Lambda")  # what is put to the PV is seen by those who watch the register
        wait_until(lambda: registers.workflow_name.get() == "xpcs8-02-Lambda", what="the register follows")
        assert registers.describe()["registers_workflow_name"]["dtype"] == "string"
    finally:
        registers.destroy()
    pv = station.registers.pv("StrReg4")
    assert (pv.type, pv.count, station.registers.get("StrReg4.RTYP")) == ("time_string", 1, "stringout")
    assert station.registers.get("StrReg4.NAME") == f"{station.prefix}EXP:Name", "as EPICS' own aliases"
    assert station.registers.get("StrReg4.DESC") == ca.get("EXP:Name.DESC")


def test_both_names_show_one_state_over_both_protocols(station: Station, ca: CaClient, pva: Context) -> None:
    pairs = {"StrReg4": "EXP:Name", "FilePath": "WF1:FilePath", "Status": "WF1:Status", "users": "EXP:Users"}
    ca.put("WF1:FilePath", list(LONG.encode()))
    for alias, name in pairs.items():
        assert stamped(station.registers, alias) == stamped(ca, name), name
        assert whole(pva, station.old + alias) == whole(pva, station.prefix + name), name
    with watched(f"{station.old}Reg171") as by_alias, watched(f"{station.prefix}WF1:IfRunning") as by_name:
        for index in (1, 2, 0):
            station.registers.put("Reg171", index)
        wait_until(lambda: len(by_alias) >= 4 and len(by_name) >= 4, what="three updates each")
    assert by_alias == by_name and [event.value for event in by_name[-3:]] == [1, 2, 0]


def test_a_text_that_does_not_fit_is_told_apart_and_a_put_sets_all_of_it(
    station: Station, ca: CaClient, pva: Context
) -> None:
    ca.put("WF1:FilePath", "/short")
    assert len(CUT.encode()) == 38 and LONG.startswith(CUT) and LONG[: len(CUT) + 1] != CUT
    with watched(f"{station.old}StrReg30") as seen:
        ca.put("WF1:FilePath", list(LONG.encode()))
        wait_until(lambda: len(seen) == 2, what="the long text")
        assert raw_string(station, "StrReg30") == CUT.encode()
        assert stamped(station.registers, "StrReg30")[1:] == (MINOR, SOFT, ca.metadata("WF1:FilePath")["timestamp"])
        value, alarm, _ = whole(pva, f"{station.old}StrReg30")
        assert (value, alarm["severity"], alarm["message"]) == (CUT, MINOR, "SOFT")
        assert ca.severity("WF1:FilePath") == 0 and station.registers.severity("FilePath") == 0, "the PV holds it all"
        for name in ("StrReg30$", "StrReg30.VAL$", "FilePath"):
            assert text_of(station.registers, name) == LONG and station.registers.severity(name) == 0, name
        assert station.registers.get("StrReg30.SEVR") == "MINOR" and station.registers.get("StrReg30.STAT") == "SOFT"
        station.registers.put("StrReg30", "/raw/y")
        wait_until(lambda: len(seen) == 3, what="the short text")
    assert [(event.value[:6], event.severity) for event in seen] == [("/short", 0), (CUT[:6], MINOR), ("/raw/y", 0)]
    assert pva.get(f"{station.prefix}WF1:FilePath", timeout=30)["value"] == "/raw/y", "nothing of the old one is left"
    pva.put(f"{station.old}StrReg30", LONG, timeout=30)
    assert pva.get(f"{station.prefix}WF1:FilePath", timeout=30)["value"] == LONG
    assert whole(pva, f"{station.old}StrReg30")[1]["severity"] == MINOR


@pytest.mark.parametrize(
    ("data_type", "count", "payload", "text"),
    [
        (DBR_STRING, 1, b"demo\0" + b"x" * 35, "demo"),
        (DBR_STRING, 1, b"h\xe9llo".ljust(40, b"\0"), "héllo"),  # Latin-1
        (DBR_STRING, 1, bytes(40), ""),
        (DBR_LONG, 1, struct.pack(">i", 170), "170"),
        (DBR_CHAR, 60, b"y" * 60, "y" * 60),
        (DBR_CHAR, 2000, b"z" * 2000, None),
        (DBR_STRING, 2, bytes(80), None),
        (DBR_CHAR, 5000, b"short", None),
    ],
)
def test_it_takes_what_a_register_took(
    station: Station, ca: CaClient, data_type: int, count: int, payload: bytes, text: str | None
) -> None:
    ca.put("WF1:FilePath", "before")
    raw = station.raw(ME)
    try:
        channel = raw.open(f"{station.old}StrReg30")
        assert (channel.data_type, channel.count) == (DBR_STRING, 1)
        raw.put(channel.parameter2, data_type, count, payload)
        assert raw.receive(19).parameter1 == (PUT_FAILED if text is None else NORMAL)
    finally:
        raw.close()
    wanted = "before" if text is None else text
    assert text_of(ca, "WF1:FilePath") == wanted


def test_a_command_by_its_old_name_runs_to_its_end(station: Station, ca: CaClient, pva: Context, data: Path) -> None:
    (data / "f").touch()
    station.registers.put("StrReg6", "example-01")
    station.registers.put("FilePath", str(data / "f"))
    count = ca.get("WF1:CmdCount")
    with watched(f"{station.old}Reg170") as seen:
        station.registers.put("Reg170", 1)
        assert (ca.outcome("WF1:Run")[0], ca.get("WF1:Status")) == ("OK", "Done")
        wait_until(lambda: len(seen) >= 3, what="Busy and Idle")
    assert [event.value for event in seen] == [0, 1, 0]
    pva.put(f"{station.old}Reg170", {"value.index": 1}, request="record[block=true]", timeout=60)
    assert ca.get("WF1:CmdCount") == count + 2
    ended = wait_until(lambda: (found := station.audit("Reg170", "OK"))[1:] and found, what="both ends")
    assert {one["pv"] for one in ended} == {f"{station.prefix}WF1:Run"} and ended[0]["took"] > 0
    assert [one["via"] for one in station.audit("Reg170", "Accepted")] == ["ca", "pva"]
    station.registers.put("StrReg6", "no-such-workflow")
    with pytest.raises(RemoteError, match="no-such-workflow"):
        pva.put(f"{station.old}Reg170", {"value.index": 1}, request="record[block=true]", timeout=60)
    [refused] = station.audit("Reg170", "Refused")
    assert f"as {station.old}Reg170: " in ca.get("Message") and refused["pv"] == f"{station.prefix}WF1:Run"


def test_who_may_not_put_to_the_pv_may_not_put_to_its_alias(station: Station, ca: CaClient) -> None:
    ca.put("EXP:Name", "demo")
    stranger = station.raw("mallory")
    name = f"{station.old}StrReg4"
    try:
        stranger.send(18, p1=1, p2=13, payload=(name.encode() + b"\0").ljust(32, b"\0"))
        assert not stranger.receive(22).parameter2 & WRITE_RIGHT
        sid = stranger.receive(18).parameter2
        stranger.put(sid, DBR_STRING, 1, b"mine".ljust(40, b"\0"))
        assert stranger.receive(19).parameter1 == NO_WRITE_ACCESS
    finally:
        stranger.close()
    assert ca.get("EXP:Name") == "demo"
    [denied] = station.audit("StrReg4", "Denied")
    pv = f"{station.prefix}EXP:Name"
    assert (denied["pv"], denied["user"], denied["new"]) == (pv, "mallory", "mine")
    assert f"{pv}: no write access for mallory@127.0.0.1 over ca as {name}: ASG DMWRITE" in denied["message"]
    told = station.dmioc("check", "--access", "mallory", "localhost", f"{name}.VAL")
    assert told.returncode == 1 and f"may NOT put to {pv}\n  {name} is an alias of it\n" in told.stdout


def test_it_is_listed_with_what_it_stands_for(station: Station, pva: Context) -> None:
    head, *lines = station.dmioc("pvs", "WF1:FilePath").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [f"{station.prefix}WF1:FilePath", "text(1024)"],
        [f"{station.old}StrReg30", "string"],
        [f"{station.old}FilePath", "text(1024)"],
    ]
    assert [line[head.index("alias of") :].strip() for line in lines] == ["", *[f"{station.prefix}WF1:FilePath"] * 2]
    rpc = f"{station.prefix}RPC"
    query = NTURI([("method", "s"), ("filter", "s")]).wrap(rpc, kws={"method": "pvs", "filter": station.old})
    table = pva.rpc(rpc, query, timeout=30)
    assert len(table["value.pv"]) == 8 and table["value.pv"][0] == f"{station.old}StrReg4"
    assert (table["value.aliasOf"][0], table["value.type"][0]) == (f"{station.prefix}EXP:Name", "string")


def test_a_name_is_served_once(station: Station, tmp_path: Path) -> None:
    other = GatewayProcess(tmp_path / "state", "--config", str(station.config))
    other.launch()
    try:
        assert other.process.wait(20) == 3
    finally:
        other.end()
    complaint = [line for line in other.log().splitlines() if line.startswith("dmioc: ")]
    assert complaint == [
        f"dmioc: [aliases] '{station.old}StrReg4' is already served by another IOC: take it out of that one, or out of [aliases]"
    ]
    elsewhere = {("gateway", "state_directory"): tmp_path / "other", ("gateway", "prefix"): "Other:"}
    report = check_station(load_settings(station.config, {}, elsewhere), dict(os.environ), station.config)
    found = {row["what"]: row for row in json.loads(report.as_json())["findings"]}
    assert found["aliases"]["result"] == "warning" and f"{station.old}StrReg4 is served" in found["aliases"]["text"]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[aliases]\n"8idi:StrReg1" = "EXP:Nam"\n', "utf-8")
    other = GatewayProcess(tmp_path / "state", "--config", str(wrong))
    other.launch()
    try:
        assert other.process.wait(20) == 2
    finally:
        other.end()
    assert f"[aliases] '8idi:StrReg1' = 'EXP:Nam': there is no PV {other.prefix}EXP:Nam; EXP:Name is one" in other.log()


def test_what_was_put_by_an_alias_is_kept_over_a_restart(station: Station, ca: CaClient) -> None:
    station.registers.put("StrReg30", "kept/by/its/old/name")
    station.registers.put("Reg171", "Wait")
    assert station.process.stop() == 0
    for client in (station.registers, ca):
        client.close(clear_channels=True)
    station.process.start()
    assert (ca.get("WF1:FilePath"), ca.get("WF1:IfRunning")) == ("kept/by/its/old/name", "Wait")
    assert (station.registers.get("StrReg30"), station.registers.severity("StrReg30")) == ("kept/by/its/old/name", 0)
