"""Where the commands of stages are executed, behind one small interface.

Local processes implement it today; an engine such as Parsl can take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Output = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class StageCommand:
    """One command of a stage, after substitution; ``environment`` is added to what the service itself has."""

    job_id: str
    command: str
    working_directory: Path
    environment: Mapping[str, str]


class RunningCommand(Protocol):
    """A command that was started."""

    @property
    def handle(self) -> str:
        """What names the command to another life of the service, for `StageExecutor.end_leftovers`."""
        ...

    @property
    def left_something(self) -> bool:
        """Whether processes of the command are still there, also after its end."""
        ...

    async def wait(self) -> int:
        """Exit status of the command when it has ended, negative for a signal; all it printed has been handed on."""
        ...

    async def end(self, grace_s: float) -> int:
        """End the command with everything it started, politely for ``grace_s``; answers the exit status."""
        ...

    def kill(self) -> None:
        """End the command with everything it started, at once; an `end` under way then returns soon."""
        ...


class StageExecutor(Protocol):
    """Runs the commands of stages."""

    async def start(self, command: StageCommand, out: Output, err: Output) -> RunningCommand:
        """Start a command; ``out`` and ``err`` are called in the event loop with what it prints.

        Raises `OSError` or `ValueError` for a command that cannot be started.
        """
        ...

    def end_leftovers(self, handles: Mapping[str, Sequence[str]]) -> int:
        """End at once what an earlier life of the service left at work; blocks.

        ``handles`` gives for each job id the handles of its commands. Answers how many processes were ended.
        """
        ...
