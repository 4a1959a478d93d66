from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from transfers_bench import EXPERIMENT, bench, write

from dmioc.localdm.answers import DmAnswerNo, InvalidArgument, InvalidRequest, ObjectNotFound
from dmioc.localdm.transfers.task_info import parse_task_info

BAD_INFO: list[tuple[dict[str, object], type[DmAnswerNo], str]] = [
    ({"processExistingFiles": "maybe"}, InvalidArgument, "processExistingFiles"),
    ({"reprocessFiles": 3}, InvalidArgument, "reprocessFiles"),
    ({"maxRunTimeInHours": "soon"}, InvalidArgument, "maxRunTimeInHours"),
    ({"maxRunTimeInHours": -1}, InvalidArgument, "maxRunTimeInHours"),
    ({"maxRunTimeInHours": "nan"}, InvalidArgument, "maxRunTimeInHours"),
    ({"maxRunTimeInHours": True}, InvalidArgument, "maxRunTimeInHours"),
    ({"destDirectory": "../other"}, InvalidArgument, "destDirectory"),
    ({"destDirectory": "a/../../b"}, InvalidArgument, "destDirectory"),
    ({"destDirectory": "/abs"}, InvalidArgument, "destDirectory"),
    ({"destDirectory": 5}, InvalidArgument, "destDirectory"),
    ({"uploadDestDirectoryOnExit": "../x"}, InvalidArgument, "uploadDestDirectoryOnExit"),
    ({"processingMode": "stream"}, InvalidArgument, "processingMode"),
    ({"workflowName": "w"}, InvalidRequest, "workflowOwner"),
    ({"workflowOwner": "o"}, InvalidRequest, "workflowName"),
    ({"workflowName": "w", "workflowOwner": "o", "workflowArgs": "novalue"}, InvalidArgument, "workflowArgs"),
    ({"removeSourceFiles": True, "skipTransfer": True}, InvalidRequest, "removeSourceFiles"),
    ({"removeSourceFiles": True, "processingMode": "directory"}, InvalidRequest, "removeSourceFiles"),
    ({"experimentFilePath": "../a"}, InvalidArgument, "experimentFilePath"),
]


@pytest.mark.parametrize(("info", "refusal", "key"), BAD_INFO)
def test_bad_value_is_refused_by_its_key(info: dict[str, object], refusal: type[DmAnswerNo], key: str) -> None:
    with pytest.raises(refusal, match=key):
        parse_task_info(info)


@pytest.mark.parametrize(
    ("value", "flag"), [("True", True), ("1", True), (1, True), (True, True), ("false", False), (None, False)]
)
def test_flags_as_text_and_as_themselves(value: object, flag: bool) -> None:
    assert parse_task_info({"reprocessFiles": value}).reprocess is flag


@pytest.mark.parametrize(
    ("mode", "as_directory"), [("DIRECTORY", True), ("Single File", False), ("Files", False), ("", False)]
)
def test_modes_in_any_case(mode: str, as_directory: bool) -> None:
    assert parse_task_info({"processingMode": mode}).as_directory is as_directory


@pytest.mark.parametrize("value", [{"a": 1, "b": "x y"}, "a:1 b:x:y"])
def test_workflow_arguments(value: object) -> None:
    arguments = parse_task_info({"workflowName": "w", "workflowOwner": "o", "workflowArgs": value}).workflow_arguments
    assert str(arguments["a"]) == "1"
    assert arguments["b"] in {"x y", "x:y"}


def test_starts_that_are_refused_leave_no_record(tmp_path: Path) -> None:
    write(tmp_path / "source" / "a.h5")
    (tmp_path / "storage" / "data").mkdir(parents=True)
    (tmp_path / "storage" / "data" / "away").symlink_to(tmp_path)
    cases: list[tuple[str, str, dict[str, object], type[DmAnswerNo], str]] = [
        ("other", "source", {}, ObjectNotFound, "other"),
        (EXPERIMENT, "nowhere", {}, InvalidRequest, "does not exist"),
        (EXPERIMENT, "source/a.h5", {}, InvalidRequest, "no directory"),
        (EXPERIMENT, "", {}, InvalidRequest, "target"),
        (EXPERIMENT, "storage/data", {}, InvalidRequest, "target"),
        (EXPERIMENT, "source", {"destDirectory": "away"}, InvalidArgument, "destDirectory"),
    ]
    texts = ["@host:/data", "sftp://host/data", "relative/path", "", "/nul\0"]

    async def main() -> None:
        async with bench(tmp_path) as station:
            for start in (station.transfers.start_daq, station.transfers.start_upload):
                for experiment, directory, info, refusal, words in cases:
                    with pytest.raises(refusal, match=words):
                        await start(experiment, str(tmp_path / directory), info)
                for text in texts:
                    with pytest.raises(InvalidRequest, match="dataDirectory"):
                        await start(EXPERIMENT, text, {})
            with pytest.raises(InvalidRequest, match="experimentFilePath"):
                await station.transfers.start_upload(EXPERIMENT, str(station.source), {"experimentFilePath": "b.h5"})
            assert station.transfers.daqs() == station.transfers.uploads() == []

    asyncio.run(main())


def test_what_cannot_be_done_with_a_daq(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as station:
            daq_id = await station.daq()
            with pytest.raises(InvalidRequest, match="active"):
                await station.transfers.start_daq(EXPERIMENT, f"{station.source}/", {})
            with pytest.raises(InvalidRequest, match="active"):
                station.transfers.clear_daq(daq_id)
            with pytest.raises(ObjectNotFound):
                await station.transfers.stop_daq(EXPERIMENT, "/elsewhere")
            await station.stop_daq(daq_id)
            with pytest.raises(ObjectNotFound):
                await station.transfers.stop_daq(EXPERIMENT, str(station.source))
            station.transfers.clear_daq(daq_id)
            for look in (station.transfers.daq, station.transfers.clear_daq, station.transfers.upload):
                with pytest.raises(ObjectNotFound):
                    look(daq_id)
            second = await station.daq()
            assert second != daq_id

    asyncio.run(main())


def test_two_starts_at_the_same_moment_make_one_daq(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as station:
            answers = await asyncio.gather(station.daq(), station.daq(), return_exceptions=True)
            assert sorted(type(answer).__name__ for answer in answers) == ["InvalidRequest", "str"]

    asyncio.run(main())
