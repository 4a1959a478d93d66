"""What a check finds, as data: one line each, with what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dmioc.catalogue.listing import aligned


class Result(Enum):
    """How it is; the value is the word that people read."""

    OK = "OK"
    WARNING = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is, e.g. ``DM DS``.
        text: What was found, in one line.
        remedy: What to do about it; empty where nothing is to be done.
        values: The same for programs; times in seconds.
    """

    result: Result
    what: str
    text: str
    remedy: str = ""
    values: Mapping[str, object] = field(default_factory=dict[str, object])


def ok(what: str, text: str, **values: object) -> Finding:
    """All is well."""
    return Finding(Result.OK, what, text, values=values)


def warning(what: str, text: str, remedy: str = "", **values: object) -> Finding:
    """It works, and somebody should know."""
    return Finding(Result.WARNING, what, text, remedy, values)


def fail(what: str, text: str, remedy: str = "", **values: object) -> Finding:
    """The gateway would not work, or not all of it."""
    return Finding(Result.FAIL, what, text, remedy, values)


@dataclass(frozen=True)
class Report:
    """Every finding, in the order in which they were looked for."""

    findings: tuple[Finding, ...]

    @property
    def has_failed(self) -> bool:
        """Whether anything failed."""
        return any(finding.result is Result.FAIL for finding in self.findings)

    def count(self, result: Result) -> int:
        """How many findings have this result."""
        return sum(finding.result is result for finding in self.findings)

    def table(self) -> str:
        """Aligned lines for people, with the counts at the end."""
        rows = [(finding.result.value, finding.what, _line(finding)) for finding in self.findings]
        counts = ", ".join(f"{self.count(result)} {result.value}" for result in Result)
        return f"{aligned([('result', 'what', 'finding'), *rows])}{counts}\n"

    def as_json(self) -> str:
        """The same for programs."""
        rows = [
            {
                "result": finding.result.value,
                "what": finding.what,
                "text": finding.text,
                "remedy": finding.remedy,
                **({"values": dict(finding.values)} if finding.values else {}),
            }
            for finding in self.findings
        ]
        return json.dumps({"ok": not self.has_failed, "findings": rows}, indent=1, ensure_ascii=False) + "\n"


def _line(finding: Finding) -> str:
    return " ".join(f"{finding.text}{' -> ' if finding.remedy else ''}{finding.remedy}".split())


def listed(count_of: str, names: Sequence[str]) -> str:
    """How many there are, and which: ``2 assumed (stopDaq, upload)``."""
    return f"{len(names)} {count_of} ({', '.join(names)})" if names else f"none {count_of}"
