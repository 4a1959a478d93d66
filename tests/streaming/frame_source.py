"""A detector: NTNDArray frames on a real p4p server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import numpy
from p4p.nt import NTNDArray  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV


class FrameServer:
    """One image PV; frame ``n`` holds the value ``n % 200`` everywhere."""

    def __init__(self, shape: tuple[int, int] = (8, 16), first_id: int = 0) -> None:
        self.name = f"T{uuid.uuid4().hex[:6]}:Image"
        self._shape = shape
        self._pv: Any = SharedPV(initial=self._frame(first_id))
        provider = StaticProvider("frames")
        provider.add(self.name, self._pv)
        self._server = Server(providers=[provider])

    def _frame(self, number: int) -> Any:
        value = NTNDArray().wrap(numpy.full(self._shape, number % 200, dtype=numpy.uint8))
        value["uniqueId"] = number
        return value

    def post(self, numbers: Iterable[int], period_s: float = 0.0) -> None:
        """Post frames, each no sooner than its time."""
        began_s = time.monotonic()
        for count, number in enumerate(numbers):
            wait_s = began_s + count * period_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            self._pv.post(self._frame(number))

    def stop(self) -> None:
        self._server.stop()
