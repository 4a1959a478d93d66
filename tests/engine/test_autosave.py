"""The two files of the saved state: one of them is always good, and what is not good is kept and named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_parts import engine_parts
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.engine import saving
from dmioc.engine.autosave import END_MARK, NAMES, SavedState, load, save
from dmioc.engine.saving import Saver
from dmioc.errors import StateFileError

STATE = SavedState({"A": 1, "B": 2.5, "C": "text é\n\"'"}, {"WF1:": {"id": "7", "owner": "user"}})
OTHER = SavedState({"A": 2}, {})


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.floats(allow_nan=False), st.text())))
def test_a_round_trip_keeps_everything(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, int | float | str]
) -> None:
    directory = tmp_path_factory.mktemp("state")
    save(directory, SavedState(values, {"DAQ1:": {"id": "x"}}), 1)
    assert load(directory).state == SavedState(values, {"DAQ1:": {"id": "x"}})


def test_there_is_nothing_at_first(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert (loaded.state, loaded.number, loaded.complaints) == (SavedState(), 0, ())


def test_no_temporary_file_is_left_and_both_are_equal(tmp_path: Path) -> None:
    save(tmp_path, STATE, 1)
    save(tmp_path, OTHER, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert (tmp_path / NAMES[0]).read_bytes() == (tmp_path / NAMES[1]).read_bytes()
    assert load(tmp_path).number == 2


def edited(**values: object) -> Callable[[str], str]:
    def edit(text: str) -> str:
        document = json.loads(text.splitlines()[0]) | values
        return json.dumps(document) + f"\n{END_MARK}\n"

    return edit


DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "cut": (lambda text: text[: len(text) // 2], "end mark"),
    "cut before the end mark": (lambda text: text.splitlines()[0] + "\n", "end mark"),
    "empty": (lambda text: "", "end mark"),
    "no JSON": (lambda text: "{" + text, "not JSON"),
    "nested": (lambda text: "[" * 100_000 + f"\n{END_MARK}\n", "not JSON"),
    "a list": (lambda text: f"[]\n{END_MARK}\n", "not a JSON object"),
    "newer": (edited(version=2), "version 2, this gateway reads 1"),
    "no setpoints": (edited(setpoints=None), "setpoints"),
    "a setpoint that is a list": (edited(setpoints={"A": [1]}), "setpoint"),
    "held that is no text": (edited(held={"WF1:": {"id": 5}}), "held"),
    "held that is nothing": (edited(held={"WF1:": None}), "held"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", NAMES)
def test_the_other_file_is_used(tmp_path: Path, kind: str, name: str) -> None:
    save(tmp_path, STATE, 5)
    damage, words = DAMAGE[kind]
    path = tmp_path / name
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    damaged = path.read_bytes()
    loaded = load(tmp_path)
    assert loaded.state == STATE
    assert len(loaded.complaints) == 1
    assert str(path) in loaded.complaints[0] and words in loaded.complaints[0] and f"{name}.bad" in loaded.complaints[0]
    assert "\n" not in loaded.complaints[0]
    assert not path.exists() and (tmp_path / f"{name}.bad").read_bytes() == damaged


def test_not_text_and_not_readable(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).write_bytes(b"\xff\xfe" + END_MARK.encode())
    (tmp_path / NAMES[1]).mkdir()
    loaded = load(tmp_path)
    assert loaded.state == SavedState() and len(loaded.complaints) == 2


def test_the_newer_of_two_good_files_is_used(tmp_path: Path) -> None:
    save(tmp_path, STATE, 5)
    old = (tmp_path / NAMES[1]).read_bytes()
    save(tmp_path, OTHER, 6)
    (tmp_path / NAMES[1]).write_bytes(old)
    assert load(tmp_path).state == OTHER
    save(tmp_path, STATE, 7)
    (tmp_path / NAMES[0]).write_bytes(old)
    assert load(tmp_path).number == 7


def test_a_disk_that_refuses_leaves_the_old_files(tmp_path: Path) -> None:
    save(tmp_path, STATE, 1)
    (tmp_path / f"{NAMES[0]}.tmp").mkdir()
    with pytest.raises(StateFileError, match=NAMES[0]):
        save(tmp_path, OTHER, 2)
    assert load(tmp_path).state == STATE


def test_numbers_grow_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    parts = engine_parts(tmp_path)
    far = int(parts.clock.now_s()) + 10**6
    save(tmp_path, SavedState({"LostAfter": 7.0}, {}), far)
    saver = Saver(parts.core, tmp_path, lambda _groups: {})
    saver.restore()
    assert parts.core.store.number("LostAfter") == 7.0
    asyncio.run(saver.save_if_changed())
    assert load(tmp_path).number == far + 1


def test_what_a_slot_holds_is_noted_when_only_a_structure_of_it_changed(tmp_path: Path) -> None:
    parts = engine_parts(tmp_path)
    store = parts.core.store
    held = {"WF1:": {"id": "one"}, "STR1:": {"session": "first"}}
    saver = Saver(
        parts.core,
        tmp_path,
        lambda groups: {group: dict(one) for group, one in held.items() if groups is None or group in groups},
    )
    saver.restore()
    store.add_sink(saver)
    store.add_structure_sink(saver)
    for number in (1, 2):
        held["STR1:"]["session"] = f"command {number}"
        store.set_structure("STR1:Command", {"seq": number})
        store.commit()
        assert load(tmp_path).state.held == {"STR1:": {"session": f"command {number}"}}
    store.set("WF1:JobID", "one")
    store.commit()
    assert load(tmp_path).state.held == held


def test_a_save_waits_for_one_that_was_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    parts = engine_parts(tmp_path)
    saver = Saver(parts.core, tmp_path, lambda _groups: {})
    may_go_on, running, most = threading.Event(), [0], [0]

    def slow_save(directory: Path, state: SavedState, number: int) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        may_go_on.wait(5)
        save(directory, state, number)
        running[0] -= 1

    monkeypatch.setattr(saving, "save", slow_save)

    async def main() -> None:
        first = asyncio.create_task(saver.save_if_changed())
        while not running[0]:
            await asyncio.sleep(0)
        first.cancel()
        parts.core.store.set("LostAfter", 9.0)
        second = asyncio.create_task(saver.save_if_changed())
        await asyncio.sleep(0)
        may_go_on.set()
        await second

    asyncio.run(main())
    assert most == [1]
    assert load(tmp_path).state.setpoints["LostAfter"] == 9.0
