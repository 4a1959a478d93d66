"""The vocabulary of states."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.model import (
    Experiment,
    Job,
    JobSummary,
    NewExperiment,
    Service,
    Severity,
    StageRun,
    Status,
    Transfer,
    TransferKind,
    Workflow,
)

WORDS = {
    "pending": Status.PENDING,
    "running": Status.RUNNING,
    "finalizing": Status.RUNNING,
    "done": Status.DONE,
    "failed": Status.FAILED,
    "skipped": Status.SKIPPED,
    "aborting": Status.ABORTING,
    "aborted": Status.ABORTED,
    "timeout": Status.TIMED_OUT,
}


@pytest.mark.parametrize("word", WORDS)
def test_words_of_dm_in_any_case(word: str) -> None:
    for written in (word, word.upper(), word.capitalize(), f" {word}\n"):
        assert Status.from_word(written) is WORDS[word]


@given(word=st.text())
@settings(deadline=None, database=None)
def test_any_other_word_is_unknown_and_not_an_error(word: str) -> None:
    expected = WORDS.get(word.strip().lower(), Status.UNKNOWN)
    assert Status.from_word(word) is expected


@pytest.mark.parametrize("word", ["", "lost", "unknown", "idle", "done!", "done failed", "ﬁnalizing"])
def test_words_that_dm_does_not_have(word: str) -> None:
    assert Status.from_word(word) is Status.UNKNOWN


def test_labels_and_their_order_are_those_of_the_contract() -> None:
    labels = "Idle Pending Running Done Failed Aborting Aborted Skipped TimedOut Lost Unknown"
    assert [status.value for status in Status] == labels.split()


def test_every_state_but_idle_is_either_active_or_finished() -> None:
    finished = {status for status in Status if status.is_finished}
    assert {status.value for status in finished} == {"Done", "Failed", "Aborted", "Skipped", "TimedOut", "Lost"}
    assert {status for status in Status if status.is_active} == set(Status) - finished - {Status.IDLE}


def test_severities() -> None:
    severities = {status: status.severity for status in Status if status.severity}
    assert severities == {
        Status.FAILED: Severity.MAJOR,
        Status.TIMED_OUT: Severity.MAJOR,
        Status.LOST: Severity.MAJOR,
        Status.ABORTED: Severity.MINOR,
        Status.UNKNOWN: Severity.MINOR,
    }
    assert [int(severity) for severity in Severity] == [0, 1, 2, 3]


def test_services_and_transfers() -> None:
    assert [service.value for service in Service] == ["DS", "DAQ", "PROC", "CAT"]
    assert [kind.value for kind in TransferKind] == ["daq", "upload"]


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Experiment("e"), "name"),
        (NewExperiment("e"), "name"),
        (Workflow("w", "o"), "name"),
        (StageRun("s"), "status"),
        (JobSummary("1"), "status"),
        (Job(JobSummary("1")), "files"),
        (Transfer("1", TransferKind.DAQ, "e", "/d"), "status"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_data_is_frozen(thing: object, name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, name, "changed")


def test_two_objects_share_no_mapping() -> None:
    first, second = Experiment("a"), Experiment("b")
    first.metadata["key"] = "value"
    assert second.metadata == {}
    assert Job(JobSummary("1")).arguments is not Job(JobSummary("1")).arguments
