"""How many clients are connected, from the kernel.

p4p does not tell. ``Server.tostr(2)`` lists the peers, but waits for PVXS' thread without releasing the GIL, which that thread
may be waiting for: measured under puts, the process stood still for ever within seconds.
"""

from __future__ import annotations

from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def connections(port: int) -> int:
    """Open TCP connections to a port of this host; 0 where there is no Linux to ask."""
    return sum(_count(table, f"{port:04X}") for table in _TABLES)


def _count(table: Path, port: str) -> int:
    """Lines are ``sl local_address rem_address st ...``, addresses ``hex:hexport`` (proc(5))."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return 0
    fields = (line.split(None, 4) for line in lines)
    return sum(1 for _, local, _, state, *_ in fields if state == _ESTABLISHED and local.endswith(f":{port}"))
