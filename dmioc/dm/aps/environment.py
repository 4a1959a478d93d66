"""The environment that ``aps-dm-api`` reads (``dm-protocol.md §1.3``)."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager


@contextmanager
def lent(variables: Mapping[str, str]) -> Generator[None]:
    """Put variables into the environment of the process for a while; empty ones are left out.

    The package reads its variables once, when it is imported and first used. To be used before other threads run: a library in C
    may read the environment at any time, and must not meet a change of it.
    """
    given = {name: value for name, value in variables.items() if value}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
