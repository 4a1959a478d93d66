"""One bluesky session: ``python bluesky_measuring.py connect PREFIX`` or ``workflow PREFIX COUNT``; prints JSON, seconds."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

CONNECTED_WITHIN_S = 30.0
SEEN_WITHIN_S = 10.0


def connect(prefix: str) -> dict[str, Any]:
    """Import after ophyd, and make and connect a station."""
    import ophyd  # noqa: F401  # what is above its own import is timed

    began_s = time.perf_counter()
    from dmioc.devices import DMStation

    imported_s = time.perf_counter()
    station = DMStation(prefix, name="dm")
    station.wait_for_connection(timeout=CONNECTED_WITHIN_S)
    connected_s = time.perf_counter()
    signals = len(list(station.walk_signals()))
    return {"import": imported_s - began_s, "connect": connected_s - imported_s, "signals": signals}


def workflow(prefix: str, count: int) -> dict[str, Any]:
    """How long after a monitor of another client of this process had Done the plan was over."""
    import ophyd  # noqa: F401  # it chooses the libca

    # isort: split
    import epics
    from bluesky import RunEngine

    from dmioc.catalogue import station_catalogue
    from dmioc.devices import DMStation
    from dmioc.plans import run_workflow

    labels = station_catalogue()["WF1:Status"].labels
    station = DMStation(prefix, name="dm")
    station.wait_for_connection(timeout=CONNECTED_WITHIN_S)
    done, at_s = threading.Event(), [0.0]

    def take(value: int, **_: Any) -> None:
        if value == labels.index("Done"):
            at_s[0] = time.perf_counter()
            done.set()

    epics.PV(f"{prefix}WF1:Status", auto_monitor=True, callback=take).wait_for_connection()
    engine, late_s = RunEngine(context_managers=[]), list[float]()
    for _ in range(count):
        done.clear()
        engine(run_workflow("nap", file_path="/dev/null", station=station, slot=1))
        ended_s = time.perf_counter()
        assert done.wait(SEEN_WITHIN_S), "the monitor never had Done"
        late_s.append(ended_s - at_s[0])
    return {"late": late_s}


if __name__ == "__main__":
    found = connect(sys.argv[2]) if sys.argv[1] == "connect" else workflow(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(found), flush=True)
    os._exit(0)  # libca's threads take their time
