"""A process that searches texts for patterns, so that a pattern that never ends hangs nobody else.

Run by its path, with nothing of dmioc imported. Each request and each answer is one line of JSON:
``{"patterns": [...], "text": "...", "limit_s": 2.0}`` gives ``{"variables": {...}}`` or
``{"pattern": "...", "error": "..."}``. A search that needs longer than ``limit_s`` ends the process by SIGALRM, also
when nobody is left to end it.
"""

from __future__ import annotations

import json
import re
import signal
import sys


def _answer(patterns: list[str], text: str) -> dict[str, object]:
    variables: dict[str, str] = {}
    for pattern in patterns:
        try:
            found = re.search(pattern, text)
        except (re.error, RecursionError, OverflowError) as error:
            return {"pattern": pattern, "error": str(error)}
        if found is not None:
            variables.update({name: value for name, value in found.groupdict().items() if value is not None})
    return {"variables": variables}


def serve() -> None:
    """Answer requests until the other side closes."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["limit_s"])
        answer = _answer(request["patterns"], request["text"])
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
