"""``dmioc`` that leaks: each put to one of these PVs leaves something behind. ``python leaking_launcher.py run ...``."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from dmioc.engine.gateway import Gateway

KEPT: list[Any] = []


def _keep_native() -> None:
    from p4p.server.raw import SharedPV

    KEPT.append(SharedPV(handler=object()))


def _keep_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


LEAKS = {
    "LostAfter": lambda: KEPT.append(open("/dev/zero", "rb")),
    "EXP:New:Name": lambda: KEPT.append(asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="kept")),
    "EXP:New:Type": _keep_thread,
    "EXP:New:Description": _keep_native,
}
"""What is left behind by the PV that is put to."""


def _leaking(put: Any) -> Any:
    def put_and_leak(gateway: Gateway, name: str, *arguments: Any) -> Any:
        LEAKS.get(name, lambda: None)()
        return put(gateway, name, *arguments)

    return put_and_leak


if __name__ == "__main__":
    Gateway.put = _leaking(Gateway.put)
    from dmioc.cli import main

    sys.exit(main())
