"""Where the two PVs of the handshake are, and which session it is, as a workflow is told when it is started; its times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmioc.streaming.errors import StreamSettingsError

_NAMES: Mapping[str, tuple[str, str]] = {
    "report_pv": ("reportPv", "DMIOC_REPORT_PV"),
    "command_pv": ("commandPv", "DMIOC_COMMAND_PV"),
    "session": ("session", "DMIOC_SESSION"),
    "epoch": ("epoch", "DMIOC_EPOCH"),
    "source_pv": ("sourcePv", "DMIOC_SOURCE_PV"),
}
"""By setting: the workflow argument (``pv-contract.md §8``), also the word of a command line, and the variable."""

_NEEDED = ("report_pv", "command_pv", "session")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Full names of the PVs, the session's uuid, its epoch where it was told, and the PV of the data (may be empty)."""

    report_pv: str
    command_pv: str
    session: str
    epoch: int | None
    source_pv: str


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """How often is reported, and how long is waited.

    Attributes:
        heartbeat_s: between two heartbeats.
        reports_per_s: most reports of counters in a second; those between are left out, the last never.
        connect_s: until both PVs must have answered at the start.
        put_s: for one report; another attempt follows.
        report_s: until the gateway must have taken a change of state; counters are never waited for.
        last_s: likewise for the report that the workflow ended without a result.
    """

    heartbeat_s: float = 1.0
    reports_per_s: float = 5.0
    connect_s: float = 10.0
    put_s: float = 2.0
    report_s: float = 60.0
    last_s: float = 10.0


def stream_settings(
    given: Mapping[str, object], arguments: Sequence[str], environment: Mapping[str, str]
) -> StreamSettings:
    """The settings, each from the first of three places that has it.

    Args:
        given: by setting (``report_pv`` …); empty texts and None count as not given.
        arguments: words of a command line; those of the form ``reportPv=NAME`` count, others are left to the workflow.
        environment: variables, ``DMIOC_REPORT_PV`` …

    Raises `StreamSettingsError` naming what is missing.
    """
    words = dict(word.split("=", 1) for word in arguments if "=" in word)
    found: dict[str, str] = {}
    for setting, (word, variable) in _NAMES.items():
        value = given.get(setting)
        found[setting] = str(value) if value not in (None, "") else words.get(word) or environment.get(variable, "")
    for setting in _NEEDED:
        if not found[setting]:
            word, variable = _NAMES[setting]
            raise StreamSettingsError(
                f"{setting} is not given: pass {setting}=..., the word {word}=... on the command line, or set {variable}"
            )
    return StreamSettings(
        found["report_pv"], found["command_pv"], found["session"], _epoch(found["epoch"]), found["source_pv"]
    )


def _epoch(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise StreamSettingsError(f"epoch {text!r} is no whole number") from None
