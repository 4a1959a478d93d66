"""What PVs show while DM misbehaves, seen by clients of both protocols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway_process import CaClient
from pva_client import PvaContext

DEADLINE_S = 1.0
PERIOD_S = 0.1
SLACK_S = 2.5
"""For what two busy cores need, beyond poll periods and deadline."""
TOLD_S = 2 * PERIOD_S + DEADLINE_S + SLACK_S
"""Within this time a DM that gives no good answer is INVALID/COMM on every PV that came from it."""
MENDED_S = 2 * PERIOD_S + SLACK_S
"""Within this time all is right again once DM is."""
NO_ALARM, MINOR, MAJOR, INVALID = 0, 1, 2, 3
_ALARMS = {0: "", 7: "STATE", 9: "COMM", 10: "TIMEOUT", 17: "UDF"}
"""Status of Channel Access, as PVAccess words it in ``alarm.message``."""
SERVICES = ("DS", "DAQ", "PROC", "CAT")


@dataclass(frozen=True)
class Seen:
    """A PV at one moment: value as text, alarm severity and its word, and POSIX time."""

    value: str
    severity: int
    alarm: str
    time_s: float


class Pva:
    """PVs of one prefix over PVAccess; names without the prefix."""

    def __init__(self, context: PvaContext, prefix: str) -> None:
        self.context = context
        self.prefix = prefix

    def get(self, name: str) -> Any:
        """The whole structure now."""
        return self.context.get(self.prefix + name, timeout=30)

    def seen(self, names: Iterable[str]) -> dict[str, Seen]:
        """PVs now, scalars, enums and tables."""
        wanted = list(names)
        values = self.context.get([self.prefix + name for name in wanted], timeout=30)
        return {name: _seen(value) for name, value in zip(wanted, values, strict=True)}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table by its column names."""
        value = self.get(name)["value"]
        columns = {column: list(value[column]) for column in value.keys()}
        assert len({len(cells) for cells in columns.values()}) <= 1, f"ragged columns in {name}"
        count = len(next(iter(columns.values())))
        return [{column: cells[row] for column, cells in columns.items()} for row in range(count)]


def _seen(value: Any) -> Seen:
    content = value["value"]
    stamp = value["timeStamp"]
    time_s = stamp["secondsPastEpoch"] + 1e-9 * stamp["nanoseconds"]
    alarm = value["alarm"]
    # A table's columns are arrays, which say little as text.
    text = str(content.tolist() if hasattr(content, "tolist") else content)
    return Seen(text, int(alarm["severity"]), str(alarm["message"]), round(time_s, 3))


def ca_seen(ca: CaClient, names: Iterable[str]) -> dict[str, Seen]:
    """Scalar PVs now, over Channel Access."""
    found: dict[str, Seen] = {}
    for name in names:
        one = ca.metadata(name)
        alarm = _ALARMS[int(one["status"])]
        found[name] = Seen(str(one["value"]), int(one["severity"]), alarm, round(one["timestamp"], 3))
    return found


def kept(before: dict[str, Seen], after: dict[str, Seen]) -> None:
    """Values and times are what they were."""
    for name, one in after.items():
        assert one.value == before[name].value, name
        assert one.time_s == before[name].time_s, name


def all_invalid(seen: dict[str, Seen]) -> bool:
    """Whether every PV is INVALID/COMM."""
    return all((one.severity, one.alarm) == (INVALID, "COMM") for one in seen.values())


def none_invalid(seen: dict[str, Seen]) -> bool:
    """Whether no PV is INVALID."""
    return all(one.severity < INVALID for one in seen.values())
