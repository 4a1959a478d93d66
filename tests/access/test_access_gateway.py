"""The rules at work: what libca, p4p and a client that speaks bytes are told and may do, and a file that changes meanwhile."""

from __future__ import annotations

import json
import os
import pty
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import CaClient, GatewayProcess
from guarded_gateway import CLOSED, ME, OPEN, Guarded, rpc
from p4p.client.thread import Context, RemoteError
from raw_ca_client import RawClient
from waiting import wait_until

NO_WRITE_ACCESS = 376
"""ECA_NOWTACCESS with its severity."""
WRITE_RIGHT = 2


@pytest.fixture
def pva() -> Iterator[Context]:
    with Context("pva", nt=False) as context:
        yield context


@pytest.fixture
def opened(guarded: Guarded, ca: CaClient) -> Iterator[Guarded]:
    """The gateway, open to us again after the test."""
    yield guarded
    guarded.reload(OPEN)


def opened_channel(raw: RawClient, name: str) -> tuple[int, int]:
    """The channel's number, and the rights that the client was told before."""
    raw.send(18, p1=1, p2=13, payload=(name.encode() + b"\0").ljust(-(-(len(name) + 1) // 8) * 8, b"\0"))
    rights = raw.receive(22).parameter2
    return raw.receive(18).parameter2, rights


def test_libca_sees_its_rights_and_a_reload_changes_them_on_open_channels(opened: Guarded, ca: CaClient) -> None:
    from epics.ca import CASeverityException

    name, command, text = ca.pv("WF1:Name"), ca.pv("WF1:Start"), ca.pv("WF1:Name.DESC")
    others = [ca.pv("Control"), ca.pv("WF1:Status")]
    changes: list[tuple[bool, bool]] = []
    name.access_callbacks.append(lambda read, write, pv: changes.append((read, write)))
    assert (name.write_access, command.write_access, text.write_access) == (True, True, False)
    assert [pv.write_access for pv in others] == [True, False], "Control is not in the file: this host writes"
    ca.put("WF1:Name", "before")
    opened.reload(CLOSED)
    wait_until(lambda: not name.write_access and not command.write_access, what="write access is gone")
    assert changes == [(True, False)]
    assert name.read_access and [pv.write_access for pv in others] == [True, False]
    with pytest.raises(CASeverityException, match="Write access denied"):  # by libca itself
        name.put("after", wait=False)
    assert ca.get("WF1:Name") == "before"
    opened.reload(OPEN)
    wait_until(lambda: name.write_access and command.write_access, what="write access is back")
    ca.put("WF1:Name", "after")
    assert ca.get("WF1:Name") == "after"


def test_users_are_told_apart_and_a_put_that_comes_anyway_is_refused_with_the_reason(
    opened: Guarded, ca: CaClient
) -> None:
    mark = len(opened.process.log())
    alice, mallory = opened.raw("alice"), opened.raw("mallory")
    try:
        sid, rights = opened_channel(alice, f"{opened.prefix}LostAfter")
        assert rights & WRITE_RIGHT
        sid, rights = opened_channel(alice, f"{opened.prefix}STR1:ReadyTimeout")
        assert rights & WRITE_RIGHT
        alice.put(sid, 6, 1, struct.pack(">d", 31.0))
        assert alice.receive(19).parameter1 == 1
        sid, rights = opened_channel(mallory, f"{opened.prefix}STR1:ReadyTimeout")
        assert not rights & WRITE_RIGHT
        mallory.put(sid, 6, 1, struct.pack(">d", 66.0))
        assert mallory.receive(19).parameter1 == NO_WRITE_ACCESS
        mallory.put(sid, 6, 1, struct.pack(">d", 66.0), wait=False)
        reason = mallory.receive(11).payload
        mallory.put(sid, 6, 2, struct.pack(">dd", 66.0, 67.0))
        assert mallory.receive(19).parameter1 == NO_WRITE_ACCESS, "also one that makes no sense"
    finally:
        alice.close()
        mallory.close()
    assert ca.get("STR1:ReadyTimeout") == 31.0
    pv = f"{opened.prefix}STR1:ReadyTimeout"
    words = f"{pv}: no write access for mallory@127.0.0.1 over ca: ASG DMWRITE is for UAG(staff) HAG(here), by"
    assert words.encode() in reason and b"access.acf line 3" in reason
    assert opened.log_since(mark).count(words) == 1, "a stranger does not flood the log"


def test_a_user_who_gives_another_name_has_its_rights(opened: Guarded) -> None:
    raw = opened.raw("mallory")
    try:
        _sid, rights = opened_channel(raw, f"{opened.prefix}WF1:Name")
        assert not rights & WRITE_RIGHT
        raw.send(20, payload=b"alice\0\0\0")
        message = raw.receive(22)
        assert (message.parameter1, message.parameter2 & WRITE_RIGHT) == (1, WRITE_RIGHT)
    finally:
        raw.close()


def test_fields_take_no_puts_from_anybody(guarded: Guarded, ca: CaClient) -> None:
    raw = guarded.raw("alice")
    mark = len(guarded.process.log())
    try:
        for field in ("DESC", "EGU", "PREC", "HOPR"):
            name = f"{guarded.prefix}STR1:ReadyTimeout.{field}"
            sid, rights = opened_channel(raw, name)
            assert not rights & WRITE_RIGHT
            raw.put(sid, 0, 1, b"hacked\0\0")
            assert raw.receive(19).parameter1 == NO_WRITE_ACCESS
            raw.put(sid, 0, 1, b"hacked\0\0", wait=False)
            assert f"{name} cannot be written by alice@127.0.0.1".encode() in raw.receive(11).payload
    finally:
        raw.close()
    assert ca.get("STR1:ReadyTimeout.EGU") == "s"
    assert f"{guarded.prefix}STR1:ReadyTimeout.DESC cannot be written" in guarded.log_since(mark)


def test_pvaccess_is_denied_with_the_reason_and_decided_anew_after_a_reload(
    opened: Guarded, ca: CaClient, pva: Context
) -> None:
    name, start = f"{opened.prefix}WF1:Name", f"{opened.prefix}WF1:Start"
    pva.put(name, "by PVA", timeout=30)
    before = ca.get("WF1:CmdCount"), ca.outcome("WF1:Start")
    opened.reload(CLOSED)
    for pv, value, asg in ((name, "x", "DMWRITE"), (start, 1, "DMCOMMAND")):
        field = "value.index" if pv == start else "value"
        with pytest.raises(RemoteError) as caught:
            pva.put(pv, {field: value}, timeout=30, wait=True)
        text = str(caught.value)
        assert f"{pv}: no write access for {ME}@127.0.0.1 over pva" in text
        assert f"ASG {asg} is for UAG(staff) HAG(here), by {opened.acf} line" in text
    assert ca.get("WF1:Name") == "by PVA"
    assert (ca.get("WF1:CmdCount"), ca.outcome("WF1:Start")) == before, "who has no access changes nothing for others"
    assert pva.get(name, timeout=30)["value"] == "by PVA", "everybody reads"
    with pytest.raises(RemoteError, match="STR1:Report: no write access for"):
        pva.put(f"{opened.prefix}STR1:Report", {"session": "x", "seq": 1}, timeout=30)
    opened.reload(OPEN)
    pva.put(name, "again", timeout=30)
    assert ca.get("WF1:Name") == "again"


def test_commands_by_name_need_the_rights_of_commands_and_questions_do_not(opened: Guarded, pva: Context) -> None:
    opened.reload(CLOSED)
    created = {"name": "denied-one", "type": "TEST"}
    with pytest.raises(RemoteError) as caught:
        rpc(pva, opened.prefix, "createExperiment", **created)
    text = str(caught.value)
    assert f"{opened.prefix}RPC.createExperiment: no write access for {ME}@127.0.0.1 over rpc" in text
    assert "ASG DMCOMMAND is for UAG(staff) HAG(here)" in text
    names = rpc(pva, opened.prefix, "experiments")["value.name"]
    assert "demo" in names and "denied-one" not in names
    opened.reload(OPEN)
    assert rpc(pva, opened.prefix, "createExperiment", **created)["name"] == "denied-one"


def test_a_bad_new_file_keeps_the_old_rules_and_says_so(opened: Guarded, ca: CaClient) -> None:
    words = "not loaded, the rules before stay in force"
    logged = opened.reload(OPEN.replace("WRITE, TRAPWRITE", "WRTE, TRAPWRITE"), words)
    assert f"{opened.acf}, line 3: 'WRTE' is no permission" in logged
    ca.wait_for("Message", lambda text: words in text and "line 3" in text)
    assert ca.pv("WF1:Name").write_access
    ca.put("WF1:Name", "still")
    opened.acf.unlink()
    mark = len(opened.process.log())
    opened.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "cannot be read: No such file" in opened.log_since(mark), what="told")
    ca.put("WF1:Name", "still here")
    assert ca.get("WF1:Name") == "still here"


def test_a_host_of_the_file_that_has_no_address_is_told(opened: Guarded) -> None:
    logged = opened.reload(OPEN.replace("{ localhost }", "{ localhost, nowhere.invalid }"), "nowhere.invalid")
    assert "line 2: host nowhere.invalid has no address: nobody is taken for it" in logged


def transfer_refusals(guarded: Guarded) -> list[tuple[str, str]]:
    (guarded.allowed / "out").symlink_to(guarded.forbidden)
    return [
        (str(guarded.forbidden), "{}"),
        (f"{guarded.allowed}/../forbidden", "{}"),
        (f"{guarded.allowed}/out", "{}"),
        (f"/{guarded.forbidden}/", "{}"),
        ("@detector:/etc", "{}"),
        ("file:///etc", "{}"),
        (str(guarded.allowed), json.dumps({"anyKey": str(guarded.forbidden)})),
    ]


def test_slots_and_queries_by_name_keep_to_the_roots(guarded: Guarded, ca: CaClient, pva: Context) -> None:
    for path, options in transfer_refusals(guarded):
        for group, setpoint in (("DAQ1:", "DataDirectory"), ("UPL1:", "SourcePath")):
            ca.puts(group, **{setpoint: path, "Options": options})
            status, message = ca.command(f"{group}Start")
            assert status == "Refused" and "may read:" in message and str(guarded.allowed) in message, path
        more = json.loads(options)
        for method, name in (("startDaq", "dataDirectory"), ("upload", "path")):
            with pytest.raises(RemoteError, match="may read:"):
                rpc(pva, guarded.prefix, method, experiment="demo", **{name: path}, **more)
    ca.puts("UPL1:", SourcePath=f"{guarded.allowed}/", Options="{}", DestDirectory="../x")
    assert "destDirectory '../x' leads out of the experiment" in ca.command("UPL1:Start")[1]
    assert ca.get("DAQ:Active") == 0 and list(rpc(pva, guarded.prefix, "jobs")["value.id"]) == []
    ca.puts("DAQ1:", DataDirectory=f"{guarded.allowed}/.", Options="{}")
    assert ca.command("DAQ1:Start")[0] == "OK"
    assert ca.command("DAQ1:Stop")[0] == "OK"


def test_a_wrong_file_at_start_ends_with_2(tmp_path: Path) -> None:
    acf = tmp_path / "access.acf"
    acf.write_text("ASG(DMWRITE) {\n RULE(1, READ)\n RULE(3, WRITE)\n}\n")
    config = tmp_path / "dmioc.toml"
    config.write_text(f'[access]\nfile = "{acf}"\n')
    command = [sys.executable, "-m", "dmioc", "run", "--prefix", "TA:", "--state", str(tmp_path / "s")]
    ended = subprocess.run([*command, "--config", str(config)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert f"dmioc: {acf}, line 3: the level of a RULE is 0 or 1, not '3'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_decision_is_explained_on_the_command_line(tmp_path: Path) -> None:
    acf, config = tmp_path / "access.acf", tmp_path / "dmioc.toml"
    acf.write_text(OPEN)
    config.write_text(f'[gateway]\nprefix = "TC:"\n[access]\nfile = "{acf}"\n')

    def check(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dmioc", "check", "--config", str(config), "--access", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    allowed, denied, unknown = (
        check("alice", "localhost", "TC:WF1:Start"),
        check("mallory", "192.0.2.99", "WF1:Start"),
        check("alice", "localhost", "TC:WF9:Start"),
    )
    assert (allowed.returncode, denied.returncode, unknown.returncode) == (0, 1, 2)
    assert "alice at localhost (this host) may put to TC:WF1:Start" in allowed.stdout
    assert "mallory at 192.0.2.99 may NOT put to TC:WF1:Start" in denied.stdout
    assert "does not hold: not in UAG(staff) and not in HAG(here)" in denied.stdout
    assert "there is no PV 'TC:WF9:Start'" in unknown.stderr


def test_a_terminal_that_is_closed_ends_the_gateway_and_kill_hup_does_not(repeater: None, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    gateway = GatewayProcess(tmp_path / "state")
    try:
        gateway.launch(stdin=slave)
        os.close(slave)
        wait_until(lambda: any(line.startswith("dmioc serves") for line in gateway.lines), 20.0, what="it serves")
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the rules were loaded anew" in gateway.log(), what="the rules were loaded")
        os.close(master)
        assert gateway.stop(signal.SIGHUP) == 0
        assert "Traceback" not in gateway.log()
    finally:
        gateway.end()
