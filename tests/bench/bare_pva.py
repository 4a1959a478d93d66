"""A bare p4p server with a PV for each scalar of the gateway's catalogue: ``python bare_pva.py PREFIX``."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from p4p.nt import NTEnum, NTScalar
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV

from dmioc.catalogue import PV, Kind, station_catalogue

CODES = {Kind.TEXT: "s", Kind.STRING: "s", Kind.LINES: "as", Kind.LONG: "i", Kind.DOUBLE: "d"}
FIRST = {"s": "", "as": [], "i": 0, "d": 0.0}


class PostWhatWasPut:
    """The handler that p4p's documentation shows."""

    def put(self, pv: Any, operation: Any) -> None:
        """Take it."""
        pv.post(operation.value(), timestamp=time.time())
        operation.done()


def bare_pv(pv: PV) -> SharedPV:
    """The same type, with display and limits."""
    if pv.kind.has_states:
        nt, first = NTEnum(), {"index": 0, "choices": list(pv.labels)}
    else:
        code = CODES[pv.kind]
        nt = NTScalar(code, display=True, control=True, valueAlarm=True)  # pyright: ignore[reportCallIssue]
        first = FIRST[code]
    return SharedPV(nt=nt, initial=first, timestamp=time.time(), handler=PostWhatWasPut())


def serve(prefix: str) -> None:
    """Until the process is ended."""
    provider = StaticProvider("bare")
    kept = []
    for pv in station_catalogue().scalars():
        kept.append(bare_pv(pv))
        provider.add(prefix + pv.name, kept[-1])
    conf = {"EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1", "EPICS_PVAS_SERVER_PORT": "0", "EPICS_PVAS_BROADCAST_PORT": "0"}
    server = Server(providers=[provider], conf=conf | {"EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO"}, useenv=False)
    print("serves", f"127.0.0.1:{server.conf()['EPICS_PVAS_SERVER_PORT']}", flush=True)
    threading.Event().wait()


serve(sys.argv[1])
