"""The recorded payloads of dm-protocol.md give the right model, also with the variations it tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from rest_payloads import (
    DAQ,
    EXPERIMENT_FULL,
    EXPERIMENT_ROW,
    JOB_ROW,
    JOB_SUBMITTED,
    STAGE_RUN,
    STAGE_SKIPPED,
)
from rest_stub import client_for, json_reply, serving

from dmioc.dm.rest import RestDm
from dmioc.errors import DmAnswerError
from dmioc.model import Experiment, StageRun, Status, Transfer, TransferKind

T = TypeVar("T")


def asked(content: object, folder: Path, ask: Callable[[RestDm], Awaitable[T]]) -> T:
    """What a call makes of an answer."""

    async def main(url: str) -> T:
        dm = client_for(url, folder)
        try:
            return await ask(dm)
        finally:
            await dm.close()

    with serving(lambda _: json_reply(content)) as stub:
        return asyncio.run(main(stub.url))


def daq_of(record: object, folder: Path) -> Transfer:
    return asked(record, folder, lambda dm: dm.transfer(TransferKind.DAQ, "x"))


def test_experiment_row(tmp_path: Path) -> None:
    assert asked([EXPERIMENT_ROW], tmp_path, lambda dm: dm.experiments()) == [
        Experiment(
            name="chen_2026-2",
            id=27200,
            type="25IDC",
            description="...",
            start_date="2026-04-20T00:00:00-05:00",
            end_date="2026-04-27T00:00:00-05:00",
            created="2026-04-24T14:44:05-05:00",
            root_path="chen_2026-2",
            storage_name="SOJOURNER",
        )
    ]


def test_experiment_full(tmp_path: Path) -> None:
    found = asked(EXPERIMENT_FULL, tmp_path, lambda dm: dm.experiment("chen_2026-2"))
    assert found.data_directory == "/gdata/dm/25IDC/chen_2026-2/chen_2026-2/data"
    assert found.analysis_directory.endswith("/analysis")
    assert found.storage_directory == "/gdata/dm/25IDC/chen_2026-2/chen_2026-2"
    assert found.storage_host == "xraydtn03.xray.aps.anl.gov"
    assert found.storage_url.startswith("sojourner://")
    assert (found.users, found.user_count) == (("d64944", "d65123"), 2)
    assert found.metadata == {"emailedUsers": "d1,d2", "pinnedByUser": "d64944"}


def test_experiment_with_dates_of_another_form_and_nulls(tmp_path: Path) -> None:
    record = {"name": "e", "startDate": "20-Jul-26", "endDate": None, "experimentType": None, "id": None}
    found = asked(record, tmp_path, lambda dm: dm.experiment("e"))
    assert found == Experiment(name="e", start_date="20-Jul-26")


def test_daq(tmp_path: Path) -> None:
    assert daq_of(DAQ, tmp_path) == Transfer(
        id="2251bce7-a8d4-40ad-b685-57be42e24d32",
        kind=TransferKind.DAQ,
        experiment="tetramm-testing-2026-C2",
        directory="/net/s25data/export/25-ID-C/tetramm-testing-2026-C2",
        status=Status.RUNNING,
        status_word="running",
        start_time_s=1780114297.2845373,
    )


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"percentageComplete": "42.50"}, {"percent": 42.5}),
        ({"percentageComplete": 42}, {"percent": 42.0}),
        ({"percentageComplete": "n/a", "countFiles": 4, "nProcessedFiles": 1}, {"percent": 25.0}),
        ({"percentageComplete": None, "countFiles": 0}, {"percent": 0.0}),
        ({"countFiles": 8, "nCompletedFiles": 2}, {"files_total": 8, "files_done": 2, "percent": 25.0}),
        ({"nFiles": 8, "countFiles": None, "nCompletedFiles": 2}, {"files_total": 8, "files_done": 2}),
        ({"countFiles": 8, "nProcessedFiles": 3, "nProcessingErrors": 1}, {"files_waiting": 4, "files_failed": 1}),
        ({"countFiles": 8, "nProcessedFiles": 3, "nWaitingFiles": 1}, {"files_waiting": 1}),
        ({"endTime": 1780114307.2845373}, {"run_time_s": 10.0}),
        ({"endTime": 1780114307.2845373, "runTime": 9.5}, {"run_time_s": 9.5}),
        ({"runTime": 782}, {"run_time_s": 782.0, "end_time_s": 0.0}),
        ({"processingErrors": {"a.h5": "no space"}}, {"error": '{"a.h5": "no space"}'}),
        ({"processingErrors": ["a.h5:\n no space"]}, {"error": r'["a.h5:\n no space"]'}),
        ({"processingErrors": "a.h5:\nno space"}, {"error": "a.h5: no space"}),
        ({"processingErrors": {}}, {"error": ""}),
        ({"errorMessage": "no new files for upload", "status": "done"}, {"error": "no new files for upload"}),
        ({"processedBytes": 1048576, "lastFile": "b/c.h5"}, {"bytes_done": 1048576.0, "last_file": "b/c.h5"}),
        ({"destDirectory": "a/b"}, {"destination": "a/b"}),
        ({"status": "hibernating"}, {"status": Status.UNKNOWN, "status_word": "hibernating"}),
        ({"status": "finalizing"}, {"status": Status.RUNNING, "status_word": "finalizing"}),
        ({"status": None}, {"status": Status.UNKNOWN, "status_word": ""}),
        ({"aKeyOfNextYear": [{"x": {}}], "skipFilePathPattern": "*.tmp"}, {}),
    ],
)
def test_daq_variations(extra: dict[str, object], expected: dict[str, object], tmp_path: Path) -> None:
    found = daq_of({**DAQ, **extra}, tmp_path)
    assert {key: getattr(found, key) for key in expected} == pytest.approx(expected)


def test_job_as_submitted(tmp_path: Path) -> None:
    found = asked(JOB_SUBMITTED, tmp_path, lambda dm: dm.start_job("s25idcuser", "example-01", {"run_uid": "12345"}))
    assert found.summary.id == "3a4c943e-d01f-418e-ba36-76e962770987"
    assert found.summary.status is Status.PENDING
    assert found.summary.workflow == "example-01"
    assert found.summary.submit_time_s == 1778252821.8895876
    assert found.arguments == {"run_uid": "12345"}
    assert found.stage_names == ("01-START", "02-DONE")
    assert [run.process for run in found.stage_runs] == [-1, -1]
    assert {run.status for run in found.stage_runs} == {Status.IDLE}


def test_job_row_failed_at_once(tmp_path: Path) -> None:
    (row,) = asked([JOB_ROW], tmp_path, lambda dm: dm.jobs("s25idcuser", 0, 10, with_workflow=False))
    assert row.status is Status.FAILED
    assert row.error == "Invalid input file specification."
    assert row.run_time_s == 0.000235
    assert row.workflow == ""


def test_job_complete(tmp_path: Path) -> None:
    child = STAGE_RUN["childProcesses"]["0"]
    running = {"childProcessNumber": 2, "command": "sleep 9", "status": "running", "startTime": 1.0}
    failed = {**child, "childProcessNumber": 1, "exitStatus": 1, "status": "failed", "stdErr": "no\n"}
    record = {
        **JOB_SUBMITTED,
        "status": "running",
        "stage": "030-EXPORT",
        "dmiocRequestId": "r-1",
        "timeStamp": "20260515081246",
        "countFiles": 1,
        "workflow": {
            "name": "w",
            "version": "0.0.0",
            "stages": {
                "040-NEVER": {"command": "x"},
                "030-EXPORT": {"command": "y", "childProcesses": {"2": running, "1": failed}},
                "020-SKIP": STAGE_SKIPPED,
                "010-START": STAGE_RUN,
            },
        },
    }
    found = asked(record, tmp_path, lambda dm: dm.job("s25idcuser", "3a4c"))
    assert found.stage_names == ("010-START", "020-SKIP", "030-EXPORT", "040-NEVER")
    assert found.stage_runs == (
        StageRun("010-START", 0, Status.DONE, 0, 0.0539, child["command"], "20260515081246\n", ""),
        StageRun("020-SKIP", -1, Status.SKIPPED, -1, 0.0, "...", "", ""),
        StageRun("030-EXPORT", 1, Status.FAILED, 1, 0.0539, child["command"], "20260515081246\n", "no\n"),
        StageRun("030-EXPORT", 2, Status.RUNNING, -1, 0.0, "sleep 9", "", ""),
        StageRun("040-NEVER", -1, Status.IDLE, -1, 0.0, "x", "", ""),
    )
    assert found.summary.request_id == "r-1"
    assert found.arguments == {"run_uid": "12345", "dmiocRequestId": "r-1", "timeStamp": "20260515081246"}
    assert found.files == 1


def test_job_with_an_error_message_is_no_error_reply(tmp_path: Path) -> None:
    record = {**JOB_ROW, "errorCode": 3}
    found = asked(record, tmp_path, lambda dm: dm.job("s25idcuser", "3a4c"))
    assert found.summary.error == "Invalid input file specification."
    assert found.arguments == {"errorCode": 3}


def test_workflows(tmp_path: Path) -> None:
    records = [JOB_SUBMITTED["workflow"], {"name": "bare", "version": 1, "stages": {}}, {"name": "old", "owner": None}]
    found = asked(records, tmp_path, lambda dm: dm.workflows("s25idcuser"))
    assert [(w.name, w.owner, w.stages) for w in found] == [
        ("example-01", "s25idcuser", ("01-START", "02-DONE")),
        ("bare", "", ()),
        ("old", "", ()),
    ]
    assert found[0].description == "Workflow Example 01"


def test_of_two_records_with_one_id_the_later_stands(tmp_path: Path) -> None:
    rows = [{"id": "a", "status": "running"}, {"id": "b", "status": "done"}, {"id": "a", "status": "failed"}]
    found = asked(rows, tmp_path, lambda dm: dm.transfers(TransferKind.DAQ))
    assert [(row.id, row.status) for row in found] == [("a", Status.FAILED), ("b", Status.DONE)]


def test_of_a_page_of_jobs_each_row_stands_as_pages_are_counted_in_rows(tmp_path: Path) -> None:
    rows = [{"id": "a"}, {"id": "b"}, {"id": "a"}]
    found = asked(rows, tmp_path, lambda dm: dm.jobs("o", 0, 10, with_workflow=False))
    assert [row.id for row in found] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("bad", "key"),
    [({"status": "done"}, "id"), ({"id": 3}, "$.id"), ({"id": "x", "stage": []}, "$.stage"), (5, "object")],
)
def test_one_bad_record_is_named_and_never_dropped(bad: object, key: str, tmp_path: Path) -> None:
    rows = [*({"id": f"j{index}", "status": "done"} for index in range(3000)), bad, {"id": "last"}]
    with pytest.raises(DmAnswerError, match=r"PROC listProcessingJobs: record 3000: ") as caught:
        asked(rows, tmp_path, lambda dm: dm.jobs("o", 0, 5000, with_workflow=False))
    assert key in str(caught.value)


def test_dataset_id_in_either_key_or_none(tmp_path: Path) -> None:
    for answer, expected in (({"id": "64f"}, "64f"), ({"_id": 7}, "7"), ({"datasetName": "d"}, "")):
        assert asked(answer, tmp_path, lambda dm: dm.add_dataset("e", "d", {})) == expected


def test_file_count(tmp_path: Path) -> None:
    answer = {"countFiles": 12, "experimentName": "e", "averageFileSize": 1.5}
    assert asked(answer, tmp_path, lambda dm: dm.file_count("e")) == 12


def test_what_pythons_json_writes_is_read(tmp_path: Path) -> None:
    record = {**DAQ, "lastFile": "caf\udce9.h5", "runTime": float("nan")}
    found = daq_of(record, tmp_path)
    assert found.last_file == "caf?.h5"
    assert found.run_time_s == 0.0
    rows = asked([DAQ, record], tmp_path, lambda dm: dm.transfers(TransferKind.DAQ))
    assert [row.last_file for row in rows] == ["caf?.h5"]
