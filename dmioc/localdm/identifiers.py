"""Identifiers in DM's two forms: 24 hex digits (MongoDB's) and uuid4 text (``dm-protocol.md §6.3, §6.5, §7.1``)."""

from __future__ import annotations

import os
import time


def new_object_id() -> str:
    """A new identifier of 24 hex digits that begins with the time, as MongoDB's do, and does not repeat."""
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{os.urandom(8).hex()}"
