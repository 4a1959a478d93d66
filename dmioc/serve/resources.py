"""What the gateway's process holds, in one line of its log: asked for by SIGUSR1, by people and by tests that look for leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections import Counter
from pathlib import Path

_LOG = logging.getLogger(__name__)
_OWN_FDS = Path("/proc/self/fd")
_UNNAMED = "Task-"
_POOLS = ("asyncio_", "aps-dm-api")
"""How the threads of `asyncio.to_thread` and of `dmioc.dm.aps.threads` are named; they are made when needed, and stay."""


def log_resources() -> None:
    """Log `resources` as ``resources {...}``; to be called in the loop.

    It was asked for, so it is a warning: the levels ``INFO`` and ``WARNING`` both show it.
    """
    _LOG.warning("resources %s", json.dumps(resources()))


def resources() -> dict[str, object]:
    """What this process holds now; to be called in the loop.

    Keys: ``fds`` open files (0 where there is no Linux to ask), ``threads`` of Python but for those of the pools, which are
    ``pool_threads``, ``tasks`` counts by name (of the coroutine where the task has none), ``native`` counts of the objects of
    PVXS by class.
    """
    from dmioc.serve.pva.native import native_objects  # noqa: PLC0415 - heavy, imported by now

    names = [thread.name for thread in threading.enumerate()]
    pool = sum(1 for name in names if name.startswith(_POOLS))
    return {
        "fds": len(os.listdir(_OWN_FDS)) if _OWN_FDS.exists() else 0,
        "threads": len(names) - pool,
        "pool_threads": pool,
        "tasks": dict(sorted(Counter(_name(task) for task in asyncio.all_tasks()).items())),
        "native": dict(sorted(native_objects().items())),
    }


def _name(task: asyncio.Task[object]) -> str:
    name = task.get_name()
    return getattr(task.get_coro(), "__qualname__", name) if name.startswith(_UNNAMED) else name
