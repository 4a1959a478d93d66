"""Every bench by its name, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bluesky_clients import bluesky
from copies import large_files, small_files
from dm_watching import change_to_monitor, lists, requests
from figures import Figure
from options import Options
from protocols import channel_access, pv_access
from starting import idle, start

BENCHES: dict[str, Callable[[Options], Iterator[Figure]]] = {
    "ca": channel_access,
    "pva": pv_access,
    "latency": change_to_monitor,
    "requests": requests,
    "lists": lists,
    "large": large_files,
    "small": small_files,
    "start": start,
    "idle": idle,
    "bluesky": bluesky,
}
