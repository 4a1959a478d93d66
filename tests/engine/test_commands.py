"""Commands: each ends, whatever its handler does, and says how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_parts import Parts, engine_parts
from stream_station import ORIGIN

from dmioc.engine.commands import REPEATED_WITHIN_S, Command, Order, Orders
from dmioc.engine.journal import Unfinished
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
        (DmRefusedError("no", 11), CommandState.REFUSED),
        (DmRefusedError("no", 2), CommandState.FAILED),
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

        async def carry_out(_order: Order, _is_again: bool) -> str:
            return await wait()

        parts.core.commands.register(Command("WF1:Run", Orders(lambda: {"a": 1}, carry_out)))
        future = parts.core.commands.start("WF1:Run", ORIGIN)
        while not parts.core.journal._rows("SELECT * FROM accepted"):
            await asyncio.sleep(0.001)
        await parts.core.commands.interrupt_all()
        assert future.result().state is CommandState.INTERRUPTED
        assert outcome_of(parts)[0] == "Interrupted" and parts.value("WF1:Run") == 0
        left = [(entry.command, entry.order) for entry in parts.core.journal.unfinished()]
        assert left == [("WF1:Run", None)]

    asyncio.run(main())


async def at_once() -> None:
    """DM answers already."""


def left_open(parts: Parts, time_s: float, command: str, order: Order | None) -> Unfinished:
    """A command of an earlier run that never ended."""
    entry = parts.core.journal.accept(time_s, command, ORIGIN, order)
    return next(one for one in parts.core.journal.unfinished() if one.entry == entry)


def test_what_was_accepted_is_carried_out_again(parts: Parts) -> None:
    async def main() -> None:
        done: list[tuple[Order, bool]] = []

        async def carry_out(order: Order, is_again: bool) -> str:
            done.append((order, is_again))
            return "well"

        commands, now_s = parts.core.commands, parts.core.clock.now_s()
        commands.register(Command("WF1:Run", Orders(dict, carry_out)), Command("DAQ1:Wait", raising(KeyError("no"))))
        commands.restored(left_open(parts, now_s - 5, "WF1:Run", {"a": 1}), at_once)
        assert parts.value("WF1:Run") == 1 and outcome_of(parts)[0] == "Busy"
        # A second one of the same command, and one that has no order, are told as interrupted.
        commands.restored(left_open(parts, now_s - 4, "WF1:Run", {"a": 2}), at_once)
        commands.restored(left_open(parts, now_s - 4, "DAQ1:Wait", None), at_once)
        assert outcome_of(parts, "DAQ1:")[0] == "Interrupted"
        while commands.busy("WF1:"):
            await asyncio.sleep(0.001)
        assert done == [({"a": 1}, True)]
        assert outcome_of(parts)[:2] == ("OK", "Run: well")
        assert parts.core.journal.unfinished() == []

    asyncio.run(main())


def test_what_was_accepted_long_ago_is_not(parts: Parts) -> None:
    async def main() -> None:
        async def carry_out(_order: Order, _is_again: bool) -> str:
            raise AssertionError("too late")

        commands = parts.core.commands
        commands.register(Command("WF1:Run", Orders(dict, carry_out)))
        accepted_s = parts.core.clock.now_s() - REPEATED_WITHIN_S - 1
        commands.restored(left_open(parts, accepted_s, "WF1:Run", {"a": 1}), at_once)
        state, message, _ = outcome_of(parts)
        assert state == "Interrupted" and "601 s ago" in message
        assert parts.core.journal.unfinished() == []

    asyncio.run(main())


def test_an_order_that_cannot_be_taken_is_refused_at_once(parts: Parts) -> None:
    async def main() -> None:
        def take() -> Order:
            raise RefusedError("WF1:Name is empty")

        async def carry_out(_order: Order, _is_again: bool) -> str:
            raise AssertionError("nothing to do")

        parts.core.commands.register(Command("WF1:Run", Orders(take, carry_out)))
        future = parts.core.commands.start("WF1:Run", ORIGIN)
        assert future.done() and future.result().message == "WF1:Name is empty"
        assert outcome_of(parts) == ("Refused", "Run: WF1:Name is empty", 1)
        assert parts.value("WF1:Run") == 0 and parts.core.journal.unfinished() == []

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
