"""``dmioc`` that ends itself with SIGKILL at a given point: ``python kill_launcher.py run ...``.

``KILL_GATEWAY_AT`` names the point as ``<module>:<class>.<function>:<before|after>:<count>``; empty: no point.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import os
import signal
import sys
from typing import Any


def arm(point: str) -> None:
    """Wrap the function so that its call of that count is the last thing this process does."""
    module, path, when, count = point.split(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    setattr(owner, name, _wrapped(getattr(owner, name), when, int(count)))


def _wrapped(function: Any, when: str, count: int) -> Any:
    calls = itertools.count(1)

    def end(number: int, now: str) -> None:
        if number == count and when == now:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    async def asynchronous(*arguments: Any, **options: Any) -> Any:
        number = next(calls)
        end(number, "before")
        answer = await function(*arguments, **options)
        end(number, "after")
        return answer

    @functools.wraps(function)
    def plain(*arguments: Any, **options: Any) -> Any:
        number = next(calls)
        end(number, "before")
        answer = function(*arguments, **options)
        end(number, "after")
        return answer

    return asynchronous if inspect.iscoroutinefunction(function) else plain


if __name__ == "__main__":
    if os.environ.get("KILL_GATEWAY_AT"):
        arm(os.environ["KILL_GATEWAY_AT"])
    from dmioc.cli import main

    sys.exit(main())
