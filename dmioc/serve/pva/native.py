"""What PVXS keeps in this process."""

from __future__ import annotations

from p4p import listRefs


def native_objects() -> dict[str, int]:
    """Objects of PVXS and p4p's C++ by class, such as ``ServerConn`` (connections of clients), ``ServerChan``, ``MonitorOp``."""
    return listRefs()
