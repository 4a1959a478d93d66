"""Helper processes make way for the service, so that it answers while they are busy."""

from __future__ import annotations

import os

COPY_NICENESS = 2
WATCH_NICENESS = 10


def make_way(process_id: int, niceness: int) -> None:
    """Lower the claim of a child process on the processors; one that has ended already needs none."""
    try:
        os.setpriority(os.PRIO_PROCESS, process_id, niceness)
        os.sched_setscheduler(process_id, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        return
