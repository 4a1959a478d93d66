"""A RunEngine in a thread of its own, so that a test can look at it, pause it and abort it while a plan runs."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any

from waiting import wait_until


class Engine:
    """One RunEngine; plans run in a thread.

    Attributes:
        re: the RunEngine.
        documents: name and document of every document it made.
        took_s: how long the last plan took.
    """

    def __init__(self) -> None:
        from bluesky import RunEngine

        # Signals of the terminal can only be handled by the main thread, which belongs to pytest.
        self.re: Any = RunEngine({}, context_managers=[], call_returns_result=True)
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self.re.subscribe(lambda name, document: self.documents.append((name, document)))
        self.took_s = 0.0
        self._thread: threading.Thread | None = None
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, plan: Generator[Any, Any, Any], timeout_s: float = 90.0) -> Any:
        """Run a plan to its end; answers what it answers and raises what it raises."""
        self.start(plan)
        return self.end(timeout_s)

    def start(self, plan: Generator[Any, Any, Any]) -> None:
        """Begin a plan."""
        self._in_thread(lambda: self.re(plan))

    def _in_thread(self, work: Callable[[], Any]) -> None:
        self._result = self._error = None
        began_s = time.monotonic()

        def run() -> None:
            try:
                self._result = work()
            except BaseException as error:
                self._error = error
            self.took_s = time.monotonic() - began_s

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def end(self, timeout_s: float = 90.0) -> Any:
        """The end of what was begun."""
        assert self._thread is not None
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), (
            f"the plan has not ended within {timeout_s} s, the RunEngine is {self.re.state}"
        )
        if self._error is not None:
            raise self._error
        return self._result.plan_result

    def pause(self) -> None:
        """Pause at once; the call that ran the plan has then ended."""
        from bluesky.utils import RunEngineInterrupted

        self.re.request_pause()
        try:
            self.end()
        except RunEngineInterrupted:
            pass
        assert self.re.state == "paused"

    def resume(self) -> None:
        """Go on after a pause."""
        self._in_thread(self.re.resume)

    def leave(self, how: str, timeout_s: float = 90.0) -> None:
        """``abort``, ``stop`` or ``halt`` a plan that runs or is paused, and wait until it has gone."""
        from bluesky.utils import RunEngineInterrupted

        getattr(self.re, how)()
        try:
            self.end(timeout_s)
        except RunEngineInterrupted:
            pass
        assert self.re.state == "idle"

    @property
    def pauses(self) -> bool:
        """Whether it is paused."""
        return bool(self.re.state == "paused")


def simulated(name: str) -> Any:
    """One of ophyd's simulated devices, e.g. ``det``; imported when the environment of EPICS is set."""
    return getattr(import_module("ophyd.sim").hw(), name)


def loop_turns(engine: Engine, during: Callable[[], bool]) -> float:
    """The longest time in seconds that the RunEngine's loop took for one turn, until a condition holds."""
    turns: list[float] = []

    def turn() -> None:
        turns.append(time.monotonic())
        if not stop.is_set():
            engine.re.loop.call_later(0.005, turn)

    stop = threading.Event()
    engine.re.loop.call_soon_threadsafe(turn)
    try:
        wait_until(during, 20.0)
    finally:
        stop.set()
    return max((after - before for before, after in itertools.pairwise(turns)), default=0.0)
