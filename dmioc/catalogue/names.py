"""What a PV's name may be made of."""

from __future__ import annotations

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:[]<>;")
RIGHT_CHARACTERS = "letters, digits and _-:[]<>;"


def wrong_characters(name: str) -> str:
    """Those characters of a name that EPICS records must not have, each once; empty for a good name."""
    return "".join(sorted(set(name) - _ALLOWED))
