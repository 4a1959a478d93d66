"""Process groups as the kernel sees them (``/proc``; on a system without it only signals work)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Fields of /proc/<pid>/stat, counted behind the name in parentheses.
_STATE, _GROUP, _START_TICKS = 0, 2, 19


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A living process; ``start_ticks`` since boot tells it from a later one with the same number."""

    pid: int
    group: int
    start_ticks: int


def process(pid: int) -> ProcessEntry | None:
    """The process if it lives; a zombie does not."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[_STATE] in "ZX":
        return None
    return ProcessEntry(pid, int(fields[_GROUP]), int(fields[_START_TICKS]))


def processes() -> Iterator[ProcessEntry]:
    """Every living process of the machine."""
    try:
        names = os.listdir(_PROC)
    except OSError:
        return
    for name in names:
        entry = process(int(name)) if name.isdigit() else None
        if entry is not None:
            yield entry


def environment_value(pid: int, name: str) -> str | None:
    """A variable of the environment a process was started with; nothing if it has none or is another user's."""
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{name}=".encode()
    found = (variable.removeprefix(prefix) for variable in variables if variable.startswith(prefix))
    return next((value.decode(errors="replace") for value in found), None)


def has_members(group: int) -> bool:
    """Whether the group holds a process, zombies included; costs one system call."""
    return _signal(group, 0)


def has_living_members(group: int) -> bool:
    """Whether the group holds a process that is no zombie; may read all of ``/proc``, so call it from a thread."""
    if not has_members(group):
        return False
    return not _PROC.joinpath("self").exists() or any(entry.group == group for entry in processes())


def terminate_group(group: int) -> None:
    """Ask every process of the group to end."""
    _signal(group, signal.SIGTERM)


def kill_group(group: int) -> None:
    """End every process of the group."""
    _signal(group, signal.SIGKILL)


def kill_process(pid: int) -> None:
    """End one process; one that has ended or belongs to another user is left as it is."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # only processes of another user are left, e.g. after a setuid program
        return number == 0
    return True
