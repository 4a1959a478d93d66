"""Commands: each ends, whatever its handler does, and says how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_parts import Parts, engine_parts
from stream_station import ORIGIN

from dmioc.engine.commands import Command
from dmioc.engine.puts import CommandState
from dmioc.engine.signals import Signal
from dmioc.errors import (
    CommandFailedError,
    DmAnswerError,
    DmExistsError,
    DmRefusedError,
    DmUnreachableError,
    RefusedError,
    StateFileError,
)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return engine_parts(tmp_path)


def outcome_of(parts: Parts, group: str = "WF1:") -> tuple[str, str, object]:
    store = parts.core.store
    return store.label(f"{group}CmdStatus"), store.text(f"{group}CmdMessage"), store.value(f"{group}CmdCount")


def raising(error: Exception) -> Callable[[], Awaitable[str]]:
    async def handler() -> str:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RefusedError("no"), CommandState.REFUSED),
        (DmRefusedError("no", 9), CommandState.REFUSED),
        (DmExistsError("no", 15), CommandState.REFUSED),
        (DmUnreachableError("no", request_sent=False), CommandState.REFUSED),
        (DmUnreachableError("no"), CommandState.FAILED),
        (DmAnswerError("no"), CommandState.FAILED),
        (CommandFailedError("no"), CommandState.FAILED),
        (KeyError("no"), CommandState.FAILED),
    ],
)
def test_every_error_ends_the_command(parts: Parts, error: Exception, state: CommandState) -> None:
    async def main() -> None:
        commands = parts.core.commands
        commands.register(Command("WF1:Run", raising(error)))
        future = commands.start("WF1:Run", ORIGIN)
        assert parts.value("WF1:Run") == 1 and outcome_of(parts) == ("Busy", "Run: is running", 0)
        outcome = await future
        assert outcome.state is state and "no" in outcome.message
        assert parts.value("WF1:Run") == 0
        assert outcome_of(parts) == (state.value, f"Run: {outcome.message}", 1)
        assert not commands.busy("WF1:")

    asyncio.run(main())


def test_busy_changes_nothing_and_others_run_beside(parts: Parts) -> None:
    async def main() -> None:
        commands, signal = parts.core.commands, Signal()

        async def wait() -> str:
            await signal.wait(5)
            return "well"

        commands.register(
            Command("WF1:Run", wait, excludes=("WF1:Start",)), Command("WF1:Start", wait, excludes=("WF1:Run",))
        )
        commands.register(Command("JOB:Wait", wait))
        first = commands.start("WF1:Run", ORIGIN)
        revision = parts.core.store.revision
        for name in ("WF1:Run", "WF1:Start"):
            second = commands.start(name, ORIGIN)
            assert second.done() and second.result().state is CommandState.REFUSED
            assert second.result().message == "busy: WF1:Run is still running"
        assert parts.core.store.revision == revision
        other = commands.start("JOB:Wait", ORIGIN)
        assert commands.busy("WF1:") and commands.busy("JOB:") and not commands.busy("DAQ1:")
        while not (first.done() and other.done()):
            signal.fire()
            await asyncio.sleep(0.001)
        assert outcome_of(parts) == ("OK", "Run: well", 1) and outcome_of(parts, "JOB:") == ("OK", "Wait: well", 1)

    asyncio.run(main())


def test_control_disabled_refuses_at_once(parts: Parts) -> None:
    async def main() -> None:
        parts.core.commands.register(Command("WF1:Run", raising(KeyError("never asked"))))
        parts.core.store.set("Control", 0)
        future = parts.core.commands.start("WF1:Run", ORIGIN)
        assert future.done() and future.result().message == "Control is Disabled: enable it first"
        assert outcome_of(parts)[0] == "Refused" and parts.value("WF1:Run") == 0

    asyncio.run(main())


def test_a_client_that_goes_away_does_not_stop_the_command(parts: Parts) -> None:
    async def main() -> None:
        signal = Signal()

        async def wait() -> str:
            await signal.wait(5)
            return "well"

        parts.core.commands.register(Command("WF1:Run", wait))
        future = parts.core.commands.start("WF1:Run", ORIGIN)
        future.cancel()
        await asyncio.sleep(0)
        assert parts.core.commands.busy("WF1:")
        while parts.core.commands.busy("WF1:"):
            signal.fire()
            await asyncio.sleep(0.001)
        assert outcome_of(parts) == ("OK", "Run: well", 1)

    asyncio.run(main())


def test_interrupted_commands_are_left_open_in_the_journal(parts: Parts) -> None:
    async def main() -> None:
        async def wait() -> str:
            await asyncio.sleep(60)
            return "never"

        parts.core.commands.register(Command("WF1:Run", wait))
        future = parts.core.commands.start("WF1:Run", ORIGIN)
        while not parts.core.journal._rows("SELECT * FROM accepted"):
            await asyncio.sleep(0.001)
        await parts.core.commands.interrupt_all()
        assert future.result().state is CommandState.INTERRUPTED
        assert outcome_of(parts)[0] == "Interrupted" and parts.value("WF1:Run") == 0
        assert [entry.command for entry in parts.core.journal.unfinished(0.0)] == ["WF1:Run"]

    asyncio.run(main())


def test_without_a_journal_no_command_is_taken(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise StateFileError("journal cannot be written: disk full")

    async def main() -> None:
        asked: list[bool] = []

        async def handler() -> str:
            asked.append(True)
            return "done"

        parts.core.commands.register(Command("WF1:Run", handler))
        monkeypatch.setattr(parts.core.journal, "accept", full)
        outcome = await parts.core.commands.start("WF1:Run", ORIGIN)
        assert (outcome.state, outcome.message) == (CommandState.REFUSED, "journal cannot be written: disk full")
        assert asked == []

    asyncio.run(main())


def test_a_long_message_is_cut_to_the_pv(parts: Parts) -> None:
    async def main() -> None:
        parts.core.commands.register(Command("WF1:Run", raising(RefusedError("é" * 5000))))
        await parts.core.commands.start("WF1:Run", ORIGIN)
        assert 1020 < len(outcome_of(parts)[1].encode()) <= 1024

    asyncio.run(main())
