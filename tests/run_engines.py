"""A RunEngine of bluesky's that leaves nothing behind: its event loop runs in a thread that nobody ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bluesky import RunEngine


@contextmanager
def run_engine() -> Iterator[RunEngine]:
    """A RunEngine for the time of a test."""
    engine = RunEngine({})
    try:
        yield engine
    finally:
        end(engine)


def end(engine: RunEngine) -> None:
    """End its loop and thread."""
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join(10)
    engine.loop.close()


def run(engine: RunEngine, plan: Any, **metadata: Any) -> tuple[str, ...]:
    """Run a plan to its end; answers the uids of its runs."""
    result: Any = engine(plan, **metadata)
    return tuple(result)
