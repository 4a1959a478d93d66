"""One line for each slot and each service, in columns."""

from __future__ import annotations

from dmioc.catalogue import PV
from dmioc.catalogue.overview import ServiceOverview, SlotKind, SlotOverview
from dmioc.model import Severity, Status, StreamState
from dmioc.watch.lines import TONES, Line, Span, Tone, heading, line
from dmioc.watch.readings import Trust
from dmioc.watch.view import StationView
from dmioc.watch.wording import Paper, clock, count, duration, span

_NAME, _STATUS, _ALARM, _BAR = 5, 10, 8, 10
_LEFT = _NAME + _STATUS + 1 + _ALARM
"""Columns of a slot's name, state and alarm, which all kinds share."""
_TRANSFER_CAPTIONS = f"{'progress':<17} {'stored/seen':>11} {'wait':>5} {'fail':>5} {'/s':>5} {'run time':>8}"
_JOB_CAPTIONS = f"{'progress':<17} {'stage':<14} {'workflow':<14} {'run time':>8}"
_STREAM_CAPTIONS = f"{'received':>8} {'processed':>9} {'missed':>6} {'errors':>6}  {'report':<8} {'source'}"
_CAPTIONS = {
    SlotKind.DAQ: _TRANSFER_CAPTIONS,
    SlotKind.UPLOAD: _TRANSFER_CAPTIONS,
    SlotKind.WORKFLOW: _JOB_CAPTIONS,
    SlotKind.STREAM: _STREAM_CAPTIONS,
}
_ACTIVE_WORDS = frozenset(
    [status.value for status in Status if status.is_active] + [state.value for state in StreamState if state.is_active]
)


def slots_heading(view: StationView, kind: SlotKind) -> Line:
    """The title of the slots of one kind, how many objects of the station are active, and the captions."""
    told = _counts(view, kind)
    return heading(kind.title, told.ljust(_LEFT - len(kind.title)), _CAPTIONS[kind])


def _counts(view: StationView, kind: SlotKind) -> str:
    groups = {SlotKind.DAQ: "DAQ:", SlotKind.UPLOAD: "UPL:", SlotKind.WORKFLOW: "JOB:"}
    active = [pv for pv in view.overview.counts if pv.name == f"{groups.get(kind, '')}Active"]
    if not active or view.reading(active[0]).trust is not Trust.FRESH:
        return ""
    return f" {view.text(active[0])} active"


def slot_line(view: StationView, slot: SlotOverview, paper: Paper) -> Line:
    """One slot: its state, alarm, progress and counts; of one that cannot be believed since when, and what it was."""
    trust = view.trust([slot.head])
    if trust is not Trust.FRESH:
        return _untrusted(view, slot, trust, paper)
    alarm = view.worst(slot.line)
    word = view.text(slot.head)
    tone = TONES[alarm] if alarm else _tone(word)
    told = (
        Span(f"{slot.name:<{_NAME}}"),
        Span(paper.cell(word, _STATUS) + " ", tone),
        Span(f"{'' if alarm is Severity.NO_ALARM else alarm.name:<{_ALARM}}", tone),
    )
    return Line((*told, *_progress(view, slot, paper)), slot=slot.name, is_row=True)


def _tone(word: str) -> Tone:
    if word in _ACTIVE_WORDS:
        return Tone.ACTIVE
    return Tone.GOOD if word == Status.DONE.value else Tone.DIM


def _untrusted(view: StationView, slot: SlotOverview, trust: Trust, paper: Paper) -> Line:
    """Nothing of it in the columns of fresh values."""
    tone = Tone.INVALID if trust is Trust.INVALID else Tone.LOST
    since = f"{trust.value} since {clock(view.since_s(slot.head), view.now_s)}"
    was = view.text(slot.head)
    last = f", was {was}{_last_progress(view, slot)}" if was else ""
    room = max(paper.width - _NAME - len(since), 0)
    return line(
        f"{slot.name:<{_NAME}}", Span(since, tone), Span(paper.cell(last, room), Tone.DIM), slot=slot.name, is_row=True
    )


def _last_progress(view: StationView, slot: SlotOverview) -> str:
    pvs = {pv.short_name: pv for pv in slot.line}
    if view.text(slot.head) not in _ACTIVE_WORDS or "Percent" not in pvs:
        return ""
    where = " ".join(view.text(pvs[name]) for name in ("Stage", "Workflow_RBV") if name in pvs)
    return f" {view.text(pvs['Percent'])} % {where}".rstrip()


def _progress(view: StationView, slot: SlotOverview, paper: Paper) -> tuple[Span, ...]:
    pvs = {pv.short_name: pv for pv in slot.line}
    if view.text(slot.head) == Status.IDLE.value:
        return ()
    if slot.kind is SlotKind.STREAM:
        return _stream_columns(view, pvs, paper)
    columns = _job_columns if slot.kind is SlotKind.WORKFLOW else _transfer_columns
    tone = Tone.GOOD if view.text(slot.head) == Status.DONE.value else Tone.ACTIVE
    return (*_bar(view, pvs["Percent"], tone, paper), Span(" " + columns(view, pvs, paper)))


def _bar(view: StationView, percent: PV, tone: Tone, paper: Paper) -> tuple[Span, ...]:
    done, still = paper.bar(view.number(percent), _BAR)
    return Span(done, tone), Span(still, Tone.DIM), Span(f" {view.text(percent):>5}%")


def _transfer_columns(view: StationView, pvs: dict[str, PV], paper: Paper) -> str:
    stored = f"{count(view.number(pvs['FilesDone']))}/{count(view.number(pvs['FilesTotal']))}"
    waiting, failed = (count(view.number(pvs[name])) for name in ("FilesWaiting", "FilesFailed"))
    rate = view.number(pvs["Rate"])
    shown_rate = f"{rate:.1f}" if rate < 1000 else count(rate)
    return f"{stored:>11} {waiting:>5} {failed:>5} {shown_rate:>5} {duration(view.number(pvs['RunTime'])):>8}"


def _job_columns(view: StationView, pvs: dict[str, PV], paper: Paper) -> str:
    stage = f"{view.text(pvs['StageIndex'])}/{view.text(pvs['StageCount'])} {view.text(pvs['Stage'])}"
    # What a wide terminal has more goes to the names.
    more = max(paper.width - 80, 0) // 2
    names = f"{paper.cell(stage, 14 + more)} {paper.cell(view.text(pvs['Workflow_RBV']), 14 + more)}"
    return f"{names} {duration(view.number(pvs['RunTime'])):>8}"


def _stream_columns(view: StationView, pvs: dict[str, PV], paper: Paper) -> tuple[Span, ...]:
    received, processed, missed, errors = (
        count(view.number(pvs[name])) for name in ("Received", "Processed", "Missed", "Errors")
    )
    age_s = view.number(pvs["HeartbeatAge"])
    report = f"{span(age_s)} ago" if age_s >= 0 else ""
    told = f"{received:>8} {processed:>9} {missed:>6} {errors:>6}  {report:<8} "
    return (Span(told), Span(paper.cell(view.text(pvs["Source_RBV"]), max(paper.width - _LEFT - len(told), 0))))


def service_cell(view: StationView, service: ServiceOverview, width: int) -> tuple[Span, ...]:
    """One DM service on so many columns: its state, answer time, and the age of its last good answer."""
    reading = view.reading(service.state)
    name = f"{service.service.value:<{_NAME}}"
    if reading.trust is not Trust.FRESH:
        text = f"{reading.trust.value} since {clock(view.since_s(service.state), view.now_s)}"
        return Span(name), Span(text.ljust(width - _NAME), Tone.LOST)
    age_s = view.number(service.age)
    age = f"{span(age_s)} ago" if age_s >= 0 else "no answer yet"
    if age_s < 0:
        return Span(name), Span(f"{reading.content}, {age}".ljust(width - _NAME), Tone.DIM)
    if reading.severity is Severity.NO_ALARM:
        word = str(reading.content)
        told = f"{word:<13}{view.text(service.latency):>7} ms {age:>9}"
        tone = Tone.GOOD if word == "Connected" else Tone.DIM
        return Span(name), Span(told[:13], tone), Span(told[13:].ljust(width - _NAME - 13))
    told = f"{reading.content} {reading.severity.name}, {age}"
    return Span(name), Span(told.ljust(width - _NAME), TONES[reading.severity])
