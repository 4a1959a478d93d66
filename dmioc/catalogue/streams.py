"""PVs of streaming slots (``pv-contract.md §8``)."""

from __future__ import annotations

from dmioc.catalogue.entries import PV, Access, Column, Kind, State
from dmioc.catalogue.parts import (
    ERROR_BYTES,
    NAME_BYTES,
    OPTIONS_BYTES,
    YEAR_S,
    command,
    enum,
    in_group,
    long,
    outcome,
    seconds,
    setpoint,
    string,
    text,
    timed,
)
from dmioc.model import StreamState

RESULT_BYTES = 16384
MESSAGE_BYTES = 1024
STREAM_STATES = tuple(State(state.value, state.severity) for state in StreamState)
_REPORT_TIME = "report_time_s"

_REPORT_FIELDS = (
    Column("session", source="id"),
    Column("epoch", "int", "epoch"),
    Column("seq", "long", "seq"),
    Column("state", source="state_word"),
    Column("message", source="message"),
    Column("received", "long", "received"),
    Column("processed", "long", "processed"),
    Column("missed", "long", "missed"),
    Column("errors", "long", "errors"),
    Column("heartbeat", "long", "heartbeat"),
    Column("result", source="result"),
)
_COMMAND_FIELDS = (
    Column("session", source="id"),
    Column("epoch", "int", "epoch"),
    Column("seq", "long", "command_seq"),
    Column("command", source="command"),
    Column("args", source="args"),
)


def stream_slot(slot: int, workflow_slots: int) -> tuple[PV, ...]:
    """The group ``STR<slot>:`` of a gateway with so many workflow slots."""
    return in_group(
        f"STR{slot}:",
        (
            *_setpoints(workflow_slots),
            *_commands(),
            *_readbacks(),
            PV(
                "Report",
                Kind.STRUCTURE,
                "The workflow writes its reports here",
                Access.WRITE,
                columns=_REPORT_FIELDS,
                type_id="dmioc:StreamReport:1.0",
                doc="A report names session, epoch and a seq above the last one, from 1; fields left out stay as they were."
                " States to report: Accepted, Ready, Streaming, Draining, Done, Failed, Aborted; every report is a sign of"
                f" life. Result is JSON of at most {RESULT_BYTES} bytes. It shows the session's own state.",
            ),
            PV(
                "Command",
                Kind.STRUCTURE,
                "The workflow reads its commands here",
                columns=_COMMAND_FIELDS,
                type_id="dmioc:StreamCommand:1.0",
                doc="Command: offer, begin, end, abort; seq grows with each; args is a JSON object: of an offer sourcePv,"
                " reportPv, commandPv and the timeouts, of an abort the reason.",
            ),
            *outcome(),
        ),
    )


def _setpoints(workflow_slots: int) -> tuple[PV, ...]:
    return (
        setpoint(
            long("WFSlot", "WF slot to start with it, 0: none", low=0, high=float(workflow_slots)),
            saved=False,
        ),
        setpoint(text("Source", NAME_BYTES, "PV of the data, e.g. an image")),
        setpoint(
            text(
                "Args", OPTIONS_BYTES, "Sent with Begin and End, JSON object", doc="E.g. the number of frames to come."
            ),
            saved=False,
        ),
        setpoint(seconds("ReadyTimeout", "From Offer to Ready; then Failed", default=300.0, low=0.1, high=YEAR_S)),
        setpoint(
            seconds("HeartbeatTimeout", "Between two reports; then Lost", default=30.0, low=0.1, high=YEAR_S),
        ),
        setpoint(seconds("DrainTimeout", "From End to Done; then Failed", default=600.0, low=0.1, high=YEAR_S)),
    )


def _commands() -> tuple[PV, ...]:
    return (
        command(
            "Offer",
            "Offer a new session",
            "Starts the workflow of WFSlot with the arguments reportPv, commandPv, session, epoch and sourcePv added."
            " Completes when it is Ready; fails when the session ends before. Refused while a session is active.",
        ),
        command("Begin", "Data will flow now", "Only when Ready."),
        command("End", "No more data", "Completes when the workflow has drained: OK only if it is Done."),
        command("Abort", "Give the session up", "Completes at once; the job behind it is asked to stop."),
    )


def _readbacks() -> tuple[PV, ...]:
    return (
        enum(
            "State",
            STREAM_STATES,
            "State of the session",
            source="state_word",
            time_source="state_time_s",
            alarm="Failed, Lost MAJOR; Aborted MINOR; active with errors or missed objects MINOR",
        ),
        timed(long("Epoch", "Number of the offer", source="epoch"), "start_time_s"),
        timed(string("Session", "Unique id of the session", source="id"), "start_time_s"),
        timed(long("WFSlot_RBV", "WF slot started with it, 0: none", source="wf_slot"), "start_time_s"),
        timed(text("Source_RBV", NAME_BYTES, "PV of the data", source="source"), "start_time_s"),
        string("JobID", "DM's id of the job behind it", source="job_id"),
        timed(string("StartTime", "Offered, ISO 8601"), "start_time_s"),
        timed(string("EndTime", "Ended, ISO 8601"), "end_time_s"),
        timed(long("Received", "Objects the workflow received", source="received"), _REPORT_TIME),
        timed(long("Processed", "Objects it processed", source="processed"), _REPORT_TIME),
        timed(
            long("Missed", "Objects it missed", source="missed", alarm="more than 0: MINOR"),
            _REPORT_TIME,
        ),
        timed(
            long("Errors", "Objects it failed on", source="errors", alarm="more than 0: MINOR"),
            _REPORT_TIME,
        ),
        timed(text("Message", MESSAGE_BYTES, "The workflow's last words", source="message"), _REPORT_TIME),
        timed(text("Result", RESULT_BYTES, "The workflow's result, JSON", source="result"), _REPORT_TIME),
        timed(text("Error", ERROR_BYTES, "Why the session ended", source="error"), "state_time_s"),
        timed(long("Heartbeat", "The workflow's count of beats", source="heartbeat"), _REPORT_TIME),
        seconds(
            "HeartbeatAge",
            "Since the last report",
            default=-1.0,
            doc="-1 while no session is active, or the workflow was not heard of yet.",
        ),
    )
