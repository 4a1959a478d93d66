"""The process that watches a tree: writes what the system says of it to its standard output, ends with its input.

A process of its own, because setting up a watch walks the whole tree inside watchfiles with the interpreter locked: in
the service's process the event loop would stand still meanwhile. Started by `watch` as a script, with the tree's root
as its argument. One JSON array a line: ``[[path, change], ...]``, change as `watchfiles.Change`; an empty one comes
first, when the whole tree is watched.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

from watchfiles import watch

STEP_MS = 40
DEBOUNCE_MS = 200
LINE_CHANGES = 500


def end_with_input() -> None:
    """End this process when its input closes: the parent is gone, or wants no more."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def write(changes: list[tuple[str, int]]) -> None:
    """Write changes, also none, in lines of a length that is quickly read."""
    for begin in range(0, len(changes) or 1, LINE_CHANGES):
        sys.stdout.write(json.dumps(changes[begin : begin + LINE_CHANGES]) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Watch until the input closes; a problem goes to the standard error in one line."""
    logging.disable()
    threading.Thread(target=end_with_input, name="end-with-input", daemon=True).start()
    # With this time-out the first step of the generator ends soon: by then the whole tree is watched.
    changes = watch(
        sys.argv[1],
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=STEP_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    began = False
    try:
        for group in changes:
            if group or not began:
                write(sorted((path, int(change)) for change, path in group))
                began = True
    except (OSError, RuntimeError) as problem:  # RuntimeError: WatchfilesRustInternalError is one
        sys.exit(" ".join(str(problem).split()))


if __name__ == "__main__":
    main()
