"""The station's own lists, which PVAccess serves as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dmioc.catalogue import PV
from dmioc.catalogue.rows import header
from dmioc.model import Status
from dmioc.watch.lines import WORD_TONES, Caption, Line, Span, Tone, heading, line, table
from dmioc.watch.readings import Trust
from dmioc.watch.view import StationView, seconds_of
from dmioc.watch.wording import ID, Paper, clock, count, date_and_time, duration

Row = Mapping[str, str | int | float]
_ACTIVE = frozenset(status.value for status in Status if status.is_active)


@dataclass(frozen=True, slots=True)
class StationTable:
    """One list: the name of its PV, what it lists, its columns on the page, and the cells of a row at a time (POSIX)."""

    name: str
    what: str
    captions: tuple[Caption, ...]
    cells: Callable[[Row, float], list[str]]


def table_lines(view: StationView, shown: StationTable, paper: Paper) -> list[Line]:
    """The list with its captions, or why it is not there."""
    pv = next(pv for pv in view.overview.lists if pv.name == shown.name)
    if not view.has_tables:
        return _first_rows(view, pv, shown, paper)
    reading = view.reading(pv)
    since = f"{reading.trust.value} since {clock(view.since_s(pv), view.now_s)}"
    if reading.content is None:
        return [heading(shown.what), line(Span(since, Tone.LOST))]
    found = view.rows(pv)
    doubt = "" if reading.trust is Trust.FRESH else f", {since}"
    rows = [(shown.cells(row, view.now_s), WORD_TONES.get(str(row.get("status", "")), Tone.PLAIN)) for row in found]
    return [heading(shown.what, f": {len(found)}{doubt}"), *table(shown.captions, rows, paper)]


def _first_rows(view: StationView, pv: PV, shown: StationTable, paper: Paper) -> list[Line]:
    """The rows that are PVs of their own; of an id in front the first digits."""
    rows = [one for one in view.overview.rows if one.row_of == pv.name and view.text(one)]
    ids = [found for one in rows if (found := ID.match(view.text(one)))]
    cut = slice(ids[0].end(1), ids[0].end()) if ids else slice(0, 0)

    def row_line(text: str, tone: Tone, doubt: str = "", is_row: bool = True) -> Line:
        told = doubt + text[: cut.start] + text[cut.stop :]
        return line(Span(paper.cell(told, paper.width), tone), is_row=is_row)

    lines = [heading(shown.what, ": the first rows; all of them with --protocol pva")]
    lines.append(row_line(header(pv), Tone.CAPTION, is_row=False))
    for row in rows:
        trust = view.reading(row).trust
        if trust is Trust.FRESH:
            lines.append(row_line(view.text(row), Tone.PLAIN))
        else:
            lines.append(row_line(view.text(row), Tone.LOST, doubt=f"{trust.value} "))
    return lines


def _transfer_cells(row: Row, now_s: float) -> list[str]:
    stored = f"{count(float(row['done']))}/{count(float(row['total']))}"
    start = date_and_time(seconds_of(str(row["start"])))
    return [start, str(row["experiment"]), str(row["status"]), stored, str(row["failed"]), str(row["directory"])]


def _job_cells(row: Row, now_s: float) -> list[str]:
    submitted, status = date_and_time(seconds_of(str(row["submitted"]))), str(row["status"])
    started_s = seconds_of(str(row["started"]))
    # The list comes anew when a job has changed, not each second.
    is_running = status in _ACTIVE and started_s > 0
    run_time = duration(now_s - started_s if is_running else float(row["runTime"]))
    return [submitted, str(row["workflow"]), status, str(row["stage"]), run_time, str(row["error"])]


def _experiment_cells(row: Row, now_s: float) -> list[str]:
    start, end = (str(row[name])[:10] for name in ("start", "end"))
    return [str(row["name"]), str(row["type"]), start, end, str(row["users"]), str(row["description"])]


_TRANSFER_CAPTIONS = (
    Caption("start", 19),
    Caption("experiment", 14),
    Caption("status", 9),
    Caption("stored/seen", 11, is_right=True),
    Caption("fail", 5, is_right=True),
    Caption("directory", 0),
)
DAQS = StationTable("DAQ:List", "DAQs of the station", _TRANSFER_CAPTIONS, _transfer_cells)
UPLOADS = StationTable("UPL:List", "Uploads of the station", _TRANSFER_CAPTIONS, _transfer_cells)
JOBS = StationTable(
    "JOB:List",
    "Newest jobs of the owner",
    (
        Caption("submitted", 19),
        Caption("workflow", 16),
        Caption("status", 9),
        Caption("stage", 12),
        Caption("run time", 8, is_right=True),
        Caption("error", 0),
    ),
    _job_cells,
)
EXPERIMENTS = StationTable(
    "EXP:List",
    "Experiments of the station",
    (
        Caption("name", 20),
        Caption("type", 8),
        Caption("start", 10),
        Caption("end", 10),
        Caption("users", 5, is_right=True),
        Caption("description", 0),
    ),
    _experiment_cells,
)
