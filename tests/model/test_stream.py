"""The state machine of streaming sessions: its printed table, rule by rule, and what holds for every sequence of events."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.errors import RefusedError
from dmioc.model import Severity, Status
from dmioc.model import stream as machine
from dmioc.model.stream import REPORTABLE, step
from dmioc.model.stream_events import (
    Abort,
    Begin,
    End,
    Event,
    JobFinished,
    JobStarted,
    Offer,
    Report,
    Restored,
    Tick,
)
from dmioc.model.stream_session import Instant, Limits, Session, StreamState

STATES = tuple(StreamState)
ACTIVE = [state for state in STATES if state.is_active]
FINISHED = [state for state in STATES if not state.is_active and state is not StreamState.IDLE]
NOW = Instant(100.0, 1_700_000_100.0)
LIMITS = Limits(ready_s=1000.0, heartbeat_s=1000.0, drain_s=1000.0)
START = Session(
    epoch=3,
    id="s-3",
    seq=7,
    command="begin",
    command_seq=5,
    start_time_s=1.0,
    state_time_s=2.0,
    since_s=90.0,
    heard_s=90.0,
)


def session_in(state: StreamState) -> Session:
    return Session() if state is StreamState.IDLE else replace(START, state=state)


def report(session: Session, state: StreamState | None = None, at: Instant = NOW, **more: object) -> Report:
    return replace(Report(at, session.id, session.epoch, session.seq + 1, state), **more)


def tick(**limits: float) -> Tick:
    return Tick(NOW, replace(LIMITS, **limits))


COLUMNS: dict[str, Event] = {
    "Offer": Offer(NOW, "s-4"),
    "Begin": Begin(NOW),
    "End": End(NOW),
    "Abort": Abort(NOW),
    "JobDone": JobFinished(NOW, Status.DONE, ""),
    "JobFailed": JobFinished(NOW, Status.FAILED, "exit status 1"),
    "T1": tick(ready_s=10.0),
    "T2": tick(heartbeat_s=10.0),
    "T3": tick(drain_s=10.0),
}


def printed() -> list[tuple[StreamState, str, str]]:
    """State, column and cell of both tables of the docstring."""
    cells: list[tuple[StreamState, str, str]] = []
    head: list[str] = []
    for line in (machine.__doc__ or "").splitlines():
        words = line.split()
        if words[:1] == ["state"]:
            head = words[1:]
        elif head and words and words[0] in {state.value for state in STATES} and len(words) == len(head) + 1:
            cells += [(StreamState(words[0]), column, cell) for column, cell in zip(head, words[1:], strict=True)]
    return cells


CELLS = printed()


def test_table_is_complete() -> None:
    columns = [*COLUMNS, *(word.value for word in REPORTABLE), "none"]
    assert sorted((state.value, column) for state, column, _ in CELLS) == sorted(
        (state.value, column) for state in STATES for column in columns
    )


@pytest.mark.parametrize(("state", "column", "cell"), CELLS, ids=lambda value: getattr(value, "value", value))
def test_every_event_in_every_state_is_as_the_table_says(state: StreamState, column: str, cell: str) -> None:
    session = session_in(state)
    event = COLUMNS.get(column) or report(session, None if column == "none" else StreamState(column))
    if cell == "-":
        with pytest.raises(RefusedError) as caught:
            step(session, event)
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) > 20
        if session.id:
            assert state.value in str(caught.value)
    else:
        assert step(session, event).state.value == (state.value if cell == "=" else cell)


@pytest.mark.parametrize("word", [state for state in STATES if state.value not in {column for _, column, _ in CELLS}])
@pytest.mark.parametrize("state", STATES)
def test_words_that_are_not_the_workflows(state: StreamState, word: StreamState) -> None:
    session = session_in(state)
    with pytest.raises(RefusedError):
        step(session, report(session, word))


@pytest.mark.parametrize("state", STATES)
def test_restart_changes_nothing_but_the_deadlines(state: StreamState) -> None:
    session = session_in(state)
    assert step(session, Restored(NOW)) == replace(session, since_s=NOW.clock_s, heard_s=NOW.clock_s)


@pytest.mark.parametrize("state", STATES)
def test_job_is_known_only_to_an_active_session(state: StreamState) -> None:
    session = session_in(state)
    if state.is_active:
        assert step(session, JobStarted("job-1", "user")) == replace(session, job_id="job-1", job_owner="user")
    else:
        with pytest.raises(RefusedError):
            step(session, JobStarted("job-1", "user"))


def test_severities_are_those_of_the_same_status_words() -> None:
    """One alarm rule for a word, whatever it is said of (``pv-contract.md §1``)."""
    words = {status.value: status.severity for status in Status}
    assert {state: state.severity for state in STATES} == {
        state: words.get(state.value, Severity.NO_ALARM) for state in STATES
    }
    assert StreamState.FAILED.severity is Severity.MAJOR


def test_offer_begins_anew() -> None:
    old = replace(session_in(StreamState.FAILED), error="boom", received=4, result="{}", job_id="job-1", end_time_s=5.0)
    new = step(old, Offer(NOW, "s-4", wf_slot=2, source="CAM:Image", args='{"sourcePv": "CAM:Image"}'))
    assert new == Session(
        state=StreamState.OFFERED,
        epoch=4,
        id="s-4",
        wf_slot=2,
        source="CAM:Image",
        command="offer",
        command_seq=6,
        args='{"sourcePv": "CAM:Image"}',
        command_time_s=NOW.time_s,
        start_time_s=NOW.time_s,
        state_time_s=NOW.time_s,
        report_time_s=NOW.time_s,
        since_s=NOW.clock_s,
        heard_s=NOW.clock_s,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"session": "s-2"}, "stale session"),
        ({"session": ""}, "stale session"),
        ({"epoch": 2}, "stale session"),
        ({"seq": 7}, "older seq: report 7 is not above 7"),
        ({"seq": 6}, "older seq: report 6 is not above 7"),
    ],
)
def test_reports_of_others_and_older_ones_are_refused(changes: dict[str, object], reason: str) -> None:
    session = session_in(StreamState.STREAMING)
    with pytest.raises(RefusedError, match=reason):
        step(session, replace(report(session, StreamState.STREAMING), **changes))


def test_report_may_skip_numbers() -> None:
    session = session_in(StreamState.STREAMING)
    assert step(session, replace(report(session), seq=1000)).seq == 1000


def test_what_a_report_leaves_out_stays() -> None:
    session = replace(session_in(StreamState.STREAMING), received=5, message="going", heartbeat=2)
    heard = step(session, report(session, processed=4))
    assert (heard.received, heard.processed, heard.message, heard.heartbeat) == (5, 4, "going", 2)
    assert (heard.seq, heard.heard_s, heard.report_time_s) == (8, NOW.clock_s, NOW.time_s)
    assert heard.state_time_s == session.state_time_s


@pytest.mark.parametrize(
    ("message", "error"), [("no memory", "no memory"), ("", "the workflow reported Failed and no message")]
)
def test_error_of_a_failed_workflow_is_its_message(message: str, error: str) -> None:
    session = session_in(StreamState.STREAMING)
    ended = step(session, report(session, StreamState.FAILED, message=message))
    assert (ended.error, ended.end_time_s) == (error, NOW.time_s)


def test_done_keeps_the_result_and_has_no_error() -> None:
    session = session_in(StreamState.DRAINING)
    ended = step(session, report(session, StreamState.DONE, result='{"frames": 5}', message="all well"))
    assert (ended.state, ended.result, ended.error) == (StreamState.DONE, '{"frames": 5}', "")


@pytest.mark.parametrize(
    ("state", "limits", "words"),
    [
        (StreamState.OFFERED, {"ready_s": 10.0}, "ReadyTimeout"),
        (StreamState.ACCEPTED, {"ready_s": 10.0}, "ReadyTimeout"),
        (StreamState.STREAMING, {"heartbeat_s": 10.0}, "HeartbeatTimeout"),
        (StreamState.DRAINING, {"drain_s": 10.0}, "DrainTimeout"),
    ],
)
def test_missed_deadline_gives_its_reason_to_both_sides(
    state: StreamState, limits: dict[str, float], words: str
) -> None:
    ended = step(session_in(state), tick(**limits))
    assert words in ended.error and "10 s" in ended.error
    assert (ended.command, ended.command_seq) == ("abort", START.command_seq + 1)
    assert json.loads(ended.args) == {"reason": ended.error}


def test_deadline_of_draining_counts_from_the_first_end() -> None:
    streaming = session_in(StreamState.STREAMING)
    by_command = step(streaming, End(Instant(100.0, 0.0)))
    again = step(by_command, End(Instant(150.0, 0.0)))
    assert (by_command.since_s, again.since_s) == (100.0, 100.0)
    assert (by_command.command_seq, again.command_seq) == (6, 7)
    by_report = step(streaming, report(streaming, StreamState.DRAINING, at=Instant(120.0, 0.0)))
    assert step(by_report, report(by_report, StreamState.DRAINING, at=Instant(130.0, 0.0))).since_s == 120.0


def test_begin_and_end_pass_arguments_on() -> None:
    streaming = step(session_in(StreamState.READY), Begin(NOW, '{"frames": 10}'))
    assert (streaming.command, streaming.args, streaming.command_seq) == ("begin", '{"frames": 10}', 6)
    draining = step(streaming, End(NOW, '{"expected": 9}'))
    assert (draining.command, draining.args, draining.command_seq) == ("end", '{"expected": 9}', 7)


def test_end_of_a_done_session_commands_nothing() -> None:
    done = session_in(StreamState.DONE)
    assert step(done, End(NOW)) == done


SECONDS = st.floats(0.0, 500.0)
NUMBERS = st.integers(0, 5)


def events() -> st.SearchStrategy[list[tuple[float, str, int, StreamState | None]]]:
    """Seconds passed, what happens, a number for it, and a state for a report."""
    kinds = (*COLUMNS, "Report", "Report", "Report", "Tick", "JobStarted", "Restored")
    return st.lists(
        st.tuples(SECONDS, st.sampled_from(kinds), NUMBERS, st.none() | st.sampled_from(STATES)), max_size=40
    )


def event_of(kind: str, at: Instant, number: int, word: StreamState | None, session: Session) -> Event:
    if kind == "Report":
        return replace(report(session, word, at), seq=session.seq + number, received=number)
    if kind == "JobStarted":
        return JobStarted(f"job-{number}", "user")
    if kind == "Restored":
        return Restored(at)
    if kind in {"Tick", "T1", "T2", "T3"}:
        return Tick(at, LIMITS)
    return replace(COLUMNS[kind], at=at)  # pyright: ignore[reportCallIssue, reportArgumentType] - those left have a moment


def moved(session: Session, event: Event) -> Session:
    try:
        return step(session, event)
    except RefusedError:
        return session


@settings(max_examples=400, deadline=None)
@given(events())
def test_every_sequence_keeps_the_promises(happenings: list[tuple[float, str, int, StreamState | None]]) -> None:
    session, clock_s = Session(), 0.0
    for passed_s, kind, number, word in happenings:
        clock_s += passed_s
        before, session = (
            session,
            moved(session, event_of(kind, Instant(clock_s, 1e9 + clock_s), number, word, session)),
        )
        # From a finished state nothing leads on but a new offer.
        if before.state in FINISHED and session.state is not before.state:
            assert kind == "Offer" and session.state is StreamState.OFFERED and session.epoch == before.epoch + 1
        assert session.epoch - before.epoch == (1 if kind == "Offer" and session is not before else 0)
        assert session.command_seq >= before.command_seq
        assert session.seq >= before.seq or session.epoch > before.epoch
        assert bool(session.end_time_s) == (session.state in FINISHED)
        assert bool(session.error) <= (session.state in FINISHED)
        # An active session always has a deadline, and it always ends it.
        deadlines = session.deadlines(LIMITS)
        assert bool(deadlines) == session.state.is_active
        if deadlines:
            at_s = min(deadline_s for deadline_s, _, _ in deadlines)
            assert step(session, Tick(Instant(max(at_s, clock_s), 0.0), LIMITS)).state in FINISHED
            assert at_s <= clock_s + 1000.0


def test_reasons_are_one_readable_line() -> None:
    session = replace(session_in(StreamState.LOST), error="no report for 5 s")
    with pytest.raises(RefusedError) as caught:
        step(session, report(session, StreamState.STREAMING))
    assert str(caught.value) == "a report needs an active session, session s-3 (epoch 3) is Lost: no report for 5 s"
    with pytest.raises(RefusedError) as caught:
        step(session_in(StreamState.ACCEPTED), report(START, StreamState.DONE))
    assert re.fullmatch(r"a workflow may not report Done while Accepted; one of .*Ready.*", str(caught.value))
