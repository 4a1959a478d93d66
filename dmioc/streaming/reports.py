"""What a workflow reports: states and counters (``pv-contract.md §8``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

MESSAGE_CHARACTERS = 512
"""Most characters of a report's message; longer ones are cut."""
RESULT_BYTES = 16384
"""Most bytes of a result, as JSON in UTF-8: what the gateway's PV holds."""


class StreamState(Enum):
    """The states that a workflow reports; the value is the word on the wire."""

    ACCEPTED = "Accepted"
    READY = "Ready"
    STREAMING = "Streaming"
    DRAINING = "Draining"
    DONE = "Done"
    FAILED = "Failed"
    ABORTED = "Aborted"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in (StreamState.DONE, StreamState.FAILED, StreamState.ABORTED)


@dataclass(frozen=True, slots=True)
class Report:
    """How the workflow stands: its state, a line for people, four counts since the start of the session, and at the end its
    result as JSON text.
    """

    state: StreamState = StreamState.ACCEPTED
    message: str = ""
    received: int = 0
    processed: int = 0
    missed: int = 0
    errors: int = 0
    result: str = ""

    def fields(self) -> dict[str, object]:
        """As the fields of the Report structure."""
        return {
            "state": self.state.value,
            "message": self.message,
            "received": self.received,
            "processed": self.processed,
            "missed": self.missed,
            "errors": self.errors,
            "result": self.result,
        }


def one_line(text: str) -> str:
    """The text on one line, cut to what a message may hold."""
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_CHARACTERS else f"{line[: MESSAGE_CHARACTERS - 1]}…"


def result_text(result: Mapping[str, object]) -> str:
    """The result as JSON text; arrays and numbers of numpy become plain ones.

    Raises `TypeError` for what has no JSON form, `ValueError` for NaN and infinities, which JSON does not know, and for a
    result that is too long.
    """
    text = json.dumps(dict(result), default=_plain, allow_nan=False, ensure_ascii=False)
    size_bytes = len(text.encode())
    if size_bytes > RESULT_BYTES:
        raise ValueError(
            f"a result of {size_bytes} bytes is more than {RESULT_BYTES}: write it to a file and report its path"
        )
    return text


def _plain(value: object) -> object:
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} has no JSON form: put numbers, texts, lists and dicts")
