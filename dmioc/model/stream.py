"""One streaming session as a pure state machine, the same for both of its sides (``pv-contract.md §8``).

A plan offers a session, a workflow reports on it, deadlines and the job behind it end it. `step` gives the session after an
event, or refuses the event; it reads no clock and asks nobody. What each event leads to, ``-`` being a refusal and ``=``
no change of the state:

    Commands, the end of the job, deadlines

    ========= ======= ========= ======== ======= ======= ========= ====== ==== ======
    state     Offer   Begin     End      Abort   JobDone JobFailed T1     T2   T3
    ========= ======= ========= ======== ======= ======= ========= ====== ==== ======
    Idle      Offered -         -        -       -       -         =      =    =
    Offered   -       -         -        Aborted Done    Failed    Failed =    =
    Accepted  -       -         -        Aborted Done    Failed    Failed Lost =
    Ready     -       Streaming -        Aborted Done    Failed    =      Lost =
    Streaming -       -         Draining Aborted Done    Failed    =      Lost =
    Draining  -       -         Draining Aborted Done    Failed    =      Lost Failed
    Done      Offered -         Done     -       -       -         =      =    =
    Failed    Offered -         -        -       -       -         =      =    =
    Aborted   Offered -         -        -       -       -         =      =    =
    Lost      Offered -         -        -       -       -         =      =    =
    ========= ======= ========= ======== ======= ======= ========= ====== ==== ======

    T1: ReadyTimeout has passed since Offer; T2: HeartbeatTimeout since the last report; T3: DrainTimeout since Draining.
    JobDone, JobFailed: the job behind the session is finished, as Done or otherwise.

    Reports of the workflow, by the state in them

    ========= ========= ========= ========= ======== ==== ====== ======= ====
    state     Accepted  Ready     Streaming Draining Done Failed Aborted none
    ========= ========= ========= ========= ======== ==== ====== ======= ====
    Idle      -         -         -         -        -    -      -       -
    Offered   Accepted  Ready     -         -        -    Failed Aborted =
    Accepted  Accepted  Ready     -         -        -    Failed Aborted =
    Ready     -         Ready     -         -        -    Failed Aborted =
    Streaming -         Streaming Streaming Draining Done Failed Aborted =
    Draining  -         Draining  Draining  Draining Done Failed Aborted =
    Done      -         -         -         -        -    -      -       -
    Failed    -         -         -         -        -    -      -       -
    Aborted   -         -         -         -        -    -      -       -
    Lost      -         -         -         -        -    -      -       -
    ========= ========= ========= ========= ======== ==== ====== ======= ====

A report of ``Ready`` while the session is Streaming crossed the command Begin on its way: it counts as a sign of life and
does not lead back. Likewise ``Ready`` and ``Streaming`` while Draining. ``Idle``, ``Offered`` and ``Lost`` are not a
workflow's to report. End on a session that is Done already has nothing left to do.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TypeVar

from dmioc.errors import RefusedError
from dmioc.model.status import Status
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
from dmioc.model.stream_session import Instant, Session, StreamState

_Given = TypeVar("_Given", int, str)

_REPORTED: dict[StreamState, dict[StreamState, StreamState]] = {
    StreamState.OFFERED: {
        StreamState.ACCEPTED: StreamState.ACCEPTED,
        StreamState.READY: StreamState.READY,
    },
    StreamState.ACCEPTED: {
        StreamState.ACCEPTED: StreamState.ACCEPTED,
        StreamState.READY: StreamState.READY,
    },
    StreamState.READY: {StreamState.READY: StreamState.READY},
    StreamState.STREAMING: {
        StreamState.READY: StreamState.STREAMING,
        StreamState.STREAMING: StreamState.STREAMING,
        StreamState.DRAINING: StreamState.DRAINING,
        StreamState.DONE: StreamState.DONE,
    },
    StreamState.DRAINING: {
        StreamState.READY: StreamState.DRAINING,
        StreamState.STREAMING: StreamState.DRAINING,
        StreamState.DRAINING: StreamState.DRAINING,
        StreamState.DONE: StreamState.DONE,
    },
}
"""Next state by the session's state and the reported one; in each of them a workflow may also report Failed and Aborted."""

REPORTABLE = tuple(
    state for state in StreamState if state not in (StreamState.IDLE, StreamState.OFFERED, StreamState.LOST)
)
"""States that a workflow may report."""


def step(session: Session, event: Event) -> Session:
    """The session after the event; raises `RefusedError` with the reason for an event that the table does not list."""
    match event:
        case Offer():
            return _offered(session, event)
        case Begin():
            return _begun(session, event)
        case End():
            return _ended_data(session, event)
        case Abort():
            _check_active(session, "Abort")
            return _given_up(session, StreamState.ABORTED, event.at, event.reason)
        case Report():
            return _reported(session, event)
        case Tick():
            return _ticked(session, event)
        case JobStarted():
            _check_active(session, "a job")
            return replace(session, job_id=event.job_id, job_owner=event.owner)
        case JobFinished():
            _check_active(session, "the end of a job")
            if event.status is Status.DONE:
                return _finished(session, StreamState.DONE, event.at, "")
            return _finished(session, StreamState.FAILED, event.at, event.error or f"the job is {event.status.value}")
        case Restored():
            return replace(session, since_s=event.at.clock_s, heard_s=event.at.clock_s)


def _check_active(session: Session, what: str) -> None:
    if not session.state.is_active:
        raise RefusedError(f"{what} needs an active session, {_named(session)}")


def _named(session: Session) -> str:
    """Where the session stands, for a refusal."""
    if session.state is StreamState.IDLE:
        return "there was no Offer yet"
    reason = f": {session.error}" if session.error else ""
    return f"{session.name} is {session.state.value}{reason}"


def _told(session: Session, command: str, at: Instant, args: str) -> Session:
    """The session with one more command to the workflow."""
    number = session.command_seq + 1
    return replace(session, command=command, command_seq=number, args=args, command_time_s=at.time_s)


def _given_up(session: Session, state: StreamState, at: Instant, reason: str) -> Session:
    """The session ended by the gateway's side; the workflow may be alive, and is told that nobody waits for it any more."""
    args = json.dumps({"reason": reason}, ensure_ascii=False)
    return _finished(_told(session, "abort", at, args), state, at, reason)


def _moved(session: Session, state: StreamState, at: Instant) -> Session:
    """The session in a state; nothing happens if it is there already."""
    if state is session.state:
        return session
    return replace(session, state=state, state_time_s=at.time_s)


def _finished(session: Session, state: StreamState, at: Instant, error: str) -> Session:
    return replace(_moved(session, state, at), end_time_s=at.time_s, error=error)


def _offered(session: Session, event: Offer) -> Session:
    if session.state.is_active:
        raise RefusedError(f"{_named(session)}: End or Abort it before the next Offer")
    offered = Session(
        state=StreamState.OFFERED,
        epoch=session.epoch + 1,
        id=event.session,
        wf_slot=event.wf_slot,
        source=event.source,
        command_seq=session.command_seq,
        start_time_s=event.at.time_s,
        state_time_s=event.at.time_s,
        report_time_s=event.at.time_s,
        since_s=event.at.clock_s,
        heard_s=event.at.clock_s,
    )
    return _told(offered, "offer", event.at, event.args)


def _begun(session: Session, event: Begin) -> Session:
    if session.state is not StreamState.READY:
        raise RefusedError(f"Begin needs a session that is Ready, {_named(session)}")
    return _told(_moved(session, StreamState.STREAMING, event.at), "begin", event.at, event.args)


def _ended_data(session: Session, event: End) -> Session:
    if session.state is StreamState.DONE:
        return session
    if session.state not in (StreamState.STREAMING, StreamState.DRAINING):
        raise RefusedError(f"End needs a session that is Streaming, {_named(session)}")
    drained = replace(session, since_s=event.at.clock_s) if session.state is StreamState.STREAMING else session
    return _told(_moved(drained, StreamState.DRAINING, event.at), "end", event.at, event.args)


def _ticked(session: Session, event: Tick) -> Session:
    for at_s, state, reason in session.deadlines(event.limits):
        if event.at.clock_s >= at_s:
            return _given_up(session, state, event.at, reason)
    return session


def _reported(session: Session, report: Report) -> Session:
    _check_report(session, report)
    heard = replace(
        session,
        seq=report.seq,
        heard_s=report.at.clock_s,
        report_time_s=report.at.time_s,
        message=_given(report.message, session.message),
        received=_given(report.received, session.received),
        processed=_given(report.processed, session.processed),
        missed=_given(report.missed, session.missed),
        errors=_given(report.errors, session.errors),
        heartbeat=_given(report.heartbeat, session.heartbeat),
        result=_given(report.result, session.result),
    )
    if report.state is None:
        return heard
    state = _next_state(session, report.state)
    if state is StreamState.DRAINING and session.state is not StreamState.DRAINING:
        heard = replace(heard, since_s=report.at.clock_s)
    if state.is_active:
        return _moved(heard, state, report.at)
    error = "" if state is StreamState.DONE else heard.message or f"the workflow reported {state.value} and no message"
    return _finished(heard, state, report.at, error)


def _check_report(session: Session, report: Report) -> None:
    if report.session != session.id or report.epoch != session.epoch:
        raise RefusedError(
            f"stale session: the report is of session {report.session or '(none)'} epoch {report.epoch}, {_named(session)}"
        )
    _check_active(session, "a report")
    if report.seq <= session.seq:
        raise RefusedError(f"older seq: report {report.seq} is not above {session.seq}, the last one taken")


def _next_state(session: Session, reported: StreamState) -> StreamState:
    if reported in (StreamState.FAILED, StreamState.ABORTED):
        return reported
    state = _REPORTED[session.state].get(reported)
    if state is None:
        known = ", ".join(word.value for word in (*_REPORTED[session.state], StreamState.FAILED, StreamState.ABORTED))
        raise RefusedError(f"a workflow may not report {reported.value} while {session.state.value}; one of {known}")
    return state


def _given(new: _Given | None, old: _Given) -> _Given:
    return old if new is None else new
