"""What a query by name takes: its arguments as data, and checking what a client gave against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from dmioc.catalogue import shown
from dmioc.engine.objects import checked_path, object_of
from dmioc.errors import RefusedError


class Takes(Enum):
    """What an argument takes, in words for people."""

    TEXT = "a text"
    PATH = "an absolute path"
    WHOLE = "a whole number"
    YES_NO = "Yes or No"
    CHOICE = "one of several words"
    OBJECT = "a JSON object"


_NOTHING: Mapping[Takes, object] = {Takes.WHOLE: 0, Takes.YES_NO: False, Takes.OBJECT: {}}
"""What an argument that is not given counts as; a text is empty."""
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument.

    Attributes:
        name: as clients give it.
        doc: what it is, a few words.
        takes: its type.
        is_needed: whether it must be given.
        choices: the words it takes; the first is taken when none is given.
        low, high: least and greatest of a number; ``default`` when none is given.
    """

    name: str
    doc: str
    takes: Takes = Takes.TEXT
    is_needed: bool = False
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    default: int = 0

    @property
    def nothing(self) -> object:
        """The value when it is not given."""
        if self.takes is Takes.CHOICE:
            return self.choices[0]
        return self.default or _NOTHING.get(self.takes, "")

    @property
    def wanted(self) -> str:
        """What it takes, for people."""
        if self.takes is Takes.CHOICE:
            return f"one of {', '.join(word for word in self.choices if word)}"
        if self.takes is Takes.WHOLE:
            return f"{self.takes.value} from {self.low} to {self.high}"
        return self.takes.value


@dataclass(frozen=True, slots=True)
class Given:
    """Checked arguments of one query, by name, and further keys for DM."""

    values: Mapping[str, object]
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    def text(self, name: str) -> str:
        """A text, a path or a choice."""
        return str(self.values[name])

    def whole(self, name: str) -> int:
        """A whole number."""
        return int(cast("int", self.values[name]))

    def yes(self, name: str) -> bool:
        """Whether Yes was given."""
        return self.values[name] is True

    def object(self, name: str) -> dict[str, object]:
        """A JSON object."""
        return dict(cast("Mapping[str, object]", self.values[name]))


def checked(method: str, arguments: tuple[Argument, ...], takes_more: bool, given: Mapping[str, object]) -> Given:
    """The arguments with a value for each.

    Args:
        method: its name, for refusals.
        arguments: what it takes.
        takes_more: whether others are keys for DM.
        given: what the client gave: texts, numbers, booleans, dictionaries.

    Raises `RefusedError` naming the argument that is unknown, missing or wrong, and what would be right.
    """
    known = {argument.name: argument for argument in arguments}
    more = {name: value for name, value in given.items() if name not in known}
    if more and not takes_more:
        takes = ", ".join(known) or "none"
        raise RefusedError(f"{method} takes no argument {shown(next(iter(more)))}; it takes {takes}")
    values: dict[str, object] = {}
    for argument in arguments:
        value = given.get(argument.name)
        is_given = value is not None and value != ""
        if argument.is_needed and not is_given:
            raise RefusedError(f"{method} needs the argument {argument.name}: {argument.doc} ({argument.wanted})")
        values[argument.name] = _value(argument, value) if is_given else argument.nothing
    return Given(values, more)


def _value(argument: Argument, value: object) -> object:
    found = _READERS[argument.takes](argument, value)
    if found is None:
        raise RefusedError(f"{argument.name} takes {argument.wanted}, not {shown(value)}")
    return found


def _text(_: Argument, value: object) -> str | None:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None


def _path(argument: Argument, value: object) -> str | None:
    return checked_path(value.strip(), argument.name, argument.doc) if isinstance(value, str) else None


def _whole(argument: Argument, value: object) -> int | None:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value) if argument.low <= value <= argument.high else None


def _yes_no(_: Argument, value: object) -> bool | None:
    return _WORDS.get(str(value).strip().lower())


def _choice(argument: Argument, value: object) -> str | None:
    wanted = str(value).strip().lower()
    return next((word for word in argument.choices if word.lower() == wanted), None)


def _object(argument: Argument, value: object) -> dict[str, object] | None:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    return object_of(value.strip(), argument.name) if isinstance(value, str) else None


_READERS = {
    Takes.TEXT: _text,
    Takes.PATH: _path,
    Takes.WHOLE: _whole,
    Takes.YES_NO: _yes_no,
    Takes.CHOICE: _choice,
    Takes.OBJECT: _object,
}
