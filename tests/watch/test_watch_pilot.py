"""The live screen without a terminal (textual's pilot), on a station that nobody serves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dmioc.watch.live import WatchApp
from dmioc.watch.readings import Board, Reading
from dmioc.watch.station import Station


class CountingApp(WatchApp):
    """Counts its drawings."""

    count = 0

    def _draw(self) -> None:
        self.count += 1
        super()._draw()


@contextmanager
def station(protocol: str = "pva") -> Iterator[Station]:
    opened = Station("T-NOBODY:", protocol)
    try:
        yield opened
    finally:
        opened.close()


def serve(board: Board, opened: Station, state: str = "Connected") -> None:
    """What a gateway with one workflow slot would tell; nothing else of it comes."""
    for pv in opened.overview.scalars:
        board.publish(pv.name, Reading("" if pv.kind.is_text else pv.labels[0] if pv.kind.has_states else 0))
    board.publish("State", Reading(state))
    board.publish("WF1:Status", Reading("Running"))
    board.publish("WF1:Percent", Reading(50.0))


def run(protocol: str, steps: Callable[[CountingApp, Any, Station], Any]) -> None:
    """Run some steps on the screen."""

    async def main() -> None:
        with station(protocol) as opened:
            app = CountingApp(opened)
            async with app.run_test(size=(80, 24)) as pilot:
                await steps(app, pilot, opened)

    asyncio.run(main())


def shown(app: WatchApp) -> str:
    return "\n".join(one.text for one in (*app._top.lines, *app._tabs.lines, *app._page.lines, *app._bottom.lines))


@pytest.mark.parametrize("protocol", ["pva", "ca"])
def test_keys_without_a_gateway(protocol: str, repeater: None) -> None:
    async def steps(app: CountingApp, pilot: Any, opened: Station) -> None:
        await pilot.pause(0.3)
        assert "gateway not found yet" in shown(app) and "Nothing answers for T-NOBODY:State" in shown(app)
        for key, word in (("2", "DAQs"), ("8", "Settings"), ("right", "Messages"), ("left", "Settings"), ("4", "Jobs")):
            await pilot.press(key)
            assert word in shown(app), key
        await pilot.press("question_mark")
        assert "Nothing here writes to a PV" in shown(app) and max(map(len, shown(app).splitlines())) <= 80
        await pilot.press("escape", "slash", "q", "2", "enter")
        assert "only 'q2'" in shown(app) and app.is_running
        await pilot.press("escape")
        assert "only" not in shown(app)
        await pilot.press("enter", "down", "up", "pagedown", "end", "home", "q")
        await pilot.pause()
        assert not app.is_running

    run(protocol, steps)


def test_burst_is_drawn_at_most_five_times_a_second() -> None:
    async def steps(app: CountingApp, pilot: Any, opened: Station) -> None:
        board = opened._board
        serve(board, opened)
        await pilot.pause(0.3)
        before, updates, end_s = app.count, [0], time.monotonic() + 2.0

        def burst() -> None:
            while time.monotonic() < end_s:
                updates[0] += 1
                board.publish("WF1:Percent", Reading(updates[0] % 100 + 0.0))
                time.sleep(0.001)

        thread = threading.Thread(target=burst)
        thread.start()
        while thread.is_alive():
            await pilot.pause(0.05)
        assert updates[0] > 200
        # Ten for the burst of two seconds, and those of the clock.
        assert 4 <= app.count - before <= 14

    run("pva", steps)


def test_slot_is_shown_as_soon_as_its_state_is_there() -> None:
    async def steps(app: CountingApp, pilot: Any, opened: Station) -> None:
        await pilot.pause(0.1)
        serve(opened._board, opened)
        await pilot.pause(0.5)
        assert "gateway Connected" in shown(app)
        assert "\nWF1  Running" in shown(app) and "\nWF2" not in shown(app)
        await pilot.press("enter")
        assert "Percent           50.0 %" in shown(app)
        opened._board.lose(["State"])
        await pilot.pause(0.5)
        assert "gateway DISCONNECTED since" in shown(app) and "DISCONNECTED since" in app._page.lines[1].text

    run("pva", steps)
