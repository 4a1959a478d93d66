"""The clients that people use, as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ca_process import CaProcess
from client_timeouts import ANSWER_TIMEOUT_S
from waiting import wait_until


def _caproto(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"caproto.commandline.{tool}", "--no-repeater", *arguments]
    return subprocess.run(
        command, env=os.environ, capture_output=True, text=True, timeout=2 * ANSWER_TIMEOUT_S, check=False
    )


def test_caproto_get_put_monitor(ca: CaProcess) -> None:
    name = f"{ca.prefix}EXP:New:Name"
    put = _caproto("put", "-S", "--notify", name, "from caproto")
    assert put.returncode == 0, put.stderr
    got = _caproto("get", "-S", "--terse", name, f"{ca.prefix}Control", f"{ca.prefix}PollPeriod.EGU")
    assert "from caproto" in got.stdout
    ca.publish("UPL1:FilesTotal", 3)
    seen = _caproto("monitor", "--maximum", "1", f"{ca.prefix}UPL1:FilesTotal")
    assert "[3]" in seen.stdout, seen.stderr


def test_caproto_sees_that_a_put_failed(ca: CaProcess) -> None:
    name = f"{ca.prefix}PollPeriod"
    put = _caproto("put", "--notify", name, "1000")
    assert put.stdout.split()[-1] == "[0.5]"
    from caproto import CAStatus
    from caproto.sync.client import write

    answer = write(name, 1000, notify=True, repeater=False)
    assert answer is not None and answer.status == CAStatus.ECA_PUTFAIL.value


def test_ophyd_string_signal(ca: CaProcess) -> None:
    from ophyd import EpicsSignal

    signal = EpicsSignal(f"{ca.prefix}DAQ1:DestDirectory", name="dest", string=True, put_complete=True)
    signal.wait_for_connection(timeout=30)
    text = "a/directory/of/more/than/forty/characters/for/sure"
    signal.set(text).wait(timeout=30)
    assert signal.get() == text
    assert signal.describe()["dest"]["dtype"] == "string"
    signal.set("").wait(timeout=30)
    wait_until(lambda: signal.get() == "", what="the empty text")
    signal.destroy()


def test_ophyd_enum_and_command(ca: CaProcess) -> None:
    from ophyd import EpicsSignal

    control = EpicsSignal(f"{ca.prefix}UPL1:Mode", name="mode", string=True)
    start = EpicsSignal(f"{ca.prefix}UPL1:Start", name="start", put_complete=True)
    for signal in (control, start):
        signal.wait_for_connection(timeout=30)
    control.put("Directory", wait=True)
    wait_until(lambda: control.get() == "Directory", what="the label")
    assert control.describe()["mode"]["enum_strs"] == ("Files", "Directory")
    status = start.set(1)
    wait_until(lambda: start.get(use_monitor=False) == 1, what="busy")
    assert not status.done
    ca.ask("end", name="UPL1:Start")
    status.wait(timeout=30)
    wait_until(lambda: start.get() == 0, what="idle again")
    for signal in (control, start):
        signal.destroy()


def test_pyepics_reads_every_type(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    import epics

    ca.publish("WF1:Percent", 12.345)
    ca.publish("WF1:Status", 2)
    ca.publish("WF1:Files", 7)
    ca.publish("Host", "here")
    expected = {
        "WF1:Percent": {"STRING": "12.3", "INT": 12, "LONG": 12, "DOUBLE": 12.345, "ENUM": 12, "CHAR": 12},
        "WF1:Status": {"STRING": "Running", "INT": 2, "LONG": 2, "DOUBLE": 2.0, "ENUM": 2, "CHAR": 2},
        "WF1:Files": {"STRING": "7", "INT": 7, "LONG": 7, "DOUBLE": 7.0, "ENUM": 7, "CHAR": 7},
        "Host": {"STRING": "here"},
    }
    for name, values in expected.items():
        chid = open_pv(name).chid
        for form in ("", "STS_", "TIME_", "GR_", "CTRL_"):
            for kind, value in values.items():
                data_type = getattr(epics.dbr, form + kind, None)
                if data_type is None:
                    continue
                got = epics.ca.get(chid, ftype=data_type, as_string=False, timeout=ANSWER_TIMEOUT_S)
                assert got == value, (name, form + kind)
