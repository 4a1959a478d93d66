"""What is drawn from what is known: pure, no gateway."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from dmioc.catalogue import PV, Kind, Slots, station_catalogue
from dmioc.catalogue.overview import SlotKind, slot_overview, slots_of, station_overview
from dmioc.model import Severity
from dmioc.watch.lines import Line
from dmioc.watch.pages import PAGES, overview_page, title
from dmioc.watch.readings import Board, Content, Reading, Trust
from dmioc.watch.rows import slot_line
from dmioc.watch.tables import JOBS, table_lines
from dmioc.watch.values import details_page
from dmioc.watch.view import LinkState, StationView
from dmioc.watch.wording import Paper, clock, count, duration, span

NOW_S = 1795000000.0
PAPER = Paper(80, 21)
OVERVIEW = station_overview()
SLOTS = slots_of(station_catalogue())
WF1 = slot_overview(SlotKind.WORKFLOW, 1)


def content_of(pv: PV) -> Content:
    """Something that the PV could hold when all is well."""
    if pv.short_name == "Error":
        return ""
    if pv.kind.has_states:
        return pv.labels[1]
    if pv.kind is Kind.TABLE:
        return {column.name: () for column in pv.columns}
    if pv.kind is Kind.LINES:
        return ("one", "two")
    return {Kind.LONG: 7, Kind.DOUBLE: 12.5}.get(pv.kind, f"text of {pv.short_name}")


def view_of(changed: dict[str, Reading] | None = None, has_tables: bool = True) -> StationView:
    """A station on which all is well, but for some readings."""
    tables = OVERVIEW.tables if has_tables else ()
    pvs = [*OVERVIEW.scalars, *tables, *(pv for slot in SLOTS for pv in (*slot.line, *slot.details))]
    readings = {pv.name: Reading(content_of(pv), time_s=NOW_S - 3, since_s=NOW_S - 9, seen_s=NOW_S - 1) for pv in pvs}
    return StationView(
        prefix="T:",
        protocol="PVAccess",
        has_tables=has_tables,
        now_s=NOW_S,
        began_s=NOW_S - 100,
        overview=OVERVIEW,
        slots=SLOTS,
        readings=readings | (changed or {}),
        log=(),
    )


def with_wf1(view: StationView, reading: Reading) -> str:
    """The line of WF1 when its Status is this."""
    readings = dict(view.readings) | {"WF1:Status": reading}
    return slot_line(replace(view, readings=readings), WF1, PAPER).text


def test_every_page_fits_80_columns() -> None:
    long_text = "long " * 500
    changed = {
        pv.name: Reading(long_text if pv.kind.is_text or pv.kind is Kind.STRING else content_of(pv), seen_s=NOW_S)
        for slot in SLOTS
        for pv in slot.line
        if not pv.kind.has_states
    }
    for view in (view_of(), view_of(changed), view_of(has_tables=False)):
        drawn = [page.draw(view, PAPER) for page in PAGES] + [details_page(view, slot, PAPER) for slot in view.slots]
        for lines in [*drawn, [title(view, PAPER)]]:
            assert lines
            assert [one.text for one in lines if cell_len(one.text) > 80] == []


def test_overview_of_a_usual_station_fits_24_lines() -> None:
    lines = overview_page(view_of(has_tables=False), PAPER)
    assert len(lines) <= PAPER.height
    assert [one.slot for one in lines if one.slot] == [slot.name for slot in SLOTS]


def test_what_is_not_fresh_is_said_in_words_and_keeps_its_columns_empty() -> None:
    running = Reading("Running", seen_s=NOW_S, since_s=NOW_S - 70)
    assert with_wf1(view_of(), running).split()[:3] == ["WF1", "Running", "█░░░░░░░░░"]
    invalid = with_wf1(view_of(), replace(running, severity=Severity.INVALID, alarm="COMM"))
    lost = with_wf1(view_of(), replace(running, is_connected=False))
    never = with_wf1(view_of(), Reading(None, is_connected=False, since_s=NOW_S - 70))
    since = clock(NOW_S - 70, NOW_S)
    assert invalid.startswith(f"WF1  INVALID since {since}, was Running")
    assert lost.startswith(f"WF1  DISCONNECTED since {since}, was Running")
    assert never == f"WF1  DISCONNECTED since {since}"
    assert "█" not in invalid + lost


def test_alarms_stand_in_words() -> None:
    assert with_wf1(view_of(), Reading("Failed", Severity.MAJOR)).split()[:3] == ["WF1", "Failed", "MAJOR"]
    # An alarm of any PV of the line is an alarm of the line.
    view = view_of({"DAQ1:FilesFailed": Reading(2, Severity.MINOR), "DAQ1:Status": Reading("Running")})
    assert slot_line(view, slot_overview(SlotKind.DAQ, 1), PAPER).text.split()[:3] == ["DAQ1", "Running", "MINOR"]


def test_gateway_whose_heart_stands_still_is_not_fresh() -> None:
    head, heartbeat = OVERVIEW.head.name, OVERVIEW.heartbeat.name
    view = view_of({head: Reading("Connected", seen_s=NOW_S - 60), heartbeat: Reading(3, seen_s=NOW_S - 12)})
    assert (view.link, view.is_connected) == (LinkState.SILENT, False)
    assert "gateway SILENT since" in title(view, PAPER).text
    assert {view.reading(pv).trust for pv in OVERVIEW.scalars} == {Trust.DISCONNECTED}
    assert all("DISCONNECTED since" in slot_line(view, slot, PAPER).text for slot in SLOTS)


def test_service_that_is_away_tells_since_when_its_values_are_invalid() -> None:
    away = Reading("Disconnected", Severity.MAJOR, "STATE", time_s=NOW_S - 30, seen_s=NOW_S)
    view = view_of({"PROC:State": away, "WF1:Status": Reading("Running", Severity.INVALID, since_s=NOW_S - 5)})
    assert f"INVALID since {clock(NOW_S - 30, NOW_S)}" in slot_line(view, WF1, PAPER).text
    assert any("PROC Disconnected MAJOR" in one.text for one in overview_page(view, PAPER))


def test_no_text_of_a_pv_reaches_the_terminal_as_a_command() -> None:
    nasty = "\x1b]0;owned\x07\x1b[2Jx\rline\x9b31m"
    names = [
        pv.name for slot in SLOTS for pv in (*slot.line, *slot.details) if pv.kind.is_text or pv.kind is Kind.STRING
    ]
    names += [pv.name for pv in OVERVIEW.scalars if pv.kind.is_text or pv.kind is Kind.STRING]
    view = view_of({name: Reading(nasty, seen_s=NOW_S) for name in names})
    drawn: list[Line] = [one for page in PAGES for one in page.draw(view, PAPER)]
    drawn += [one for slot in SLOTS for one in details_page(view, slot, PAPER)]
    assert any("owned" in one.text for one in drawn)
    assert [one.text for one in drawn if not one.text.isprintable()] == []


def test_without_tables_the_first_rows_of_a_list_are_shown() -> None:
    row = "e600bf62-7f01-4863-9a20-b0c0be615883  steps-01              Done"
    rows = {"JOB:Row0": Reading(row), "JOB:Row1": Reading(row, is_connected=False), "JOB:Row2": Reading("")}
    lines = [one.text for one in table_lines(view_of(rows, has_tables=False), JOBS, PAPER)]
    assert [one.split() for one in lines[2:]] == [
        ["e600bf62", "steps-01", "Done"],
        ["DISCONNECTED", "e600bf62", "steps-01", "Done"],
    ]
    assert lines[2].index("steps-01") == lines[1].index("workflow")


def test_numbers_and_times_in_words() -> None:
    assert [duration(s) for s in (0, 59.9, 3723, 90061)] == ["0:00:00", "0:00:59", "1:02:03", "1d 01h"]
    assert [span(s) for s in (0.5, 119, 120, 7200, 2 * 86400)] == ["0 s", "119 s", "2 min", "2 h", "2 d"]
    assert [count(n) for n in (0, 99999, 123456, 12345678)] == ["0", "99999", "123k", "12M"]
    assert PAPER.bar(99.9, 10) == ("█" * 9, "░") and PAPER.bar(100, 10) == ("█" * 10, "")


@pytest.mark.parametrize("text", ["short", "much longer than the cell", "日本語日本語日本語", ""])
def test_cells_have_their_width(text: str) -> None:
    for width in (0, 1, 5, 12):
        assert cell_len(PAPER.cell(text, width)) == cell_len(PAPER.cell(text, width, is_right=True)) == width


def test_overview_covers_every_slot_of_any_catalogue() -> None:
    found = slots_of(station_catalogue(Slots(daq=1, upload=0, workflow=7, stream=3)))
    assert [slot.name for slot in found] == ["DAQ1", *(f"WF{n}" for n in range(1, 8)), "STR1", "STR2", "STR3"]


def test_board_tells_since_when() -> None:
    board = Board("Message", 3)
    board.publish("A", Reading("x"))
    first = board.readings()["A"]
    board.publish("A", Reading("y"))
    assert board.readings()["A"].since_s == first.since_s
    board.lose(["A", "B"])
    board.publish("Message", Reading("one"))
    board.publish("Message", Reading("one"))
    board.publish("Message", Reading("two"))
    assert [one.content for one in board.log()] == ["one", "two"]
    assert (board.readings()["A"].content, board.is_connected("A"), board.is_connected("B")) == ("y", False, False)
    board.lose(["A"])
    assert board.readings()["A"].since_s <= board.readings()["Message"].since_s
