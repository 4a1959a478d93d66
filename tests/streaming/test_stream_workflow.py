"""StreamingWorkflow against the engine's own state machine behind real PVs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from stream_gateway import StreamGateway
from waiting import wait_until

from dmioc.streaming import (
    StreamAborted,
    StreamError,
    StreamingWorkflow,
    StreamRefused,
    StreamTimeoutError,
    StreamTimes,
)
from dmioc.streaming.ending import Ending

QUICK = StreamTimes(heartbeat_s=0.2, reports_per_s=20.0, connect_s=5.0, report_s=10.0, last_s=5.0)


def workflow(gateway: StreamGateway, times: StreamTimes = QUICK, **changes: Any) -> StreamingWorkflow:
    return StreamingWorkflow(**{**gateway.names, "arguments": (), "environment": {}, **changes}, times=times)


def states(gateway: StreamGateway) -> list[str]:
    """Reported states, each once where it repeats."""
    words = [report.state.value if report.state else "" for _, report in gateway.reports]
    return [word for number, word in enumerate(words) if number == 0 or words[number - 1] != word]


def test_whole_session(gateway: StreamGateway) -> None:
    with workflow(gateway, source_pv="CAM:Image") as stream:
        assert (gateway.state, stream.epoch, stream.source_pv) == ("Accepted", 1, "CAM:Image")
        stream.ready("listens")
        assert (gateway.state, gateway.session.message) == ("Ready", "listens")
        gateway.begin()
        stream.wait_begin(timeout_s=30.0)
        assert stream.command == "begin"
        wait_until(lambda: states(gateway)[-1] == "Streaming", what="Streaming is reported")
        for number in range(1, 21):
            stream.progress(received=number, processed=number, missed=2, errors=1, message=f"frame\n{number}")
        gateway.end()
        stream.wait_end(timeout_s=30.0)
        stream.draining()
        stream.done({"frames": 20})
        assert gateway.state == "Done"
    assert json.loads(gateway.session.result) == {"frames": 20}
    s = gateway.session
    assert (s.received, s.processed, s.missed, s.errors, s.message) == (20, 20, 2, 1, "frame 20")
    assert states(gateway) == ["Accepted", "Ready", "Streaming", "Draining", "Done"]
    sequence = [report.seq for _, report in gateway.reports]
    assert sequence == list(range(1, len(sequence) + 1))
    assert gateway.refusals == []


def test_streaming_follows_begin_by_itself(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
        gateway.begin()
        wait_until(lambda: states(gateway)[-1] == "Streaming", what="Streaming is reported")
        stream.done()


def test_heartbeats_while_the_workflow_is_silent(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
        first = gateway.session.heartbeat
        wait_until(lambda: gateway.session.heartbeat >= first + 4, what="four more heartbeats")
        beats = [(at_s, report.heartbeat) for at_s, report in gateway.reports]
        gateway.begin()
        stream.wait_begin(5.0)
        stream.done()
    counts = [count or 0 for _, count in beats]
    assert counts == sorted(counts)
    assert beats[-1][0] - beats[-5][0] >= 4 * QUICK.heartbeat_s * 0.9


def test_counters_are_reported_at_a_bounded_rate_and_the_last_always(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
        gateway.begin()
        stream.wait_begin(5.0)
        wait_until(lambda: states(gateway)[-1] == "Streaming", what="Streaming is reported")
        before = len(gateway.reports)
        began_s = time.monotonic()
        number = 0
        while time.monotonic() - began_s < 1.0:
            number += 1
            stream.progress(received=number)
        wait_until(lambda: gateway.session.received == number, 20.0, what="the last count")
        took_s = time.monotonic() - began_s
        assert len(gateway.reports) - before <= took_s * QUICK.reports_per_s + 2
        assert number > 100 * (len(gateway.reports) - before)
        stream.done()


def test_an_exception_is_reported_as_failed_and_goes_on(gateway: StreamGateway) -> None:
    with pytest.raises(ValueError, match="no beam"), workflow(gateway) as stream:
        stream.ready()
        raise ValueError("no beam\nat all " + "x" * 5000)
    assert gateway.state == "Failed"
    assert gateway.session.error.startswith("ValueError: no beam at all xx")
    assert len(gateway.session.error) <= 512


def test_leaving_without_a_result_is_failed(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
    assert (gateway.state, gateway.session.error) == ("Failed", "ended without a result")


def test_a_result_without_json_form_is_told_and_fails(gateway: StreamGateway) -> None:
    with pytest.raises(TypeError, match="has no JSON form"), workflow(gateway) as stream:
        stream.ready()
        gateway.begin()
        stream.wait_begin(5.0)
        stream.done({"what": object()})
    assert gateway.state == "Failed"


def test_a_negative_count_is_a_mistake_of_the_workflow(gateway: StreamGateway) -> None:
    with pytest.raises(ValueError, match="counts of a stream are 0 or more"), workflow(gateway) as stream:
        stream.ready()
        stream.progress(received=-1)
    assert gateway.state == "Failed"


def test_numbers_of_numpy_are_results(gateway: StreamGateway) -> None:
    numpy = pytest.importorskip("numpy")
    with workflow(gateway) as stream:
        stream.ready()
        gateway.begin()
        stream.wait_begin(5.0)
        stream.done({"mean": numpy.float32(0.5), "counts": numpy.array([1, 2])})
    assert json.loads(gateway.session.result) == {"mean": 0.5, "counts": [1, 2]}


def test_done_before_begin_is_a_mistake_of_the_workflow(gateway: StreamGateway) -> None:
    with pytest.raises(StreamError, match="done before Begin"), workflow(gateway) as stream:
        stream.ready()
        stream.done()
    assert gateway.state == "Failed"


def test_an_old_session_is_refused_with_the_gateways_reason(gateway: StreamGateway) -> None:
    old = gateway.session.id
    gateway.abort("start anew")
    gateway.offer()
    with pytest.raises(StreamRefused, match="stale session: the report is of session"), workflow(gateway, session=old):
        raise AssertionError("the body must not run")
    assert gateway.state == "Offered"


def test_a_session_that_is_replaced_ends_the_workflow(gateway: StreamGateway) -> None:
    with pytest.raises((StreamRefused, StreamAborted)), workflow(gateway) as stream:
        stream.ready()
        gateway.abort("start anew")
        gateway.offer()
        stream.wait_begin(timeout_s=30.0)
    assert gateway.state == "Offered"


def test_abort_ends_waits_and_progress_with_its_reason(gateway: StreamGateway) -> None:
    timer = threading.Timer(0.3, gateway.abort, ("shutter closed",))
    timer.start()
    with pytest.raises(StreamAborted, match="shutter closed"), workflow(gateway) as stream:
        stream.ready()
        stream.wait_begin()
    with pytest.raises(StreamAborted, match="shutter closed"):
        stream.progress(received=1)
    assert (gateway.state, gateway.session.error) == ("Aborted", "shutter closed")
    timer.join()


def test_a_wait_ends_at_its_time(gateway: StreamGateway) -> None:
    with pytest.raises(StreamTimeoutError, match=r"waited 0.2 s for Begin"), workflow(gateway) as stream:
        stream.ready()
        stream.wait_begin(timeout_s=0.2)


def test_the_session_goes_on_over_a_restart_of_the_gateway(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
        gateway.begin()
        stream.wait_begin(5.0)
        stream.progress(received=1)
        wait_until(lambda: gateway.session.received == 1, what="a count before")
        gateway.stop()
        seq = gateway.session.seq
        began_s = time.monotonic()
        for number in range(2, 50):
            stream.progress(received=number)
        assert time.monotonic() - began_s < 2.0, "progress must not wait for the gateway"
        gateway.serve()
        wait_until(lambda: gateway.session.received == 49, 20.0, what="the last count after the restart")
        assert gateway.session.seq > seq
        gateway.end()
        stream.wait_end(20.0)
        stream.done({"frames": 49})
    assert gateway.state == "Done"
    assert gateway.refusals == []


def test_a_command_that_came_while_the_gateway_was_lost_is_seen(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        stream.ready()
        gateway.stop()
        gateway.begin()
        gateway.end()
        gateway.serve()
        stream.wait_end(20.0)
        assert stream.begun.is_set()
        stream.done()
    assert gateway.state == "Done"


def test_a_second_process_of_the_session_counts_on(gateway: StreamGateway) -> None:
    with workflow(gateway) as stream:
        first = gateway.session.seq
        with workflow(gateway) as second:
            assert gateway.session.seq > first
            second.ready()
            gateway.begin()
            second.wait_begin(5.0)
            second.done()
        wait_until(stream.begun.is_set, what="both follow the commands")
    assert gateway.state == "Done"


def test_no_gateway_is_said_in_time() -> None:
    began_s = time.monotonic()
    words = ("reportPv=T:NONE:Report", "commandPv=T:NONE:Command", "session=x")
    times = StreamTimes(connect_s=0.5)
    with (
        pytest.raises(StreamTimeoutError, match=r"T:NONE:Command does not answer within 0\.5 s"),
        StreamingWorkflow(arguments=words, environment={}, times=times),
    ):
        raise AssertionError("the body must not run")
    assert time.monotonic() - began_s < 5.0


def test_threads_and_the_signal_handler_are_given_back(gateway: StreamGateway) -> None:
    before = {thread.name for thread in threading.enumerate()}
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with workflow(gateway) as stream:
        assert not set(handlers) & {signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        stream.ready()
    assert {thread.name for thread in threading.enumerate()} <= before | {"p4p Worker"}
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def signalled_twice_deep(ending: Ending, number: int) -> None:
    with ending.held():
        with ending.held():
            signal.raise_signal(number)
        assert ending.is_pending, "it waits for the outer block"
    raise AssertionError("it must be raised at the end of the outer block")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_lock_is_held_waits_until_it_is_given_back(number: int) -> None:
    ending = Ending()
    with ExitStack() as undo:
        ending.follow_signals(undo)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            signalled_twice_deep(ending, number)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            signal.raise_signal(number)


SCRIPT = """
from dmioc.streaming import StreamingWorkflow
with StreamingWorkflow() as stream:
    stream.ready()
    stream.wait_begin()
    stream.wait_end()
    stream.done({"word": stream.source_pv})
"""


def started(gateway: StreamGateway, tmp_path: Path) -> subprocess.Popen[str]:
    """The script as DM starts a stage: names as words of its command line, the source as a variable."""
    script = tmp_path / "stage.py"
    script.write_text(SCRIPT)
    names = gateway.names
    words = [f"reportPv={names['report_pv']}", f"commandPv={names['command_pv']}", f"session={names['session']}"]
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        env={**os.environ, "DMIOC_SOURCE_PV": "CAM:Image", "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_real_process_of_a_stage(gateway: StreamGateway, tmp_path: Path) -> None:
    with started(gateway, tmp_path) as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        gateway.end()
        assert process.wait(20.0) == 0
    assert json.loads(gateway.session.result) == {"word": "CAM:Image"}


@pytest.mark.parametrize(
    ("number", "code", "error"),
    [(signal.SIGTERM, 143, "ended by SIGTERM"), (signal.SIGINT, -signal.SIGINT, "interrupted by Ctrl-C")],
)
def test_a_process_that_is_told_to_end_reports_aborted(
    gateway: StreamGateway, tmp_path: Path, number: int, code: int, error: str
) -> None:
    with started(gateway, tmp_path) as process:
        gateway.wait_for("Ready", 20.0)
        process.send_signal(number)
        assert process.wait(10.0) == code
    assert (gateway.state, gateway.session.error) == ("Aborted", error)
