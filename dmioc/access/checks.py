"""What an access security file may say here: nothing that would be taken otherwise than it reads."""

from __future__ import annotations

from collections.abc import Iterable

from dmioc.access.acf import HAG, UAG, AccessFile, Rule, SecurityGroup, Word, at
from dmioc.catalogue import Access
from dmioc.errors import ConfigurationError

ASGS = tuple(access.value for access in Access)
"""The access security groups that PVs are in."""

READ, WRITE, PUT, RPC, NONE = "READ", "WRITE", "PUT", "RPC", "NONE"
PERMISSIONS = (READ, WRITE, PUT, RPC, NONE)
"""``WRITE`` is all of the others, as in EPICS base; ``PUT`` and ``RPC`` alone are p4p's."""

_LEVELS = ("0", "1")
"""Both hold for the value of a PV, and nothing else of a PV takes puts: the level, which p4p ignores, changes nothing here."""

_TRAPS = ("TRAPWRITE", "NOTRAPWRITE")
_ROLE = "role/"


def check(file: AccessFile, where: str, reserved: Iterable[str]) -> None:
    """Raises `ConfigurationError` naming the line, what is wrong there and what would be right.

    Args:
        file: what was read.
        where: its name, for messages.
        reserved: names of groups that it may not define.
    """
    if not file.asgs:
        raise ConfigurationError(f"{where}: there is no ASG in it; {', '.join(ASGS)} are the ones of this gateway")
    _check_groups(file, where, tuple(reserved))
    _check_once([asg.name for asg in file.asgs], where, "ASG")
    for asg in file.asgs:
        if asg.name.text not in ASGS:
            raise at(where, asg.name.line, f"no PV is in ASG({asg.name.text}); there are {', '.join(ASGS)}")
        for rule in asg.rules:
            _check_rule(rule, file, where)
        _check_everybody_reads(asg, where)


def _check_groups(file: AccessFile, where: str, reserved: tuple[str, ...]) -> None:
    for kind in (UAG, HAG):
        names = [group.name for group in file.groups if group.kind == kind]
        _check_once(names, where, kind)
        for name in names:
            if name.text in reserved:
                raise at(where, name.line, f"{kind}({name.text}) is the gateway's own: choose another name")
    for group in file.groups:
        for member in group.members if group.kind == UAG else ():
            if member.text.startswith(_ROLE):
                text = f"{member.text!r}: groups of the operating system are not asked; name the users"
                raise at(where, member.line, text)


def _check_once(names: list[Word], where: str, kind: str) -> None:
    seen: dict[str, int] = {}
    for name in names:
        if name.text in seen:
            text = f"{kind}({name.text}) stands in line {seen[name.text]} already: make one of both"
            raise at(where, name.line, text)
        seen[name.text] = name.line


def _check_rule(rule: Rule, file: AccessFile, where: str) -> None:
    if rule.level.text not in _LEVELS:
        raise at(where, rule.line, f"the level of a RULE is 0 or 1, not {rule.level.text!r}")
    _check_word(rule.permission, PERMISSIONS, "permission", where)
    if rule.trap is not None:
        _check_word(rule.trap, _TRAPS, "trap", where)
    kinds = [condition.kind for condition in rule.conditions]
    for condition in rule.conditions:
        if kinds.count(condition.kind) > 1:
            # EPICS base takes either of them, p4p asks for both.
            text = f"one {condition.kind}(...) in a RULE, with all the groups in it: {condition.kind}(a, b)"
            raise at(where, condition.groups[0].line, text)
        known = [group.name.text for group in file.groups if group.kind == condition.kind]
        for group in condition.groups:
            if group.text not in known:
                there = f"there are {', '.join(known)}" if known else "there is none"
                raise at(where, group.line, f"{condition.kind}({group.text}) is not defined; {there}")


def _check_word(word: Word, words: tuple[str, ...], what: str, where: str) -> None:
    if word.text not in words:
        raise at(where, word.line, f"{word.text!r} is no {what}; there are {', '.join(words)}")


def _check_everybody_reads(asg: SecurityGroup, where: str) -> None:
    """This gateway hides nothing: a file that reads as if it did must not be taken."""
    if not any(rule.permission.text in (READ, WRITE) and not rule.conditions for rule in asg.rules):
        text = f"ASG({asg.name.text}) needs RULE(1, READ) without conditions: this gateway lets everybody read"
        raise at(where, asg.name.line, text)
