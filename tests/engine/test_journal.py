"""The journal: accepted before, ended after, and what never ended is there with its order until it has ended."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dmioc.engine.journal import Journal, Request, Unfinished
from dmioc.engine.puts import CommandState, Origin, Outcome
from dmioc.errors import StateFileError

ORIGIN = Origin("ca", "user", "host")


def test_what_never_ended_is_there_until_it_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    first = journal.accept(1.0, "WF1:Run", ORIGIN, {"workflow": "w"})
    journal.accept(2.0, "DAQ1:Wait", ORIGIN)
    third = journal.accept(3.0, "WF1:Start", ORIGIN, {"workflow": "ü", "arguments": {"n": 1}})
    journal.end(first, 3.0, Outcome(CommandState.OK, "done"))
    journal.close()
    journal = Journal(tmp_path / "journal.sqlite")
    expected = [
        Unfinished(2, 2.0, "DAQ1:Wait", ORIGIN),
        Unfinished(3, 3.0, "WF1:Start", ORIGIN, {"workflow": "ü", "arguments": {"n": 1}}),
    ]
    assert journal.unfinished() == expected
    assert journal.unfinished() == expected
    journal.end(third, 4.0, Outcome(CommandState.INTERRUPTED, "the gateway ended"))
    assert journal.unfinished() == expected[:1]
    journal.close()
    file = sqlite3.connect(tmp_path / "journal.sqlite")
    rows = file.execute("SELECT state FROM ended ORDER BY entry").fetchall()
    orders = file.execute("SELECT order_json FROM accepted").fetchall()
    file.close()
    assert rows == [("OK",), ("Interrupted",)]
    # Orders can be large: they are kept only while they can be of use.
    assert orders == [("",)] * 3


def test_a_journal_without_orders_is_read(tmp_path: Path) -> None:
    """As version 0.1 wrote it."""
    file = sqlite3.connect(tmp_path / "journal.sqlite")
    file.execute(
        "CREATE TABLE accepted (entry INTEGER PRIMARY KEY, time_s REAL NOT NULL, command TEXT NOT NULL,"
        " protocol TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL)"
    )
    file.execute("INSERT INTO accepted VALUES (1, 2.0, 'WF1:Run', 'ca', 'user', 'host')")
    file.commit()
    file.close()
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.unfinished() == [Unfinished(1, 2.0, "WF1:Run", ORIGIN)]
    journal.accept(3.0, "WF1:Start", ORIGIN, {"a": 1})
    assert journal.unfinished()[1].order == {"a": 1}
    journal.close()


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
    assert len(journal.unfinished()) == 40
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
        journal.unfinished,
        lambda: journal.request("r"),
        lambda: journal.accept(1.0, "C", ORIGIN),
    ):
        with pytest.raises(StateFileError, match=str(path)):
            question()
    journal.close()
