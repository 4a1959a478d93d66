"""The change log: what was noted is there after a kill, in its order, and only as long as it is of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmioc.engine.autosave import SavedState, load, save
from dmioc.engine.change_log import ChangeLog, Changes, changes_since, drop_before
from dmioc.errors import StateFileError


def test_changes_come_on_top_of_the_saved_state(tmp_path: Path) -> None:
    save(tmp_path, SavedState({"A": 1, "B": "old"}, {"WF1:": {"id": "one"}}), 5)
    log = ChangeLog(tmp_path)
    for number, name in ((4, "before the save"), (5, "after it"), (6, "after the next, which never came")):
        log.begin(number)
        log.note(Changes({"B": name}))
    log.note(Changes({}, {"WF1:": {"id": "two"}, "DAQ1:": {"id": "d"}}))
    loaded = load(tmp_path)
    assert loaded.state.setpoints == {"A": 1, "B": "after the next, which never came"}
    assert loaded.state.held == {"WF1:": {"id": "two"}, "DAQ1:": {"id": "d"}}
    assert (loaded.number, loaded.complaints) == (5, ())
    drop_before(tmp_path, 6)
    assert [path.name for path in tmp_path.glob("autosave.log.*")] == ["autosave.log.6"]
    log.close()


def test_a_line_that_was_cut_was_told_to_nobody(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path)
    log.note(Changes({"A": "ü\ud800"}))
    log.close()
    path = tmp_path / "autosave.log.0"
    path.write_bytes(path.read_bytes() + b'{"setpoints":{"A":"n')
    assert changes_since(tmp_path, 0) == ([Changes({"A": "ü\ud800"})], [])


def test_a_damaged_line_is_named_and_the_rest_left_out(tmp_path: Path) -> None:
    path = tmp_path / "autosave.log.0"
    path.write_bytes(b'{"setpoints":{"A":1}}\nrubbish\n{"setpoints":{"A":3}}\n')
    changes, complaints = changes_since(tmp_path, 0)
    assert changes == [Changes({"A": 1})]
    assert len(complaints) == 1 and str(path) in complaints[0]


def test_a_directory_that_takes_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateFileError, match="nowhere"):
        ChangeLog(tmp_path / "nowhere").note(Changes({"A": 1}))


def test_a_directory_that_cannot_be_listed_is_named_and_disturbs_no_save(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    changes, complaints = changes_since(nowhere, 0)
    assert changes == []
    assert len(complaints) == 1 and str(nowhere) in complaints[0]
    drop_before(nowhere, 1)
