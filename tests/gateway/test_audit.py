"""Every put of every protocol on record: who, where, what, old and new, and what became of it."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_process import CaClient, GatewayProcess, running_gateway
from p4p.client.thread import Context, RemoteError
from p4p.nt import NTURI
from raw_ca_client import RawClient
from waiting import wait_until

ME = pwd.getpwuid(os.getuid()).pw_name
BURST_S = 0.6
ACF = f"""UAG(admins) {{ "{ME}" }}
ASG(DMADMIN) {{ RULE(1, READ) RULE(1, WRITE) {{ UAG(admins) }} }}
"""


class Audit:
    """The two files of a gateway."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.path = path
        self._prefix = prefix

    def lines(self, name: str, result: str = "") -> list[dict[str, Any]]:
        """The JSON lines about a PV, oldest first."""
        path = self.path.with_name(self.path.name + ".json")
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        return [one for one in found if one["pv"] == self._prefix + name and result in ("", one["result"])]

    def texts(self, name: str) -> list[str]:
        """The lines in caPutLog's form about a PV."""
        return [line for line in self.path.read_text("utf-8").splitlines() if f" {self._prefix}{name} " in line]

    def wait(self, name: str, result: str = "", count: int = 1) -> list[dict[str, Any]]:
        """The JSON lines about a PV, once there are so many."""
        wait_until(lambda: len(self.lines(name, result)) >= count, what=f"{count} lines about {name}")
        return self.lines(name, result)


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    top = tmp_path_factory.mktemp("audited")
    (top / "access.acf").write_text(ACF)
    config = top / "dmioc.toml"
    config.write_text(
        f'[audit]\nfile = "{top}/log/audit.log"\nformat = "both"\nburst_s = {BURST_S}\n'
        f'[access]\nfile = "{top}/access.acf"\n[slots]\ndaq = 1\nupload = 1\nworkflow = 2\nstream = 1\n'
    )
    with running_gateway(top / "state", "--config", str(config)) as process:
        yield process


@pytest.fixture(scope="module")
def audit(gateway: GatewayProcess) -> Audit:
    return Audit(gateway.state.parent / "log" / "audit.log", gateway.prefix)


@pytest.fixture
def pva() -> Iterator[Context]:
    with Context("pva", nt=False) as context:
        yield context


def test_a_put_over_each_protocol_is_one_line_in_each_form(
    gateway: GatewayProcess, ca: CaClient, pva: Context, audit: Audit
) -> None:
    ca.put("WF2:Name", "by CA")
    audit.wait("WF2:Name")
    pva.put(f"{gateway.prefix}WF2:Name", "by PVA", timeout=30)
    pva.put(f"{gateway.prefix}WF2:IfRunning", {"value.index": 2}, timeout=30)
    found = audit.wait("WF2:Name", count=2)
    keys = ("host", "user", "new", "old", "via", "result")
    assert [tuple(one[key] for key in keys) for one in found] == [
        ("127.0.0.1", ME, "by CA", "", "ca", "OK"),
        ("127.0.0.1", ME, "by PVA", "by CA", "pva", "OK"),
    ]
    text = audit.texts("WF2:Name")
    assert re.fullmatch(
        rf'\d\d-\w{{3}}-\d\d \d\d:\d\d:\d\d 127\.0\.0\.1 {ME} {gateway.prefix}WF2:Name new="by CA" old="" via=ca result=OK',
        text[0],
    )
    assert len(text) == 2
    (enum,) = audit.wait("WF2:IfRunning")
    assert (enum["new"], enum["old"], enum["via"]) == ("Refuse", "Start", "pva")


def test_a_burst_is_one_line_with_first_last_least_greatest_and_number(ca: CaClient, audit: Audit) -> None:
    ca.put("STR1:ReadyTimeout", 20.0)
    audit.wait("STR1:ReadyTimeout")
    pv = ca.pv("STR1:ReadyTimeout")
    values = [50.0, 7.0, *(float(number) for number in range(100, 190)), 33.0]
    for value in values:
        pv.put(value, wait=False)
    ca.wait_for("STR1:ReadyTimeout", 33.0)
    first, *rest = audit.wait("STR1:ReadyTimeout", count=2)
    assert (first["new"], "count" in first) == (20.0, False)
    # One line, unless the machine stood still for so long in the midst of the puts.
    assert sum(one["count"] for one in rest) == len(values) and len(rest) == 1
    (burst,) = rest
    assert [burst[key] for key in ("old", "new", "min", "max", "count")] == [20.0, 33.0, 7.0, 189.0, len(values)]
    assert f"new=33 old=20 min=7 max=189 count={len(values)} via=ca" in audit.texts("STR1:ReadyTimeout")[1]


def test_a_command_is_put_on_record_when_it_begins_and_when_it_ends(ca: CaClient, audit: Audit, data: Path) -> None:
    (data / "f").touch()
    request = secrets.token_hex(6)
    ca.puts("WF1:", Name="example-01", FilePath=str(data / "f"), RequestID=request)
    assert ca.command("WF1:Run")[0] == "OK"
    begun, ended = audit.wait("WF1:Run", count=2)
    assert (begun["new"], begun["old"], begun["result"], "request" in begun) == ("Busy", "Idle", "Accepted", False)
    assert (ended["new"], ended["old"], ended["result"], ended["request"]) == ("Idle", "Busy", "OK", request)
    assert ca.get("WF1:JobID") in ended["message"] and ended["took"] > 0.0
    whole = audit.path.read_text("utf-8")
    assert whole.index("WF1:RequestID") < whole.index("WF1:Run"), "what it used stands before it"
    ca.put("WF1:RequestID", "")
    ca.put("WF1:Name", "no-such-workflow")
    assert ca.command("WF1:Start")[0] == "Refused"
    begun, ended = audit.wait("WF1:Start", count=2)
    assert (begun["result"], ended["result"]) == ("Accepted", "Refused") and "no-such-workflow" in ended["message"]


def rpc(pva: Context, prefix: str, **arguments: str) -> Any:
    uri = NTURI([(name, "s") for name in arguments])
    return pva.rpc(f"{prefix}RPC", uri.wrap(f"{prefix}RPC", kws=arguments), timeout=30)


def test_commands_by_name_are_put_on_record_and_questions_are_not(
    gateway: GatewayProcess, pva: Context, audit: Audit
) -> None:
    rpc(pva, gateway.prefix, method="experiments")
    name = f"audited-{secrets.token_hex(3)}"
    rpc(pva, gateway.prefix, method="createExperiment", name=name, type="TEST")
    with pytest.raises(RemoteError):
        rpc(pva, gateway.prefix, method="createExperiment", name="x", startDat="2026-01-01")
    job = rpc(pva, gateway.prefix, method="startWorkflow", workflow="example-01", requestId=name)
    begun, ended, refused = audit.wait("RPC.createExperiment", count=3)
    assert (begun["via"], begun["result"], json.loads(begun["new"])) == (
        "rpc",
        "Accepted",
        {"name": name, "type": "TEST"},
    )
    assert ended["result"] == "OK" and name in ended["message"]
    assert refused["result"] == "Refused" and "startDat" in refused["message"]
    ended = audit.wait("RPC.startWorkflow", count=2)[1]
    assert ended["request"] == name and job["id"] in ended["message"]
    assert audit.lines("RPC.experiments") == []


def test_what_is_refused_or_denied_is_on_record_too(
    gateway: GatewayProcess, ca: CaClient, pva: Context, audit: Audit
) -> None:
    ca.pv("LostAfter").put(-1.0, wait=False)
    (line,) = audit.wait("LostAfter", "Refused")
    assert (line["new"], line["via"]) == (-1.0, "ca") and "takes 0.1 to" in line["message"]
    with pytest.raises(RemoteError):
        pva.put(f"{gateway.prefix}State", {"value.index": 1}, timeout=30)
    assert "is read-only" in audit.wait("State", "Refused")[0]["message"]
    address = next(word for line in gateway.lines for word in line.split() if re.fullmatch(r"127\.0\.0\.1:\d+", word))
    mallory = RawClient(address, "mallory\tor \nso")
    try:
        for name, data_type in (("Control", 3), ("Control.DESC", 0)):
            sid = mallory.open(gateway.prefix + name).parameter2
            mallory.put(sid, data_type, 1, struct.pack(">H", 0) if data_type else b"0\0\0\0\0\0\0\0")
            mallory.receive(19)
    finally:
        mallory.close()
    (denied,) = audit.wait("Control", "Denied")
    assert (denied["user"], denied["new"], denied["old"]) == ("mallory\tor \nso", 0, "Enabled")
    assert "no write access for mallory" in denied["message"] and "ASG DMADMIN is for UAG(admins)" in denied["message"]
    assert r" 127.0.0.1 mallory\tor\x20\nso " in audit.texts("Control")[0]
    assert audit.wait("Control.DESC", "Refused")
    assert ca.get("Control") == "Enabled"
    ca.put("Control", 0)
    try:
        assert ca.command("Refresh")[0] == "Refused"
        assert "Control is Disabled" in audit.wait("Refresh", "Refused")[0]["message"]
    finally:
        ca.put("Control", 1)


def test_a_text_of_several_lines_is_one_line_and_a_long_one_is_short(ca: CaClient, audit: Audit) -> None:
    ca.put("EXP:New:Description", list(b'two\nlines "and" \x1b[31m more\0'))
    ca.put("MD:JSON", list(b'{"a": "' + b"x" * 100_000 + b'"}'))
    (line,) = audit.wait("EXP:New:Description")
    assert line["new"] == 'two\nlines "and" \x1b[31m more'
    assert r'new="two\nlines \"and\" \x1b[31m more" old=""' in audit.texts("EXP:New:Description")[0]
    (line,) = audit.wait("MD:JSON")
    assert len(line["new"]) == 400 and line["new-size"] == 100_009
    assert len(audit.texts("MD:JSON")[0]) < 700


def test_a_report_of_a_workflow_is_a_put_too(gateway: GatewayProcess, pva: Context, audit: Audit) -> None:
    with pytest.raises(RemoteError):
        pva.put(f"{gateway.prefix}STR1:Report", {"session": "nobody's", "seq": 4}, timeout=30)
    (line,) = audit.wait("STR1:Report", "Refused")
    assert json.loads(line["new"]) == {"session": "nobody's", "seq": 4}


def test_a_full_disk_is_told_stops_no_put_and_loses_nothing(ca: CaClient, audit: Audit) -> None:
    ca.put("UPL1:DestDirectory", "before")
    audit.wait("UPL1:DestDirectory")
    aside = audit.path.with_suffix(".aside")
    audit.path.rename(aside)
    audit.path.symlink_to("/dev/full")
    try:
        ca.put("UPL1:DestDirectory", "while full")
        assert ca.get("UPL1:DestDirectory") == "while full"
        message = ca.wait_for("Message", lambda text: "audit: audit file" in text)
        assert f"{audit.path} cannot be written: No space left on device; puts go on" in message
        assert ca.severity("Message") == 0
    finally:
        audit.path.unlink()
        aside.rename(audit.path)
    ca.wait_for("Message", lambda text: "audit: the file is written again; nothing is lost" in text)
    assert [line.partition(" new=")[2].partition(" ")[0] for line in audit.texts("UPL1:DestDirectory")] == [
        '"before"',
        '"while',
    ]
    assert len(audit.lines("UPL1:DestDirectory")) == 2, "the other form was written all the time"


def test_every_put_is_counted_whatever_comes_between(ca: CaClient, audit: Audit) -> None:
    names = ("WF2:FilePath", "UPL1:SourcePath", "DAQ1:DataDirectory")
    for number in range(90):
        ca.pv(names[number % 3]).put(f"/{number}", wait=False)
    for place, name in enumerate(names):
        ca.wait_for(name, f"/{87 + place}")
        wait_until(
            lambda name=name: sum(one.get("count", 1) for one in audit.lines(name)) == 30, what=f"all puts to {name}"
        )
        assert audit.lines(name)[-1]["new"] == f"/{87 + place}"


def test_what_waits_is_written_at_the_end_and_an_interrupted_command_too(
    gateway: GatewayProcess, ca: CaClient, audit: Audit, data: Path
) -> None:
    ca.puts("DAQ1:", DataDirectory=str(data), Expect=1000, WaitTimeout=60.0)
    assert ca.command("DAQ1:Start")[0] == "OK", ca.outcome("DAQ1:Start")
    ca.put("DAQ1:Wait", 1, wait=False)
    audit.wait("DAQ1:Wait", "Accepted")
    ca.put("WF2:Owner", "last")
    assert gateway.stop() == 0
    assert [one["new"] for one in audit.lines("WF2:Owner")] == ["last"]
    assert [one["result"] for one in audit.lines("DAQ1:Wait")] == ["Accepted", "Interrupted"]
