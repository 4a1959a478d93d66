"""The text of an access security file as data, with the line of each thing in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dmioc.errors import ConfigurationError

UAG, HAG, ASG = "UAG", "HAG", "ASG"
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+ | \#[^\n]*)
    | (?P<word>[a-zA-Z0-9_\-+:.\[\]<>;]+)
    | "(?P<quoted>(?:[^"\n\\]|\\.)*)"
    | (?P<mark>[(){},])""",
    re.VERBOSE,
)
_NOT_EVALUATED = re.compile(r"INP[A-U]|CALC")
_END = "the end of the file"


@dataclass(frozen=True, slots=True)
class Word:
    """A name, a number or a quoted text, and its line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Group:
    """``UAG(name) {members}`` or ``HAG(name) {members}``."""

    kind: str
    name: Word
    members: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """``UAG(a, b)`` or ``HAG(a, b)`` in a rule: whoever is in one of the groups."""

    kind: str
    groups: tuple[Word, ...]

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(group.text for group in self.groups)})"


@dataclass(frozen=True, slots=True)
class Rule:
    """``RULE(level, permission, trap) {conditions}``; all conditions must hold."""

    level: Word
    permission: Word
    trap: Word | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.level.line

    def __str__(self) -> str:
        head = f"RULE({self.level.text}, {self.permission.text})"
        return f"{head} {{ {' '.join(map(str, self.conditions))} }}" if self.conditions else head


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """``ASG(name) {rules}``."""

    name: Word
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AccessFile:
    """A whole file, in its order."""

    groups: tuple[Group, ...]
    asgs: tuple[SecurityGroup, ...]


def parsed(text: str, where: str) -> AccessFile:
    """The file as data.

    Args:
        text: its content.
        where: its name, for messages.

    Raises `ConfigurationError` naming the line, what stands there and what would be right.
    """
    return _Parser(text, where).file()


def at(where: str, line: int, text: str) -> ConfigurationError:
    """The error of a line."""
    return ConfigurationError(f"{where}, line {line}: {text}")


class _Parser:
    """Reads token by token; a mark stands for itself, words come as `Word`."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._tokens = self._scan(text)
        self._mark = ""
        self._word: Word | None = None
        self._line = 1
        self._next()

    def _scan(self, text: str) -> Iterator[tuple[str, Word | None, int]]:
        line, place = 1, 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                what = "a quoted text does not end" if text[place] == '"' else f"{text[place]!r} cannot stand here"
                raise at(self._where, line, what)
            content = match["quoted"] if match["quoted"] is not None else match["word"]
            if content is not None:
                yield "", Word(content, line), line
            elif match["mark"]:
                yield match["mark"], None, line
            line += match.group().count("\n")
            place = match.end()
        while True:
            yield _END, None, line

    def _next(self) -> None:
        self._mark, self._word, self._line = next(self._tokens)

    def _is_at(self, mark: str) -> bool:
        return self._mark == mark

    def _wrong(self, wanted: str) -> ConfigurationError:
        found = repr(self._word.text) if self._word else self._mark if self._mark == _END else repr(self._mark)
        return at(self._where, self._line, f"{wanted} is needed, not {found}")

    def _take(self, mark: str) -> None:
        if not self._is_at(mark):
            raise self._wrong(repr(mark))
        self._next()

    def _take_word(self, wanted: str) -> Word:
        word = self._word
        if word is None:
            raise self._wrong(wanted)
        self._next()
        return word

    def _words(self, wanted: str, end: str) -> tuple[Word, ...]:
        words = [self._take_word(wanted)]
        while self._is_at(","):
            self._next()
            words.append(self._take_word(wanted))
        self._take(end)
        return tuple(words)

    def _name(self, wanted: str) -> Word:
        self._take("(")
        name = self._take_word(wanted)
        self._take(")")
        return name

    def file(self) -> AccessFile:
        groups: list[Group] = []
        asgs: list[SecurityGroup] = []
        while not self._is_at(_END):
            head = self._take_word("UAG, HAG or ASG")
            if head.text in (UAG, HAG):
                groups.append(self._group(head.text))
            elif head.text == ASG:
                asgs.append(self._asg())
            else:
                raise at(self._where, head.line, f"UAG, HAG or ASG is needed, not {head.text!r}")
        return AccessFile(tuple(groups), tuple(asgs))

    def _group(self, kind: str) -> Group:
        name = self._name(f"the name of the {kind}")
        if not self._is_at("{"):
            return Group(kind, name, ())
        self._next()
        wanted = "the name of a user" if kind == UAG else "the name or the address of a host"
        return Group(kind, name, self._words(wanted, "}"))

    def _asg(self) -> SecurityGroup:
        name = self._name("the name of the ASG")
        rules: list[Rule] = []
        if self._is_at("{"):
            self._next()
            while not self._is_at("}"):
                rules.append(self._rule())
            self._next()
        return SecurityGroup(name, tuple(rules))

    def _rule(self) -> Rule:
        head = self._take_word("RULE or '}'")
        self._check_evaluated(head)
        if head.text != "RULE":
            raise at(self._where, head.line, f"RULE or '}}' is needed, not {head.text!r}")
        self._take("(")
        level = self._take_word("the level, 0 or 1,")
        self._take(",")
        permission = self._take_word("the permission")
        trap = None
        if self._is_at(","):
            self._next()
            trap = self._take_word("TRAPWRITE or NOTRAPWRITE")
        self._take(")")
        conditions: list[Condition] = []
        if self._is_at("{"):
            self._next()
            while not self._is_at("}"):
                conditions.append(self._condition())
            self._next()
        return Rule(level, permission, trap, tuple(conditions))

    def _condition(self) -> Condition:
        head = self._take_word("UAG, HAG or '}'")
        self._check_evaluated(head)
        if head.text not in (UAG, HAG):
            raise at(self._where, head.line, f"UAG, HAG or '}}' is needed, not {head.text!r}")
        self._take("(")
        return Condition(head.text, self._words(f"the name of a {head.text}", ")"))

    def _check_evaluated(self, head: Word) -> None:
        if _NOT_EVALUATED.fullmatch(head.text):
            text = (
                f"{head.text} is not evaluated by this gateway: a rule may depend on users (UAG) and hosts (HAG) only"
            )
            raise at(self._where, head.line, text)
