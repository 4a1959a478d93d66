"""Every kind of fault as data: what it does, and which keys it takes; the check of a file and the help are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Scope(Enum):
    """Where a fault takes hold."""

    PORT = "the whole port of a service"
    REPLY = "in place of an answer, or before it"
    ANSWER = "in an answer that DM gives"
    RECORDS = "in the records of an answer"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; ``keys`` are those of its own, ``needed`` those that must be given."""

    name: str
    scope: Scope
    help: str
    keys: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


_CARRY = "carry_out"
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("refuse", Scope.PORT, "the port is closed, and so is every connection"),
        Kind("half-open", Scope.PORT, "connections are taken and stay, and nothing is read or answered, as by SIGSTOP"),
        Kind(
            "restart",
            Scope.PORT,
            "as after a start without history: sessions and connections gone, DAQs, uploads and jobs of before not known",
        ),
        Kind(
            "hang",
            Scope.REPLY,
            "taken and not answered, while the fault lasts or for some seconds",
            ("seconds", _CARRY),
        ),
        Kind("drop", Scope.REPLY, "the connection is closed in place of an answer", (_CARRY,)),
        Kind("slow", Scope.REPLY, "answered some seconds later", ("seconds",), ("seconds",)),
        Kind("status", Scope.REPLY, "an HTTP status (500) without DM's headers, with plain text", ("status", _CARRY)),
        Kind("error", Scope.REPLY, "HTTP 200 with an errorCode", ("code", "message", "headers", _CARRY)),
        Kind("unauthorized", Scope.REPLY, "HTTP 401: no session, whatever the cookie"),
        Kind("html", Scope.REPLY, "HTTP 200 with a page in HTML", (_CARRY,)),
        Kind("lost", Scope.RECORDS, "DM no longer knows it: code 14, and left out of lists"),
        Kind("hang-body", Scope.ANSWER, "half of the body, then nothing", ("seconds",)),
        Kind("cut", Scope.ANSWER, "half of the JSON, as if it were all"),
        Kind("wrong-types", Scope.RECORDS, "keys hold values of another type", ("keys",)),
        Kind("missing-key", Scope.RECORDS, "keys are missing", ("keys",), ("keys",)),
        Kind("status-word", Scope.RECORDS, "the status is another word", ("word",), ("word",)),
        Kind("set", Scope.RECORDS, "keys hold the values given", ("values",), ("values",)),
        Kind("cut-list", Scope.RECORDS, "lists end after some records", ("limit",)),
        Kind("duplicate-ids", Scope.RECORDS, "lists hold each record twice"),
        Kind(
            "clock-skew",
            Scope.RECORDS,
            "DM's clock is fast by some seconds (negative: slow)",
            ("seconds",),
            ("seconds",),
        ),
        Kind("local-time", Scope.RECORDS, "times are local text with a zone, as 2026/05/29 23:11:37 CDT", ("zone",)),
        Kind("huge-stderr", Scope.RECORDS, "each process of a job has printed much to stderr", ("size_bytes",)),
        Kind("long-names", Scope.RECORDS, "names and paths are long and not ASCII", ("length", "text")),
    )
}

COMMON_KEYS = {
    "kind": "what is done: one of the kinds",
    "enabled": "false: the fault is left out (true)",
    "service": "DS, DAQ, PROC or CAT, or a list of them (all)",
}
MATCH_KEYS = {
    "endpoint": "name of `dmioc localdm --endpoints` or a pattern, or a list of them (all but login and logout)",
    "method": "GET, POST, PUT or DELETE (all)",
    "experiment": "only this experiment: a name or a pattern",
    "object": "only this DAQ, upload or job by its id, workflow by its name, directory by its path; or a pattern",
    "after": "so many requests that match are let pass first (0)",
    "count": "so many are hit, then no more (no limit)",
    "probability": "of a hit, 0 to 1 (1)",
    "seed": "of the random numbers for it (0)",
}
OWN_KEYS = {
    "seconds": "how long, or by how much",
    "carry_out": "true: DM first does what it is asked to; its answer is lost (false)",
    "status": "HTTP status, 300 to 599 (500)",
    "code": "DM's error code (2, InternalError)",
    "message": "DM's words ('fault of localdm')",
    "headers": "false: without DM's three headers (true)",
    "keys": "list of keys of a record; a dot goes into it: workflow.name",
    "word": "a status, e.g. timeout, skipped, or one that nobody knows",
    "values": "table of keys and the values they get",
    "limit": "records (10)",
    "zone": "of the text (CDT)",
    "size_bytes": "of the text (200000)",
    "length": "characters (300)",
    "text": "what makes them long ('é漢字')",
}
EVERY_KEY = {**COMMON_KEYS, **MATCH_KEYS, **OWN_KEYS}


def keys_of(kind: Kind) -> tuple[str, ...]:
    """The keys that a fault of this kind may have."""
    return (*COMMON_KEYS, *(() if kind.scope is Scope.PORT else MATCH_KEYS), *kind.keys)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was checked; the attributes are the keys of the file, with their defaults.

    ``service`` and ``endpoint`` are names, empty for all; ``seconds`` None means for as long as the fault lasts.
    """

    kind: str
    enabled: bool = True
    service: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    method: str = ""
    experiment: str = ""
    object: str = ""
    after: int = 0
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    seconds: float | None = None
    carry_out: bool = False
    status: int = 500
    code: int = 2
    message: str = "fault of localdm"
    headers: bool = True
    keys: tuple[str, ...] = ()
    word: str = ""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    limit: int = 10
    zone: str = "CDT"
    size_bytes: int = 200_000
    length: int = 300
    text: str = "é漢字"

    @property
    def scope(self) -> Scope:
        """Where it takes hold."""
        return KINDS[self.kind].scope

    def __str__(self) -> str:
        plain = Fault(self.kind)
        given = ((key, getattr(self, key)) for key in EVERY_KEY if key not in ("kind", "enabled"))
        told = ", ".join(f"{key} {value!r}" for key, value in given if value != getattr(plain, key))
        return f"{self.kind} ({told})" if told else self.kind

    @property
    def is_for_some(self) -> bool:
        """Whether it is for one experiment or object only."""
        return bool(self.experiment or self.object)


_HELP_HEAD = """faults, for tests (--faults FILE): the file is TOML, a [[fault]] table for each. It is read again when it
changes, within a tenth of a second; write it whole (to another name, then rename). An empty file: no faults. What is in
force, and how often each was met, stands in localdm.faults.json in the directory (--dir). A file that is wrong refuses
the start (exit code 2); a change that is wrong is logged, and what was in force stays. Of several that match all are
made, in the order of the file, up to the first that gives no true answer.

  [[fault]]
  kind = "hang"
  service = "PROC"
  endpoint = "getProcessingJob*"
"""


def fault_help() -> str:
    """What ``dmioc localdm --help`` tells of the file."""
    lines = [_HELP_HEAD, "keys of each fault (default):"]
    lines += [f"  {key:14} {text}" for key, text in {**COMMON_KEYS, **MATCH_KEYS}.items()]
    lines += ["", "kinds; refuse, half-open and restart take kind, enabled and service only:"]
    for kind in KINDS.values():
        lines.append(f"  {kind.name:14} {kind.help}" + (f" [{', '.join(kind.keys)}]" if kind.keys else ""))
    lines += ["", "keys of some kinds (default):"]
    lines += [f"  {key:14} {text}" for key, text in OWN_KEYS.items()]
    return "\n".join(lines)
