"""How a query by name tells its client what kind of "no" an error is: PVAccess carries a text and nothing else.

The text of an error is the message; what is no refusal has a word before it. One that was refused changed nothing; after
one that failed or was interrupted something may have been done (``pv-contract.md §9``).
"""

from __future__ import annotations

from dmioc.errors import CommandFailedError, DmiocError, DmRefusedError, InterruptedCommandError, RefusedError

_FAILED = "failed: "
_INTERRUPTED = "interrupted: "


def error_text(error: DmiocError) -> str:
    """The error as the gateway sends it."""
    if isinstance(error, RefusedError | DmRefusedError):
        return str(error)
    word = _INTERRUPTED if isinstance(error, InterruptedCommandError) else _FAILED
    return f"{word}{error}"


def error_of(text: str) -> DmiocError:
    """The error that a client raises for what the gateway sent."""
    for word, kind in ((_INTERRUPTED, InterruptedCommandError), (_FAILED, CommandFailedError)):
        if text.startswith(word):
            return kind(text.removeprefix(word))
    return RefusedError(text)
