"""How the transfers do their work, whatever the DAQ or upload."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """Settings of the DAQ and upload engine.

    ``workers`` copy processes; a file is settled when its size and time stay the same for ``settle_s``; the watched
    tree is walked again every ``rescan_s`` as a safety net, every ``rescan_unwatched_s`` where the system cannot watch
    it (or 20 times as long as a walk takes, where that is more); a file that still grows ``stop_wait_s`` after a stop,
    or after the walk of an upload, is an error; ``abort_wait_s`` is what a copy in hand is given when an upload is
    stopped. A batch for a copy process has up to ``batch_files`` files and ``batch_bytes`` bytes.
    """

    workers: int = 2
    settle_s: float = 0.3
    rescan_s: float = 30.0
    rescan_unwatched_s: float = 2.0
    stop_wait_s: float = 10.0
    abort_wait_s: float = 1.0
    batch_files: int = 250
    batch_bytes: int = 16 << 20
    errors_kept: int = 100
    records_kept: int = 5000
