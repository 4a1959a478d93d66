"""The prefix of the station for clients that are given none."""

from __future__ import annotations

import os

PREFIX_VARIABLE = "DMIOC_PREFIX"
"""Environment variable with the prefix of the station's PVs; a job of localdm finds it set."""
DEMO_PREFIX = "DEMO:DM:"
"""Prefix that a gateway serves when nothing else is configured."""


def default_prefix() -> str:
    """The prefix that the environment names now, else that of a gateway with nothing configured."""
    return os.environ.get(PREFIX_VARIABLE) or DEMO_PREFIX
