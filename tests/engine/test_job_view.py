"""A job as its slot shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmioc.engine.job_view import error_text, job_view, report_text, run_time_s, stages_done
from dmioc.engine.readings import Alarm
from dmioc.model import Job, JobSummary, Severity, StageRun, Status

STAGES = ("01-A", "02-B", "03-C")
SUMMARY = JobSummary("7", "user", "recon", Status.RUNNING, "running", "02-B", 100.0, 110.0)
RUNS = (
    StageRun("01-A", 0, Status.DONE, 0, 2.0, "true", "first\n"),
    StageRun("02-B", 0, Status.DONE, 0, 1.0, "true", "again\n"),
    StageRun("02-B", 1, Status.RUNNING, -1, 0.0, "sleep 9", "half\nway", "warning"),
)
JOB = Job(SUMMARY, STAGES, RUNS, files=3)


def view_of(job: Job, still: bool = False, now_s: float = 120.0):
    return job_view(job, attached=False, report="r", now_s=now_s, still=still)


def ended(status: Status, **more: object) -> Job:
    return replace(JOB, summary=replace(SUMMARY, status=status, end_time_s=130.0, **more))  # pyright: ignore


def test_a_job_at_work() -> None:
    view = view_of(JOB)
    assert (view.stage, view.stage_index, view.stage_count, view.percent) == ("02-B", 2, 3, 33.3)
    assert (view.exit_status, view.command, view.std_out, view.std_err) == (-1, "sleep 9", "half\nway", "warning")
    assert (view.run_time_s, view.event_time_s, view.end_time, view.files) == (10.0, 110.0, "", 3)
    assert view.alarms == {}


def test_no_progress_is_an_alarm_of_what_is_active_only() -> None:
    assert view_of(JOB, still=True).alarms == {"status": (Severity.MAJOR, Alarm.TIMEOUT)}
    assert view_of(ended(Status.DONE), still=True).alarms == {}


def test_a_job_that_is_done() -> None:
    view = view_of(ended(Status.DONE, run_time_s=19.123))
    assert (view.percent, view.run_time_s, view.event_time_s) == (100.0, 19.123, 130.0)
    assert run_time_s(ended(Status.DONE), 999.0) == 20.0  # DM gave no figure: end minus start


@pytest.mark.parametrize(
    ("job", "done"),
    [
        (JOB, 1),
        (ended(Status.FAILED), 1),
        (replace(JOB, summary=replace(SUMMARY, stage="")), 0),
        (replace(JOB, summary=replace(SUMMARY, stage="99-UNKNOWN")), 0),
        (Job(SUMMARY), 0),
    ],
)
def test_stages_done(job: Job, done: int) -> None:
    assert stages_done(job) == done
    assert 0.0 <= view_of(job).percent <= 100.0


def test_a_job_of_which_dm_told_nothing_yet() -> None:
    view = view_of(Job(JobSummary("7")))
    assert (view.status, view.run_time_s, view.submit_time, view.event_time_s) == (Status.UNKNOWN, 0.0, "", 0.0)
    assert (view.stage_count, view.percent, view.exit_status) == (0, 0.0, -1)


def test_a_clock_behind_dms_gives_no_negative_time() -> None:
    assert view_of(JOB, now_s=50.0).run_time_s == 0.0


def test_what_went_wrong() -> None:
    broken = StageRun("02-B", 1, Status.FAILED, 3, 1.0, "x", "", "one\ntwo\n" + "e" * 500)
    job = replace(ended(Status.FAILED), stage_runs=(*RUNS[:2], broken))
    assert error_text(job) == f"stage 02-B, process 1: exit status 3: {'e' * 200}"
    assert (
        error_text(replace(job, stage_runs=(replace(broken, std_err=" \n"),))) == "stage 02-B, process 1: exit status 3"
    )
    assert error_text(replace(job, stage_runs=())) == "failed in stage 02-B"
    assert error_text(ended(Status.FAILED, error="DM's own words")) == "DM's own words"
    assert error_text(ended(Status.DONE)) == ""
    assert error_text(ended(Status.FAILED, stage="")) == ""


def test_output_is_cut_to_the_last_whole_characters() -> None:
    runs = (replace(RUNS[2], std_out="é" * 10000 + "end"),)
    std_out = view_of(replace(JOB, stage_runs=runs)).std_out
    assert std_out.endswith("éend") and 8190 <= len(std_out.encode()) <= 8192


def test_reports() -> None:
    text = report_text(JOB, False, 120.0)
    head, columns, *rows = text.splitlines()
    assert head == "recon 7: Running, stage 02-B, 10.0 s"
    assert columns.split() == ["stage", "process", "status", "exit", "time", "s", "output"]
    assert [row.split()[:3] for row in rows] == [["01-A", "0", "Done"], ["02-B", "0", "Done"], ["02-B", "1", "Running"]]
    assert rows[2].endswith("warning")
    assert report_text(JOB, True, 120.0) == head
    failed = report_text(ended(Status.FAILED, error="bad"), True, 120.0)
    assert failed == "recon 7: Failed, stage 02-B, 20.0 s: bad"
    assert len(report_text(replace(JOB, stage_runs=RUNS * 1000), False, 120.0).encode()) <= 16384
