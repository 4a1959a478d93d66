"""The rules in force: those of a file, with the gateway's own where the file says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from p4p.asLib import Engine

from dmioc.access.acf import HAG, AccessFile, Rule, SecurityGroup, parsed
from dmioc.access.checks import ASGS, NONE, PUT, READ, RPC, WRITE, check
from dmioc.access.hosts import THIS_HOST, canonical, resolved
from dmioc.catalogue import Access
from dmioc.engine.ports import AccessDecision, AccessRequest
from dmioc.errors import ConfigurationError

HERE = "this host"
"""HAG of the gateway's own rules."""

_OWN_RULES = "the gateway's own rules"
_LONGEST_FILE_BYTES = 2**20
_DECISIONS_KEPT = 4096


def own_text() -> str:
    """The rules without a file, as one: everybody reads, this host writes."""
    asgs = "".join(
        f'ASG({asg}) {{ RULE(1, READ) RULE(1, WRITE) {{ HAG("{HERE}") }} }}\n'
        if asg != Access.READ.value
        else f"ASG({asg}) {{ RULE(1, READ) }}\n"
        for asg in ASGS
    )
    return f'HAG("{HERE}") {{ {THIS_HOST} }}\n{asgs}'


def load_rules(path: Path | None) -> AcfRules:
    """The rules of a file; the gateway's own for None, and for each ASG that the file does not define.

    Blocks for the disk, and for the name server where the file names hosts. Raises `ConfigurationError` naming the line, what
    stands there and what would be right.
    """
    own = parsed(own_text(), _OWN_RULES)
    if path is None:
        return AcfRules(own, "", {THIS_HOST: (THIS_HOST,)})
    file = parsed(_text(path), str(path))
    check(file, str(path), [HERE])
    defined = {asg.name.text for asg in file.asgs}
    missing = tuple(asg for asg in own.asgs if asg.name.text not in defined)
    members = (member.text for group in file.groups if group.kind == HAG for member in group.members)
    whole = AccessFile((*own.groups, *file.groups), (*file.asgs, *missing))
    return AcfRules(whole, str(path), {THIS_HOST: (THIS_HOST,), **resolved(members)}, frozenset(defined))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"access file {path} cannot be read: {error.strerror}") from error
    if len(content) > _LONGEST_FILE_BYTES:
        raise ConfigurationError(f"access file {path} is longer than {_LONGEST_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: this is not UTF-8 text") from error


class AcfRules:
    """Decides by p4p's engine; a `dmioc.engine.ports.AccessRules`.

    Hosts are their peer addresses, all those of this host being one; users are what clients claim.

    Attributes:
        file: the rules.
        path: of the file; empty for the gateway's own rules.
        addresses: of each member of a HAG.
    """

    def __init__(
        self,
        file: AccessFile,
        path: str,
        addresses: Mapping[str, tuple[str, ...]],
        defined: frozenset[str] = frozenset(),
    ) -> None:
        self.file = file
        self.path = path
        self.addresses = addresses
        self._defined = defined
        self._asgs = {asg.name.text: asg for asg in file.asgs}
        self._engine = _ResolvedEngine(_with_addresses(file, addresses))
        self._decisions: dict[AccessRequest, AccessDecision] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know about the file, one line each."""
        hosts = (member for group in self.file.groups if group.kind == HAG for member in group.members)
        return tuple(
            f"{self.path}, line {host.line}: host {host.text} has no address: nobody is taken for it"
            for host in hosts
            if not self.addresses[host.text]
        )

    def decide(self, request: AccessRequest) -> AccessDecision:
        """Whether it may be done, and by what; takes microseconds and asks nobody."""
        decision = self._decisions.get(request)
        if decision is None:
            if len(self._decisions) >= _DECISIONS_KEPT:  # users are what clients like to be called
                self._decisions.clear()
            decision = self._decisions[request] = self._decide(request)
        return decision

    def _decide(self, request: AccessRequest) -> AccessDecision:
        asked = _Asked()
        self._engine.create(asked, request.asg, request.user, canonical(request.host), 1)
        return AccessDecision(asked.rpc if request.is_rpc else asked.put, self._reason(request))

    def asg(self, name: str) -> SecurityGroup:
        """The rules of an access security group."""
        return self._asgs[name]

    def source(self, asg: str) -> str:
        """Where the rules of an access security group come from."""
        return self.path if asg in self._defined else _OWN_RULES

    def _reason(self, request: AccessRequest) -> str:
        """Whom the ASG lets do it."""
        wanted = [rule for rule in self.asg(request.asg).rules if grants(rule, request.is_rpc)]
        texts = [" ".join(map(str, rule.conditions)) or "everybody" for rule in wanted]
        if request.asg not in self._defined:
            return f"ASG {request.asg} is for {' or '.join(texts) or 'nobody'}, by {_OWN_RULES}"
        lines = ", ".join(str(rule.line) for rule in wanted) or str(self.asg(request.asg).name.line)
        return f"ASG {request.asg} is for {' or '.join(texts) or 'nobody'}, by {self.path} line {lines}"


def grants(rule: Rule, is_rpc: bool) -> bool:
    """Whether the permission of a rule, where its conditions hold, lets a client put, or call."""
    return rule.permission.text in (WRITE, RPC if is_rpc else PUT)


class _ResolvedEngine(Engine):
    """p4p's engine without a name server: the text has addresses already, also those of IPv6."""

    @staticmethod
    def _gethostbyname(host: str) -> str:
        return host


class _Asked:
    """What p4p's engine tells its decision to."""

    name = "put"

    def __init__(self) -> None:
        self.put = False
        self.rpc = False

    def access(self, put: bool, rpc: bool, uncached: bool, audit: bool) -> None:
        """The decision."""
        del uncached, audit
        self.put, self.rpc = put, rpc


def _with_addresses(file: AccessFile, addresses: Mapping[str, tuple[str, ...]]) -> str:
    """The file as p4p reads it: names quoted, so that none is taken for a word of the language."""
    lines: list[str] = []
    for group in file.groups:
        members = [member.text for member in group.members]
        if group.kind == HAG:
            members = [address for name in members for address in addresses[name]]
        if members:  # p4p cannot read a group without any; nobody is in it either way
            names = ", ".join(map(_quoted, dict.fromkeys(members)))
            lines.append(f"{group.kind}({_quoted(group.name.text)}) {{ {names} }}")
    for asg in file.asgs:
        rules = " ".join(map(_rule_text, asg.rules))
        lines.append(f"ASG({_quoted(asg.name.text)}) {{ {rules} }}")
    return "\n".join(lines) + "\n"


def _rule_text(rule: Rule) -> str:
    conditions = " ".join(
        f"{condition.kind}({', '.join(_quoted(group.text) for group in condition.groups)})"
        for condition in rule.conditions
    )
    body = f" {{ {conditions} }}" if conditions else ""
    return f"RULE({rule.level.text}, {_quoted(rule.permission.text)}){body}"


def _quoted(text: str) -> str:
    return f'"{text}"'


__all__ = ["HERE", "NONE", "READ", "AcfRules", "grants", "load_rules", "own_text"]
