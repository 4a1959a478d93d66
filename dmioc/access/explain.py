"""A decision in words: which rules there are, which of them hold, and for whom a client is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.access.acf import HAG, UAG, Condition, Rule
from dmioc.access.hosts import THIS_HOST, canonical, resolved
from dmioc.access.rules import AcfRules, grants
from dmioc.catalogue import Access, Kind
from dmioc.engine.ports import AccessRequest
from dmioc.errors import ConfigurationError

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Question:
    """A put to ask about.

    Attributes:
        user: as the client would claim.
        host: name or address.
        name: full name of the PV, for the answer.
        asg: access security group of the PV; empty for what nobody writes.
        is_rpc: whether it is a command by name.
        alias: the second name of the PV that was asked about; empty for its own.
    """

    user: str
    host: str
    name: str
    asg: str
    is_rpc: bool = False
    alias: str = ""


def question_about(catalogue: Catalogue, prefix: str, user: str, host: str, name: str) -> Question:
    """The question about a PV, by its name with or without prefix or with a field, or by an alias; or ``RPC.startDaq``.

    Raises `ConfigurationError` for what is not in the catalogue.
    """
    asked, dot, rest = name.partition(".")
    target = next((alias.target for alias in catalogue.aliases if alias.name == asked), "")
    alias, short = (asked, target) if target else ("", asked.removeprefix(prefix))
    if short not in catalogue:
        raise ConfigurationError(f"there is no PV {name!r}; dmioc pvs lists all")
    pv = catalogue[short]
    if pv.kind is Kind.RPC:
        return Question(user, host, f"{prefix}{short}{dot}{rest}", Access.COMMAND.value, is_rpc=True)
    if not pv.writable or rest not in ("", "VAL", "VAL$", "$"):
        return Question(user, host, f"{prefix}{short}{dot}{rest}", asg="", alias=alias)
    return Question(user, host, prefix + short, pv.asg, alias=alias)


def explained(rules: AcfRules, question: Question) -> tuple[bool, list[str]]:
    """Whether the put would be taken, from every address of the host, and the explanation line by line.

    Blocks for the name server if the host is a name. Raises `ConfigurationError` for a host that has no address.
    """
    addresses = resolved([question.host])[question.host]
    if not addresses:
        raise ConfigurationError(
            f"host {question.host!r} has no address: a name that can be resolved or an address is needed"
        )
    of_alias = [f"  {question.alias} is an alias of it"] if question.alias else []
    if not question.asg:
        return False, [f"{question.name} is read-only for everybody: no rule is asked", *of_alias]
    verb = "call" if question.is_rpc else "put to"
    lines: list[str] = []
    answers: list[bool] = []
    for address in addresses:
        request = AccessRequest(question.asg, question.user, address, question.is_rpc)
        decision = rules.decide(request)
        answers.append(decision.is_allowed)
        may = "may" if decision.is_allowed else "may NOT"
        lines.append(f"{question.user} at {_address_text(question.host, address)} {may} {verb} {question.name}")
        lines += of_alias
        lines += [f"  {line}" for line in _groups(rules, question.user, address)]
        lines.append(f"  {question.name} is in ASG {question.asg}; its rules are from {rules.source(question.asg)}")
        for rule in rules.asg(question.asg).rules:
            lines.append(f"  {_place(rules, question.asg, rule)}{rule}: {_verdict(rules, rule, request)}")
    return all(answers), [*lines, *(f"warning: {warning}" for warning in rules.warnings)]


def _address_text(host: str, address: str) -> str:
    shown = "this host" if address == THIS_HOST else address
    return shown if host == address else f"{host} ({shown})"


def _place(rules: AcfRules, asg: str, rule: Rule) -> str:
    return f"line {rule.line}: " if rules.source(asg) == rules.path else ""


def _groups(rules: AcfRules, user: str, address: str) -> list[str]:
    lines: list[str] = []
    for kind, who in ((UAG, user), (HAG, address)):
        names = groups_of(rules, kind, who)
        lines.append(f"{kind} of {who}: {', '.join(names) or 'none'}")
    for group in rules.file.groups:
        for member in group.members if group.kind == HAG else ():
            found = ", ".join(rules.addresses[member.text]) or "no address"
            if found != member.text:
                lines.append(f"HAG({group.name.text}) {member.text} is {found}")
    return lines


def groups_of(rules: AcfRules, kind: str, who: str) -> tuple[str, ...]:
    """Groups that a user, or an address, is in."""
    found: list[str] = []
    for group in rules.file.groups:
        members = [member.text for member in group.members]
        if group.kind == HAG:
            members = [address for name in members for address in rules.addresses[name]]
        if group.kind == kind and (canonical(who) if kind == HAG else who) in members:
            found.append(group.name.text)
    return tuple(found)


def _holds(rules: AcfRules, condition: Condition, request: AccessRequest) -> bool:
    who = request.user if condition.kind == UAG else request.host
    return bool({group.text for group in condition.groups} & set(groups_of(rules, condition.kind, who)))


def _verdict(rules: AcfRules, rule: Rule, request: AccessRequest) -> str:
    failing = [str(condition) for condition in rule.conditions if not _holds(rules, condition, request)]
    if failing:
        return f"does not hold: not in {' and not in '.join(failing)}"
    if grants(rule, request.is_rpc):
        return "holds, and lets it"
    return "holds, and is not about this"
