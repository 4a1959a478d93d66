"""Clients that nobody here wrote, against the real gateway: caproto's tools, ophyd, pyepics, and libca as C programs use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_timeouts import ANSWER_TIMEOUT_S
from gateway_monitor import values, watched
from gateway_process import CaClient, GatewayProcess, timed
from waiting import wait_until

DEADLINE_S = 20
AT_ONCE_S = 0.5


def tool(name: str, *arguments: str) -> str:
    """What one of caproto's command line tools prints."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(f"caproto-{name}")), "--no-repeater", "--no-color", *arguments],
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def running_job(ca: CaClient) -> Iterator[None]:
    """A job of about a minute, run by a command that stays Busy."""
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null")
    ca.put("WF1:Run", 1, wait=False)
    ca.wait_for("WF1:Status", "Running")
    yield
    ca.put("WF1:Abort", 1)
    ca.wait_for("WF1:Run", "Idle")


def raw_text(ca: CaClient, name: str) -> bytes:
    return bytes(bytearray(int(value) for value in ca.pv(name).get(use_monitor=False, timeout=30, as_numpy=False)))


# --- caproto


def test_caproto_tools(ca: CaClient, file_of_text: Path) -> None:
    name = f"{ca.prefix}WF2:FilePath"
    tool("put", "-S", "--notify", name, str(file_of_text))
    assert ca.get("WF2:FilePath") == str(file_of_text)
    long, enum, double, string = (f"{ca.prefix}{one}" for one in ("PVCount", "WF2:IfRunning", "PollPeriod", "Station"))
    assert tool("get", "-S", "--terse", name).strip() == str(file_of_text)
    shown = tool("get", "--terse", long, enum, double, string).splitlines()
    expected = [str(ca.get("PVCount")), "Start", "0.1", "DEMO"]
    assert all(one in line for one, line in zip(expected, shown, strict=True)), shown
    assert "Wait" in tool("put", "--notify", enum, "Wait")
    assert ca.get("WF2:IfRunning") == "Wait"
    assert "Heartbeat" in tool("monitor", "--maximum", "2", f"{ca.prefix}Heartbeat")
    ca.put("WF2:IfRunning", "Start")


@pytest.fixture
def file_of_text(data: Path) -> Path:
    path = data / "a name with blanks.dat"
    path.write_bytes(b"text")
    return path


def test_caproto_runs_a_command_to_its_end(ca: CaClient, file_of_text: Path) -> None:
    ca.puts("WF2:", Name="example-01", FilePath=str(file_of_text), Args="")
    tool("put", "--notify", "--timeout", "15", f"{ca.prefix}WF2:Run", "1")
    assert (ca.get("WF2:CmdStatus"), ca.get("WF2:Status")) == ("OK", "Done")


def caproto_put(ca: CaClient, name: str, value: Any, **more: Any) -> str:
    """Status of a put with completion."""
    from caproto.sync.client import write

    answer = write(f"{ca.prefix}{name}", value, notify=True, timeout=30, repeater=False, **more)
    assert answer is not None
    return str(answer.status.name)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("PollPeriod", 1000.0, "DOUBLE"),
        ("PollPeriod", float("nan"), "DOUBLE"),
        ("PollPeriod", b"soon", "STRING"),
        ("PollPeriod", [0.1, 0.2], "DOUBLE"),
        ("DAQ1:Expect", -1, "LONG"),
        ("DAQ1:Expect", 2.5, "DOUBLE"),
        ("DAQ1:Expect", b"many", "STRING"),
        ("WF1:IfRunning", 3, "ENUM"),
        ("WF1:IfRunning", b"Perhaps", "STRING"),
        ("WF1:IfRunning", b"-1", "STRING"),
        ("WF1:Start", 2, "ENUM"),
        ("WF1:Start", 0, "ENUM"),
        ("WF1:Start", b"Idle", "STRING"),
        ("WF1:FilePath", b"x" * 1025, "CHAR"),
        ("WF1:RequestID", b"x" * 40, "CHAR"),
    ],
)
def test_wrong_put_is_an_error_and_changes_nothing(ca: CaClient, name: str, value: Any, kind: str) -> None:
    from caproto import ChannelType

    before, count = ca.get(name), ca.get("WF1:CmdCount")
    assert caproto_put(ca, name, value, data_type=ChannelType[kind]) == "ECA_PUTFAIL"
    assert (ca.get(name), ca.severity(name)) == (before, 0)
    assert name in ca.get("Message"), "the reason can be read"
    if name == "WF1:Start":
        state, message = ca.outcome(name)
        assert state == "Refused" and message.startswith("Start: WF1:Start takes "), message
        assert ca.get("WF1:CmdCount") == count + 1


def test_wrong_puts_disturb_nobody_else(ca: CaClient) -> None:
    from caproto import ChannelType

    connections: list[bool] = []
    import epics

    pv = epics.PV(f"{ca.prefix}Heartbeat", connection_callback=lambda conn, **_: connections.append(conn))
    wait_until(lambda: connections == [True], what="the other client is connected")
    with watched(f"{ca.prefix}PollPeriod") as periods:
        for _ in range(20):
            assert caproto_put(ca, "PollPeriod", [1.0] * 50, data_type=ChannelType.DOUBLE) == "ECA_PUTFAIL"
            assert caproto_put(ca, "Control", b"\xff" * 30, data_type=ChannelType.STRING) == "ECA_PUTFAIL"
        assert len(periods) == 1
    assert connections == [True]
    pv.disconnect()


def test_read_only_pvs_cannot_be_put(ca: CaClient) -> None:
    import epics

    for name in ("Heartbeat", "DAQ1:FilesDone", "WF1:Status", "EXP:State", "PVCount"):
        pv = ca.pv(name)
        assert not pv.write_access
        with pytest.raises(epics.ca.CASeverityException, match=r"[Ww]rite access"):
            epics.ca.put(pv.chid, 1, wait=True, timeout=2)


# --- ophyd


@pytest.fixture
def ophyd_signal(ca: CaClient) -> Iterator[Callable[..., Any]]:
    """Makes connected ophyd signals."""
    from ophyd import EpicsSignal, EpicsSignalRO

    made: list[Any] = []

    def make(name: str, read_only: bool = False, **more: Any) -> Any:
        cls = EpicsSignalRO if read_only else EpicsSignal
        made.append(cls(f"{ca.prefix}{name}", name=name.replace(":", "_").lower(), **more))
        made[-1].wait_for_connection(timeout=DEADLINE_S)
        return made[-1]

    yield make
    for one in made:
        one.destroy()
    ca.close()  # ophyd has closed the channels that pyepics shares between its PVs of one name


def test_ophyd_texts(ca: CaClient, ophyd_signal: Callable[..., Any]) -> None:
    path = ophyd_signal("UPL1:SourcePath", string=True, put_complete=True)
    shortest, full = "x", "y" * 1024
    for text in ("/a/path/of/more/than/forty/characters/certainly/so", "", full[:1023], shortest):
        path.set(text).wait(timeout=DEADLINE_S)
        assert path.get(use_monitor=False) == text
        wait_until(lambda text=text: path.get() == text, what="the monitored value")
    assert path.describe()["upl1_sourcepath"]["dtype"] == "string"
    readback = ophyd_signal("EXP:Description", read_only=True, string=True)
    assert "Demonstration" in readback.get()
    users = ophyd_signal("EXP:Users", read_only=True, string=True)
    assert isinstance(users.get(), str)


def test_ophyd_numbers_enums_and_strings(ca: CaClient, ophyd_signal: Callable[..., Any]) -> None:
    mode = ophyd_signal("UPL1:Mode", string=True)
    mode.set("Directory").wait(timeout=DEADLINE_S)
    assert mode.get() == "Directory" and mode.describe()["upl1_mode"]["enum_strs"] == ("Files", "Directory")
    mode.set(0).wait(timeout=DEADLINE_S)
    assert ca.get("UPL1:Mode") == "Files"
    expect = ophyd_signal("DAQ1:Expect", put_complete=True)
    expect.set(12).wait(timeout=DEADLINE_S)
    assert expect.get() == 12
    timeout = ophyd_signal("DAQ1:WaitTimeout", put_complete=True)
    timeout.set(12.5).wait(timeout=DEADLINE_S)
    assert timeout.get() == 12.5
    described = timeout.describe()["daq1_waittimeout"]
    assert (described["units"], described["precision"], described["dtype"]) == ("s", 1, "number")
    assert (described["lower_ctrl_limit"], described["upper_ctrl_limit"]) == (0.1, 366 * 86400.0)
    station = ophyd_signal("Station", read_only=True)
    assert station.get() == "DEMO"


def test_ophyd_command_completes_with_the_job(
    ca: CaClient, ophyd_signal: Callable[..., Any], file_of_text: Path
) -> None:
    ca.puts("WF2:", Name="example-01", FilePath=str(file_of_text), Args="")
    run = ophyd_signal("WF2:Run", put_complete=True)
    status = run.set(1)
    status.wait(timeout=DEADLINE_S)
    assert status.success
    assert (ca.get("WF2:Status"), ca.get("WF2:CmdStatus")) == ("Done", "OK")
    with pytest.raises(Exception, match=r"[Ll]imit|read-?only|[Ww]rite"):
        ophyd_signal("WF2:Status").put(1)


# --- pyepics and libca


def test_pyepics_functions(ca: CaClient) -> None:
    import epics

    name = f"{ca.prefix}DAQ1:DestDirectory"
    seen: list[str] = []
    epics.camonitor(name, callback=lambda char_value, **_: seen.append(char_value))
    assert epics.caput(name, "by caput", wait=True, timeout=30) == 1
    assert epics.caget(name, as_string=True, use_monitor=False) == "by caput"
    wait_until(lambda: seen and seen[-1] == "by caput", what="camonitor sees the text")
    epics.camonitor_clear(name)
    assert epics.caput(f"{ca.prefix}UPL1:Reprocess", "Yes", wait=True) == 1
    assert epics.caget(f"{ca.prefix}UPL1:Reprocess") == 1
    assert epics.caget(f"{ca.prefix}UPL1:Reprocess", as_string=True) == "Yes"
    assert epics.caput(f"{ca.prefix}UPL1:Reprocess", 0, wait=True) == 1
    info = epics.cainfo(f"{ca.prefix}PollPeriod", print_out=False)
    assert info is not None and "0.1" in info and "double" in info
    assert epics.caput(f"{ca.prefix}DAQ1:DestDirectory", "", wait=True) == 1
    assert epics.caget(name, as_string=True, use_monitor=False) == ""


@pytest.mark.parametrize(
    ("value", "kind", "index"),
    [("Wait", "STRING", 1), ("2", "STRING", 2), ("0", "STRING", 0), (2, "ENUM", 2), (1, "LONG", 1), (2.0, "DOUBLE", 2)],
)
def test_enum_takes_label_index_and_index_as_text(ca: CaClient, value: Any, kind: str, index: int) -> None:
    import epics

    pv = ca.pv("WF4:IfRunning")
    epics.ca.put(pv.chid, value, wait=True, timeout=30, ftype=getattr(epics.dbr, kind))
    assert pv.get(use_monitor=False, timeout=ANSWER_TIMEOUT_S) == index


@pytest.mark.parametrize("value", ["1", "Busy", 1])
def test_command_takes_label_index_and_index_as_text(ca: CaClient, value: str | int) -> None:
    import epics

    count = ca.get("CmdCount")
    kind = epics.dbr.STRING if isinstance(value, str) else epics.dbr.LONG
    assert epics.ca.put(ca.pv("Refresh").chid, value, wait=True, timeout=30, ftype=kind) == 1
    assert (ca.get("CmdStatus"), ca.get("CmdCount"), ca.get("Refresh")) == ("OK", count + 1, "Idle")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"plain", b"plain"),
        (b"trailing\0\0\0\0", b"trailing"),
        (b"cut\0here", b"cut"),
        (b"\0", b""),
        (b"\0" * 100, b""),
        ("Größe λ".encode(), "Größe λ".encode()),
        (b"caf\xe9", "café".encode()),
        (b"  blanks kept  ", b"  blanks kept  "),
        (b"two\nlines\ttab", b"two\nlines\ttab"),
        (b"f" * 1024, b"f" * 1024),
    ],
)
def test_text_as_bytes(ca: CaClient, sent: bytes, kept: bytes) -> None:
    import epics

    for name in ("DAQ2:DestDirectory", "UPL2:SourcePath"):
        epics.ca.put(ca.pv(name).chid, list(sent), wait=True, timeout=30)
        assert raw_text(ca, name).rstrip(b"\0") == kept


def test_text_as_string_type(ca: CaClient) -> None:
    """What C's caput sends without -S, and what caget -s asks for."""
    import epics

    pv = ca.pv("UPL2:DestDirectory")
    epics.ca.put(pv.chid, "as DBR_STRING", wait=True, timeout=30, ftype=epics.dbr.STRING, callback=None)
    assert ca.get("UPL2:DestDirectory") == "as DBR_STRING"
    assert epics.ca.get(pv.chid, ftype=epics.dbr.STRING, count=1, timeout=ANSWER_TIMEOUT_S) == ["as DBR_STRING"]
    for name, text in (("Control", "Enabled"), ("PollPeriod", "0.1"), ("Station", "DEMO")):
        assert epics.ca.get(ca.pv(name).chid, ftype=epics.dbr.STRING, timeout=ANSWER_TIMEOUT_S) == text


def test_monitor_with_full_count_shows_no_tail(ca: CaClient) -> None:
    import epics

    name = f"{ca.prefix}WF4:FilePath"
    seen: list[bytes] = []
    pv = epics.PV(name, count=1024, auto_monitor=True, callback=lambda value, **_: seen.append(bytes(bytearray(value))))
    try:
        assert pv.wait_for_connection(timeout=30)
        for text in ("a long text, longer than the next one" * 20, "short", "", "x" * 1024, "y"):
            ca.put("WF4:FilePath", text)
            wait_until(
                lambda text=text: seen and seen[-1].rstrip(b"\0") == text.encode(), what=f"{text!r} on the monitor"
            )
            assert len(seen[-1]) in (1024, max(1, len(text)))
    finally:
        pv.disconnect()


def test_plain_puts_return_at_once_while_a_command_runs(ca: CaClient, running_job: None) -> None:
    ca.connect(["WF1:Run", "WF1:Args", "WF1:FilePath", "DAQ1:Expect", "WF1:JobID", "WF1:CmdCount", "WF1:Start"])
    assert ca.get("WF1:Run") == "Busy"
    for name, value in (("WF1:Run", 1), ("WF1:Args", "{}"), ("WF1:FilePath", "/dev/zero"), ("DAQ1:Expect", 3)):
        assert timed(lambda name=name, value=value: ca.put(name, value, wait=False)) < AT_ONCE_S
        assert timed(lambda name=name: ca.get(name)) < AT_ONCE_S
    assert timed(lambda: ca.put("WF1:FilePath", "/dev/null")) < AT_ONCE_S, "setpoints complete at once"
    job, count = ca.get("WF1:JobID"), ca.get("WF1:CmdCount")
    for name in ("WF1:Run", "WF1:Start"):
        assert timed(lambda name=name: ca.put(name, 1)) < AT_ONCE_S, "a second one is refused at once"
        assert caproto_put(ca, name, 1) == "ECA_PUTFAIL"
    seen = (ca.get("WF1:CmdStatus"), ca.get("WF1:CmdCount"), ca.get("WF1:JobID"), ca.get("WF1:Run"))
    assert seen == ("Busy", count, job, "Busy"), "the refused ones changed nothing"
    ca.puts("WF2:", Name="example-01", FilePath="/dev/null")
    assert ca.command("WF2:Run")[0] == "OK", "other slots work meanwhile"
    assert ca.get("WF1:Run") == "Busy"


STALLING = """
import sys, epics
seen = {}
pvs = [epics.PV(name, auto_monitor=True, callback=lambda pvname, char_value, **_: seen.update({pvname: char_value}))
       for name in sys.argv[1:]]
for pv in pvs:
    assert pv.wait_for_connection(timeout=30)
print("ready", flush=True)
for line in sys.stdin:
    print(len(seen[sys.argv[1]]), seen[sys.argv[1]][:20], flush=True)
"""


def test_stalled_client_holds_up_nobody_and_catches_up(gateway: GatewayProcess, ca: CaClient) -> None:
    names = [f"{ca.prefix}{name}" for name in ("WF3:Args", "WF2:Args", "Heartbeat", "Message", "Requests")]
    stalled = subprocess.Popen(
        [sys.executable, "-c", STALLING, *names],
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert stalled.stdin is not None and stalled.stdout is not None
    try:
        assert stalled.stdout.readline() == "ready\n"
        with watched(f"{ca.prefix}Heartbeat") as beats:
            stalled.send_signal(signal.SIGSTOP)
            stalled_at = len(beats)
            # More than the buffers of a socket hold.
            slowest = max(timed(lambda turn=turn: ca.put("WF3:Args", f"{turn:04d}" * 4000)) for turn in range(400))
            wait_until(lambda: len(beats) >= stalled_at + 3, what="the heartbeat goes on")
            numbers = values(beats)
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no beat is missing"
        assert slowest < 1.0
        ca.put("WF3:Args", "the newest")
        stalled.send_signal(signal.SIGCONT)

        def newest() -> bool:
            assert stalled.stdin is not None and stalled.stdout is not None
            stalled.stdin.write("?\n")
            stalled.stdin.flush()
            return stalled.stdout.readline() == "10 the newest\n"

        wait_until(newest, DEADLINE_S, what="the client that stalled sees the newest text")
    finally:
        stalled.send_signal(signal.SIGCONT)
        stalled.stdin.close()
        stalled.stdout.close()
        stalled.kill()
        stalled.wait(timeout=DEADLINE_S)
        ca.put("WF3:Args", "")
    assert gateway.process.poll() is None
