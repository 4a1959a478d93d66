"""A station under one control layer of ophyd, in a process of its own: ``control_layer_driver.py LAYER PREFIX DIRECTORY``.

Ends with 0 when everything is as it should be; the name of what was tried last is printed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ophyd
from ophyd.utils import DisconnectedError
from waiting import wait_until

from dmioc.errors import CommandFailedError, GatewayLostError, RefusedError, WaitTimeoutError


def fails(kind: type[Exception], text: str, status: Any) -> None:
    """The status ends with this error."""
    error = status.exception(timeout=30)
    assert isinstance(error, kind) and text in str(error), repr(error)


def connects(station: Any) -> None:
    began_s = time.monotonic()
    station.wait_for_connection(timeout=60)
    print(f"connected in {time.monotonic() - began_s:.2f} s")
    assert station.experiment.state.cl.name == LAYER
    reading = station.read()
    assert set(reading) == set(station.describe())
    assert {type(entry["value"]) for entry in reading.values()} == {str, int, float}
    assert station.describe()["dm_workflows_wf1_status"]["dtype"] == "string"
    assert "Pending" in station.describe()["dm_workflows_wf1_status"]["enum_strs"]
    assert station.describe_configuration()["dm_poll_period"]["dtype"] == "number"


def sets(station: Any) -> None:
    slot = station.workflows.wf1
    for text in ("", "a", "Größe µm 測定 🔬", "two\nlines ", "x" * 256):
        slot.name_.set(text).wait(10)
        assert slot.name_.get() == text == slot.name_.get(use_monitor=False), slot.name_.get()
    for text in ("y" * 16384, ""):
        slot.args.set(text).wait(10)
        assert slot.args.get() == text
    for text in ("r1", "é" * 19, ""):
        slot.request_id.set(text).wait(10)
        assert slot.request_id.get() == text == slot.request_id.get(use_monitor=False), slot.request_id.get()
    for choice in ("Wait", "Start"):
        slot.if_running.set(choice).wait(10)
        assert slot.if_running.get() == choice == slot.if_running.get(use_monitor=False)
    slot.report_period.set(12.5).wait(10)
    assert slot.report_period.get() == 12.5 == slot.report_period.get(use_monitor=False)
    station.poll_period.set(0.1).wait(10)
    fails(RefusedError, "EXP:Index was not set to 12345", station.experiment.index.set(12345))
    fails(RefusedError, "PollPeriod takes 0.05 to 60", station.poll_period.set(100))
    text = '{"a": "' + "µ" * 500000 + '"}'
    station.metadata.json.set(text).wait(20)
    assert station.metadata.json.get() == text


def commands(station: Any) -> None:
    station.experiment.name_.set("demo").wait(30)
    assert station.experiment.state.get() == "Loaded"
    slot = station.workflows.wf1
    slot.name_.set("example-01").wait(10)
    slot.file_path.set(str(DIRECTORY / "scan.dat")).wait(10)
    slot.run.set(1).wait(30)
    assert slot.status.get() == "Done" and slot.job_id.get()
    assert len(slot.report_.get()) > 10
    slot.file_path.set("").wait(10)
    fails(CommandFailedError, "Run: ", slot.run.set(1))
    slot.name_.set("none-such").wait(10)
    fails(RefusedError, "Start: ", slot.start.set(1))


def commands_in_each_others_way(station: Any) -> None:
    slot = station.workflows.wf2
    slot.name_.set("slow").wait(10)
    slot.file_path.set("/dev/null").wait(10)
    first = slot.run.set(1)
    wait_until(lambda: slot.run.get() == "Busy" and slot.status.get() == "Running")
    fails(RefusedError, "Run: busy", slot.run.set(1))
    fails(RefusedError, "Start: busy", slot.start.set(1))
    fails(WaitTimeoutError, "Wait: ", slot.wait.set(1, timeout=0.3))
    abort = slot.abort.set(1)
    fails(CommandFailedError, "Run: ", first)
    abort.wait(30)
    assert slot.status.get() == "Aborted"


def updates_are_seen(station: Any) -> None:
    seen: list[int] = []
    station.heartbeat.subscribe(lambda value, **_: seen.append(value), run=False)
    wait_until(lambda: len(seen) > 1, what="the heart beats")
    assert station.heartbeat.get() == seen[-1]


def gateway_is_killed(station: Any) -> None:
    slot = station.workflows.wf2
    status = slot.run.set(1)
    wait_until(lambda: slot.status.get() == "Running")
    slot.run.lost_after_s = 0.5
    os.kill(station.pid.get(), signal.SIGKILL)
    fails(GatewayLostError, "Run: the gateway is away since the command was put", status)
    try:
        station.read()
    except DisconnectedError as error:
        assert "is not connected: is the gateway running?" in str(error)
    else:
        raise AssertionError("old values were shown")
    fails(GatewayLostError, "WF2:Name", slot.name_.set("x"))


def main() -> None:
    """Try everything."""
    from dmioc.devices import DMStation

    station = DMStation(PREFIX, name="dm")
    tried: tuple[Callable[[Any], None], ...] = (
        connects,
        sets,
        commands,
        commands_in_each_others_way,
        updates_are_seen,
        gateway_is_killed,
    )
    for attempt in tried:
        print(attempt.__name__, flush=True)
        attempt(station)
    print("all is right", flush=True)


if __name__ == "__main__":
    LAYER, PREFIX, DIRECTORY = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    ophyd.set_cl(LAYER)
    main()
