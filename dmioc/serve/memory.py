"""The most memory that the gateway takes: what stands between one hostile message and the whole host.

PVXS 1.5.3 believes the sizes in a message: a put whose bit set announces 2**31 bytes, five bytes on the wire, has it fill all
memory there is, and PVAccess stands still meanwhile. With a limit it fails to, closes that connection and goes on (measured).
"""

from __future__ import annotations

import logging
import resource

MEMORY_BYTES = 2 * 2**30
"""Far more than a busy gateway needs (``/proc/PID/status``, VmData), stacks of threads included."""

_LOG = logging.getLogger(__name__)


def limit_memory() -> None:
    """Limit what this process, and those that it starts from now on, may allocate; a lower limit that is there stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (min([MEMORY_BYTES, *lower]), hard))
    except (ValueError, OSError) as error:
        _LOG.warning("memory is not limited to %d bytes: %s", MEMORY_BYTES, error)
