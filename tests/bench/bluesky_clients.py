"""What a bluesky session pays: imports, connection, and the end of a plan after the end of its job."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from dm_control import DmControl
from epics_environment import client_environment
from figures import Figure, at_most
from options import Options
from servers import HERE, bench_gateway, ca_client

IMPORT_MOST_S, CONNECT_MOST_S, PLAN_MOST_S = 0.15, 2.0, 0.2
WITHIN_S = 120


def bluesky(options: Options) -> Iterator[Figure]:
    """A new process for each import and each connection."""
    with bench_gateway() as gateway, ca_client(gateway) as ca:
        ca.put("PollPeriod", 0.1)
        DmControl(gateway.state / "localdm").add_workflow("nap", "/bin/sleep 0.3")
        sessions = [session("connect", gateway.prefix) for _ in range(options.starts)]
        yield at_most(
            "bluesky", "import of DMStation", _median(sessions, "import"), "s", IMPORT_MOST_S, "above ophyd's"
        )
        number = int(sessions[0]["signals"])
        yield at_most(
            "bluesky", "connect a DMStation", _median(sessions, "connect"), "s", CONNECT_MOST_S, f"{number} PVs"
        )
        late_s = session("workflow", gateway.prefix, str(options.job_runs))["late"]
        note = f"{len(late_s)} jobs, longest {max(late_s):.3f} s; after a monitor had Done"
        yield at_most("bluesky", "end of run_workflow", statistics.median(late_s), "s", PLAN_MOST_S, note)


def _median(sessions: list[dict[str, Any]], key: str) -> float:
    return statistics.median(one[key] for one in sessions)


def session(*words: str) -> dict[str, Any]:
    """What one session measured."""
    command = [sys.executable, str(HERE / "bluesky_measuring.py"), *words]
    environment = os.environ | client_environment()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=WITHIN_S)
    return json.loads(done.stdout.splitlines()[-1])
