"""The prefix of the station when none is given."""

from __future__ import annotations

from dmioc.catalogue.prefix import default_prefix

__all__ = ["default_prefix"]
