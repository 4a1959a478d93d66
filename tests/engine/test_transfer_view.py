"""A DAQ or an upload as its slot shows it, and when it is an alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmioc.engine.readings import Alarm
from dmioc.engine.transfer_view import Limits, Rate, judged, transfer_view
from dmioc.model import Severity, Status, Transfer, TransferKind

LIMITS = Limits(no_files_after_s=60.0, no_progress_after_s=300.0)
DAQ = Transfer(
    "1", TransferKind.DAQ, "exp", "/data", "dest", Status.RUNNING, "running", 10, 7, 3, 0, start_time_s=1000.0
)
UPLOAD = replace(DAQ, kind=TransferKind.UPLOAD, status=Status.DONE, files_done=10, files_waiting=0, end_time_s=1010.0)
MINOR, TIMEOUT = (Severity.MINOR, Alarm.STATE), (Severity.MAJOR, Alarm.TIMEOUT)


def view_of(transfer: Transfer, now_s: float = 1020.0, still_for_s: float = 0.0, rate: float = 2.0):
    return transfer_view(
        transfer, source_path="", attached=False, rate=rate, now_s=now_s, still_for_s=still_for_s, limits=LIMITS
    )


@pytest.mark.parametrize(
    ("transfer", "status", "error"),
    [
        (UPLOAD, Status.DONE, ""),
        (replace(UPLOAD, files_failed=2), Status.FAILED, "2 of 10 files failed"),
        (replace(UPLOAD, files_failed=2, error="disk full"), Status.FAILED, "disk full"),
        (replace(UPLOAD, files_total=0, files_done=0), Status.FAILED, "no files were uploaded"),
        (replace(UPLOAD, status=Status.ABORTED, files_failed=2), Status.ABORTED, ""),
        (replace(UPLOAD, status=Status.RUNNING, files_total=0), Status.RUNNING, ""),
        (replace(DAQ, status=Status.DONE, files_total=0), Status.DONE, ""),
        (replace(DAQ, status=Status.DONE, files_failed=1), Status.DONE, ""),
    ],
)
def test_judged(transfer: Transfer, status: Status, error: str) -> None:
    assert (judged(transfer).status, judged(transfer).error) == (status, error)


@pytest.mark.parametrize(
    ("transfer", "still_for_s", "alarms"),
    [
        (DAQ, 0.0, {}),
        (replace(DAQ, files_failed=1), 0.0, {"files_failed": MINOR, "status": MINOR}),
        (replace(DAQ, files_failed=1, status=Status.DONE), 0.0, {"files_failed": MINOR, "status": MINOR}),
        # Failed is MAJOR by itself: no milder alarm may replace it.
        (replace(DAQ, files_failed=1, status=Status.FAILED), 0.0, {"files_failed": MINOR}),
        (DAQ, 301.0, {"status": TIMEOUT}),
        (replace(DAQ, files_failed=1), 301.0, {"files_failed": MINOR, "status": TIMEOUT}),
        # With nothing waiting there is nothing to make progress with.
        (replace(DAQ, files_waiting=0), 301.0, {}),
        (replace(DAQ, status=Status.ABORTED), 301.0, {}),
    ],
)
def test_alarms(transfer: Transfer, still_for_s: float, alarms: object) -> None:
    assert view_of(transfer, still_for_s=still_for_s).alarms == alarms


def test_a_daq_that_sees_no_file() -> None:
    empty = replace(DAQ, files_total=0, files_done=0, files_waiting=0)
    assert view_of(empty, now_s=1059.0).alarms == {}
    assert view_of(empty, now_s=1061.0).alarms == {"files_total": MINOR}
    assert view_of(replace(empty, status=Status.DONE), now_s=1061.0).alarms == {}
    assert view_of(replace(empty, kind=TransferKind.UPLOAD), now_s=1061.0).alarms == {}


def test_times() -> None:
    running = view_of(DAQ)
    assert (running.run_time_s, running.end_time, running.event_time_s, running.rate) == (20.0, "", 1000.0, 2.0)
    done = view_of(UPLOAD, now_s=9999.0)
    assert (done.run_time_s, done.event_time_s, done.rate) == (10.0, 1010.0, 0.0)
    assert view_of(replace(UPLOAD, run_time_s=9.5)).run_time_s == 9.5
    assert view_of(DAQ, now_s=900.0).run_time_s == 0.0  # DM's clock is ahead
    assert view_of(replace(DAQ, start_time_s=0.0)).run_time_s == 0.0


def test_rate_and_standing_still() -> None:
    rate = Rate(0.0)
    rate.add(0.0, DAQ)
    assert rate.per_second() == 0.0
    for second in range(1, 11):
        rate.add(float(second), replace(DAQ, files_done=7 + 3 * second))
    assert rate.per_second() == pytest.approx(3.0)
    assert rate.still_for_s(10.5) == 0.5
    for second in range(11, 20):
        rate.add(float(second), replace(DAQ, files_done=37))
    assert rate.per_second() == 0.0
    assert rate.still_for_s(19.0) == 9.0
    rate.add(20.0, replace(DAQ, files_done=0))  # counts that fall give no negative rate
    assert rate.per_second() == 0.0 and rate.still_for_s(20.0) == 0.0
