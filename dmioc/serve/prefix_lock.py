"""One gateway of a host for each prefix, also where a search does not find the other: at other ports, or standing still."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from dmioc.errors import PrefixInUseError

_PEER = struct.Struct("3i")
"""What SO_PEERCRED gives: pid, uid and gid (unix(7))."""
_CONNECT_S = 1.0


@contextmanager
def held_prefix(prefix: str) -> Generator[None]:
    """Hold the prefix among the gateways of this host; the kernel gives it back when the process ends, however it ends.

    It is the name of a socket without a file, which only Linux has: elsewhere this does nothing. Raises `PrefixInUseError`
    naming the process that holds it.
    """
    if sys.platform != "linux":
        yield
        return
    address = f"\0dmioc {prefix}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PrefixInUseError(
                f"prefix {prefix} is already served by another gateway of this host{_holder(address)}:"
                " stop it or choose another prefix"
            ) from None
        sock.listen()
        yield


def _holder(address: str) -> str:
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_CONNECT_S)
        sock.connect(address)
        pid, _, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        return f" (pid {pid})"
    return ""
