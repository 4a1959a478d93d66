"""Puts over PVAccess: what counts, what is refused and with which words, and when the client gets its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from p4p import Value
from p4p.client.thread import Context, RemoteError
from pva_client import PvaContext, watched
from pva_process import PvaProcess
from waiting import wait_until


@pytest.fixture
def friendly(pva: PvaProcess) -> Any:
    """p4p's client as users have it, which turns labels into indices."""
    with Context("pva") as client:
        yield client


def whole(context: PvaContext, name: str, path: str, value: Any) -> Callable[[Value], None]:
    """A put of every field, as pvapy makes it."""

    def build(target: Value) -> None:
        target[path] = value
        target.mark("")

    return build


@pytest.mark.parametrize(
    ("put", "index"), [("Wait", 1), (2, 2), ("1", 1), ({"value.index": 2}, 2), ({"value": {"index": 1}}, 1)]
)
def test_an_enum_takes_label_index_and_index_as_text(pva: PvaProcess, friendly: Context, put: Any, index: int) -> None:
    friendly.put(pva.prefix + "WF1:IfRunning", put)
    assert friendly.get(pva.prefix + "WF1:IfRunning") == index
    assert pva.ask("puts")[-1][:2] == ["WF1:IfRunning", str(index)]


@pytest.mark.parametrize(
    ("name", "put", "value"),
    [
        ("PollPeriod", 2.5, 2.5),
        ("PollPeriod", "3.5", 3.5),
        ("PollPeriod", {"value": 4}, 4.0),
        ("DAQ1:Expect", "12", 12),
        ("DAQ1:Expect", 2**31 - 1, 2**31 - 1),
        ("WF1:FilePath", "/data/é 中文/" + "x" * 900, "/data/é 中文/" + "x" * 900),
        ("WF1:FilePath", "", ""),
        ("WF1:FilePath", 12, "12"),
        ("WF1:RequestID", "r-1", "r-1"),
    ],
)
def test_a_put_is_taken_and_its_readback_there_when_it_is_answered(
    pva: PvaProcess, context: PvaContext, name: str, put: Any, value: Any
) -> None:
    context.put(pva.prefix + name, put)
    assert context.get(pva.prefix + name)["value"] == value
    put_name, raw, origin = pva.ask("puts")[-1]
    assert (put_name, raw) == (name, repr(value))
    user, _, rest = origin.partition("@")
    assert user and rest == "127.0.0.1 over pva"


def test_a_monitor_has_the_readback_before_the_put_is_answered(pva: PvaProcess, context: PvaContext) -> None:
    with watched(context, pva.prefix + "LostAfter") as updates:
        for number in range(1, 20):
            context.put(pva.prefix + "LostAfter", float(number), wait=True)
            assert context.get(pva.prefix + "LostAfter")["value"] == number
        updates.until(lambda update: update["value"] == 19.0)


def test_a_whole_structure_counts_by_its_value(pva: PvaProcess, context: PvaContext) -> None:
    context.put(pva.prefix + "PollPeriod", whole(context, "PollPeriod", "value", 7.5))
    context.put(pva.prefix + "WF1:IfRunning", whole(context, "WF1:IfRunning", "value.index", 2))
    assert context.get(pva.prefix + "PollPeriod")["value"] == 7.5
    assert context.get(pva.prefix + "WF1:IfRunning")["value.index"] == 2


@pytest.mark.parametrize(
    ("name", "put", "reason"),
    [
        ("PollPeriod", {"alarm.severity": 2}, "{}PollPeriod takes a put to its value, not to alarm.severity"),
        ("PollPeriod", {"timeStamp": {"secondsPastEpoch": 3}}, "not to timeStamp.secondsPastEpoch"),
        ("WF1:IfRunning", {"value.choices": ["a"]}, "{}WF1:IfRunning takes a put to its value, not to value.choices"),
        ("PollPeriod", 61.0, "PollPeriod takes 0.05 to 60 s, not 61.0"),
        ("PollPeriod", float("nan"), "PollPeriod takes a finite number, not nan"),
        ("WF1:IfRunning", {"value.index": 17}, "WF1:IfRunning takes one of 0 Start, 1 Wait, 2 Refuse; not 17"),
        ("WF1:Run", {"value.index": 0}, "WF1:Run takes 1"),
        ("WF1:Name", "x" * 257, "WF1:Name holds at most 256 bytes, not 257"),
        ("WF1:Status", {"value.index": 1}, "{}WF1:Status is read-only"),
        ("WF1:JobID", "x", "{}WF1:JobID is read-only"),
        ("WF1:Job", {"id": "x"}, "{}WF1:Job is read-only"),
        ("WF1:Stages", {"value.stage": ["x"]}, "{}WF1:Stages is read-only"),
        ("RPC", "x", "{}RPC takes queries by name, no puts"),
        ("WF1:Name", "a bug", "internal error of the gateway; its log tells more"),
    ],
)
@pytest.mark.parametrize("wait", [None, True])
def test_a_refused_put_fails_with_the_reason_and_changes_nothing(
    pva: PvaProcess, context: PvaContext, name: str, put: Any, reason: str, wait: bool | None
) -> None:
    before = context.get(pva.prefix + name)
    with pytest.raises(RemoteError) as refusal:
        context.put(pva.prefix + name, put, wait=wait)
    assert reason.format(pva.prefix) in str(refusal.value)
    assert str(context.get(pva.prefix + name)) == str(before)


def test_an_array_into_a_scalar_is_refused(pva: PvaProcess, context: PvaContext) -> None:
    with pytest.raises(TypeError):
        context.put(pva.prefix + "PollPeriod", [1.0, 2.0])


@pytest.mark.parametrize("request_text", ["record[block=true]", "field()record[block=true,process=true]"])
def test_a_put_that_blocks_is_answered_at_the_end_and_delays_nobody(
    pva: PvaProcess, context: PvaContext, request_text: str
) -> None:
    ended: list[Any] = []

    def run() -> None:
        ended.append(context.put(pva.prefix + "WF1:Run", 1, request=request_text, throw=False, timeout=30))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: context.get(pva.prefix + "WF1:Run")["value.index"] == 1)
    with pytest.raises(RemoteError, match="busy: WF1:Run has not ended"):
        context.put(pva.prefix + "WF1:Run", 1)
    began_s = time.monotonic()
    for number in range(1, 21):
        context.put(pva.prefix + "LostAfter", float(number))
    assert time.monotonic() - began_s < 5
    assert ended == []
    pva.ask("end", name="WF1:Run")
    thread.join(10)
    assert ended == [None]


def test_the_end_of_a_blocked_put_tells_what_went_wrong(pva: PvaProcess, context: PvaContext) -> None:
    ended: list[Any] = []

    def run() -> None:
        ended.append(context.put(pva.prefix + "WF2:Run", 1, wait=True, throw=False, timeout=30))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: context.get(pva.prefix + "WF2:Run")["value.index"] == 1)
    pva.ask("end", name="WF2:Run", state="Failed", message="job 7 failed: exit status 3")
    thread.join(10)
    assert [str(error) for error in ended] == ["job 7 failed: exit status 3"]


def test_a_put_that_does_not_block_is_answered_at_once(pva: PvaProcess, context: PvaContext) -> None:
    requests: list[dict[str, Any]] = [{}, {"wait": False}, {"process": "true"}]
    for options in requests:
        began_s = time.monotonic()
        context.put(pva.prefix + "WF3:Start", 1, **options)
        assert time.monotonic() - began_s < 1.0
        assert context.get(pva.prefix + "WF3:Start")["value.index"] == 1
        pva.ask("end", name="WF3:Start", state="Failed", message="nobody waits for this")


def test_a_client_that_leaves_a_blocked_put_harms_nothing(pva: PvaProcess, context: PvaContext) -> None:
    with PvaContext() as leaving, pytest.raises(TimeoutError):
        leaving.put(pva.prefix + "WF4:Run", 1, wait=True, timeout=0.3)
    pva.ask("end", name="WF4:Run", state="Failed", message="nobody is there")
    assert context.get(pva.prefix + "WF4:Run")["value.index"] == 0
