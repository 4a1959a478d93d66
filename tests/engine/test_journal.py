"""The journal: accepted before, ended after, and what never ended is told once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dmioc.engine.journal import Journal, Request
from dmioc.engine.puts import CommandState, Origin, Outcome
from dmioc.errors import StateFileError

ORIGIN = Origin("ca", "user", "host")


def test_what_never_ended_is_told_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    first = journal.accept(1.0, "WF1:Run", ORIGIN)
    journal.accept(2.0, "DAQ1:Wait", ORIGIN)
    journal.end(first, 3.0, Outcome(CommandState.OK, "done"))
    journal.close()
    journal = Journal(tmp_path / "journal.sqlite")
    assert [(entry.command, entry.time_s) for entry in journal.unfinished(9.0)] == [("DAQ1:Wait", 2.0)]
    assert journal.unfinished(9.0) == []
    journal.close()
    rows = sqlite3.connect(tmp_path / "journal.sqlite").execute("SELECT state FROM ended ORDER BY entry").fetchall()
    assert rows == [("OK",), ("Interrupted",)]


def test_an_accepted_command_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.accept(1.0, "WF1:Run", ORIGIN)
    other = sqlite3.connect(tmp_path / "journal.sqlite")
    assert other.execute("SELECT command, protocol, user, host FROM accepted").fetchall() == [
        ("WF1:Run", "ca", "user", "host")
    ]
    other.close()
    journal.close()


def test_the_newest_word_on_a_request_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.request("r") is None
    journal.note_request("r", 1.0, Request("user", "w", ""))
    journal.note_request("r", 2.0, Request("user", "w", "job-1"))
    assert journal.request("r") == Request("user", "w", "job-1")
    journal.close()


def test_threads_do_not_disturb_one_another(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda number: journal.accept(float(number), f"C{number}", ORIGIN), range(40)))
    assert len(set(entries)) == 40
    assert len(journal.unfinished(1.0)) == 40
    journal.close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database, and it is long enough to be taken for one" * 10)
    with pytest.raises(StateFileError, match=str(path)):
        Journal(path)
    with pytest.raises(StateFileError, match="nowhere"):
        Journal(tmp_path / "nowhere" / "journal.sqlite")


def test_a_journal_that_breaks_later_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    other = sqlite3.connect(path)
    other.executescript("DROP TABLE ended; DROP TABLE accepted; DROP TABLE requests;")
    other.close()
    for question in (
        lambda: journal.unfinished(1.0),
        lambda: journal.request("r"),
        lambda: journal.accept(1.0, "C", ORIGIN),
    ):
        with pytest.raises(StateFileError, match=str(path)):
            question()
    journal.close()
