"""What the copy process is asked for and answers, one JSON object a line each way.

Request: ``{"batch", "source", "target", "staging", "tree", "transfer", "checksum", "sync_names", "files"}``; a file is
``[path, size_bytes, modified_ns, known_md5]`` with the path relative to ``source``. Answer: ``{"batch", "results"}``
with ``[outcome, text]`` for each file in order; the text is the MD5 of a stored file and the reason of a failed one.
``{"batch"}`` alone says that a large batch is copied and has only to be made durable.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

STORED, SAME, CHANGED, VANISHED, FAILED = "stored", "same", "changed", "vanished", "failed"


@dataclass(slots=True)
class Batch:
    """One request, and what became of its files so far."""

    number: int
    source: str
    target: str
    staging: str
    tree: bool
    transfer: bool
    checksum: bool
    sync_names: bool
    files: list[tuple[str, int, int, str]]
    results: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    waiting: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """Copied and not yet in place: index in ``results``, temporary name, final name (empty: stays)."""

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(size_bytes for _, size_bytes, _, _ in self.files)

    def fail(self, index: int, temporary: str, problem: OSError) -> None:
        """The copy of one file is no good."""
        self.results[index] = (FAILED, reason(problem))
        remove(temporary)

    def fail_all(self, problem: OSError | None) -> None:
        """No copy that waits is good, if there is a problem."""
        if problem is not None:
            for index, temporary, _ in self.waiting:
                self.fail(index, temporary, problem)


def parse_batch(line: bytes) -> Batch:
    """The batch of a request line."""
    values: dict[str, Any] = json.loads(line)
    return Batch(
        number=values["batch"],
        source=values["source"],
        target=values["target"],
        staging=values["staging"],
        tree=values["tree"],
        transfer=values["transfer"],
        checksum=values["checksum"],
        sync_names=values["sync_names"],
        files=[(name, size, modified, known) for name, size, modified, known in values["files"]],
    )


def reason(problem: OSError) -> str:
    """What the system said, with the errno's name in words only."""
    return problem.strerror or str(problem)


def remove(path: str) -> None:
    """Remove a temporary file that may not be there."""
    try:
        os.unlink(path)
    except OSError:
        return


def write_all(target: int, content: memoryview) -> None:
    """Write all of it, also where the system takes it in parts."""
    while content:
        content = content[os.write(target, content) :]
