"""A server in a process of its own that does what JSON lines on stdin ask for, one answer a line."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from typing import Any, Protocol


class Drivable(Protocol):
    """A server and what it can be asked to do."""

    server: Any

    async def do(self, request: dict[str, Any]) -> Any: ...


def run_driver(make: Callable[[str, int], Drivable], log_level: int) -> None:
    """Serve until stdin ends; prefix and port are the arguments of the process. ``make`` is called in the loop."""
    logging.basicConfig(level=log_level, stream=sys.stderr)
    asyncio.run(_serve(make, sys.argv[1], int(sys.argv[2])))


async def _serve(make: Callable[[str, int], Drivable], prefix: str, port: int) -> None:
    driver = make(prefix, port)
    await driver.server.start()
    print(json.dumps({"addresses": driver.server.addresses}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await driver.do(json.loads(line))), flush=True)
    await driver.server.stop()
