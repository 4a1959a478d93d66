"""Setpoints and what each slot holds, kept over a restart in two files.

Each file is one line of JSON and an end mark; it is written whole under a temporary name, synced and renamed. The second
file is only written when the first is whole, and the other way round, so that one of the two is always good (autosave's rule).
What changed after the newest good one is in the change log (`dmioc.engine.change_log`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dmioc.engine.change_log import Saved, changes_since
from dmioc.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = ("autosave.sav", "autosave.savB")
VERSION = 1
END_MARK = "<END>"


@dataclass(frozen=True, slots=True)
class SavedState:
    """What is kept: setpoints by PV name (enums by label), and for each slot's group the object it holds, as texts."""

    setpoints: Mapping[str, Saved] = field(default_factory=dict[str, Saved])
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])


@dataclass(frozen=True, slots=True)
class Loaded:
    """The newest good state, its number (0: there was none), and one line for each file that was not good.

    A file that was not good is kept under another name.
    """

    state: SavedState
    number: int
    complaints: tuple[str, ...]


def save(directory: Path, state: SavedState, number: int) -> None:
    """Write both files, one after the other.

    Args:
        directory: the state directory.
        state: what to keep.
        number: grows with each save, so that the newer of two good files is known.

    Raises `StateFileError` when the disk does not take them; the older files are then still whole. Blocks for the disk.
    """
    document = {"version": VERSION, "number": number, "setpoints": dict(state.setpoints), "held": state.held}
    data = (json.dumps(document, ensure_ascii=False) + "\n" + END_MARK + "\n").encode("utf-8", "surrogatepass")
    for name in NAMES:
        _write_whole(f"{directory}/{name}", data)


def load(directory: Path) -> Loaded:
    """The newest good state of the two files with the changes since; an empty one when there is none.

    A file that is cut, not JSON, of a newer version or unreadable is renamed to ``<name>.bad`` and named in the complaints.
    """
    found: list[tuple[int, SavedState]] = []
    complaints: list[str] = []
    for name in NAMES:
        path = directory / name
        try:
            if path.exists():
                found.append(_read(path))
        except (OSError, StateFileError, UnicodeDecodeError) as error:
            complaints.append(f"{path} is not used: {error}{_keep(path)}")
    found.sort(key=lambda pair: pair[0])
    number, state = found[-1] if found else (0, SavedState())
    changes, more_complaints = changes_since(directory, number)
    for change in changes:
        state = SavedState({**state.setpoints, **change.setpoints}, {**state.held, **change.held})
    return Loaded(state, number, (*complaints, *more_complaints))


def _write_whole(path: str, data: bytes) -> None:
    # No Path: pathlib interns every name it sees, and some names a second make that table of Python's grow by a megabyte.
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StateFileError(f"{path} cannot be written: {error.strerror}") from error


def _read(path: Path) -> tuple[int, SavedState]:
    text = path.read_text("utf-8", "surrogatepass")
    if not text.endswith(END_MARK + "\n"):
        raise StateFileError("its end mark is missing")
    try:
        document: object = json.loads(text.removesuffix(END_MARK + "\n"))
    except (ValueError, RecursionError) as error:
        raise StateFileError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise StateFileError("it is not a JSON object")
    content = cast("dict[str, object]", document)
    if content.get("version") != VERSION:
        raise StateFileError(f"it is of version {content.get('version')!r}, this gateway reads {VERSION}")
    number, setpoints, held = content.get("number"), content.get("setpoints"), content.get("held")
    if not (isinstance(number, int) and isinstance(setpoints, dict) and isinstance(held, dict)):
        raise StateFileError("number, setpoints or held is missing")
    values, slots = cast("dict[str, object]", setpoints), cast("dict[str, object]", held)
    if not all(isinstance(value, int | float | str) for value in values.values()):
        raise StateFileError("a setpoint in it is neither a number nor a text")
    if not all(_is_texts(slot) for slot in slots.values()):
        raise StateFileError("what a slot held is not a set of texts")
    return number, SavedState(cast("dict[str, Saved]", values), cast("dict[str, Mapping[str, str]]", slots))


def _is_texts(slot: object) -> bool:
    return isinstance(slot, dict) and all(isinstance(text, str) for text in cast("dict[str, object]", slot).values())


def _keep(path: Path) -> str:
    kept = path.with_name(path.name + ".bad")
    try:
        path.replace(kept)
    except OSError:
        return "; it stays where it is"
    return f"; it is kept as {kept.name}"
