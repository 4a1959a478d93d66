"""The file of faults of a localdm that runs, written and switched by tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import wait_until

Table = Mapping[str, object]


def toml_value(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def toml(*faults: Table) -> str:
    """A file of faults."""
    return "\n".join(
        "\n".join(["[[fault]]", *(f"{key} = {toml_value(value)}" for key, value in fault.items())]) for fault in faults
    )


class FaultFile:
    """The faults of one localdm; ``directory`` is where it notes what is in force."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self._directory = directory
        self._number = 0
        path.write_text("", "utf-8")

    def note(self) -> dict[str, Any]:
        """What localdm says is in force."""
        return json.loads((self._directory / "localdm.faults.json").read_text("utf-8"))

    def write(self, text: str) -> None:
        """Put another text in place, whole, and return when localdm has looked at it."""
        self._number += 1
        new = self.path.with_name(f"{self.path.name}.{self._number}")
        new.write_text(text, "utf-8")
        found = new.stat()
        stamp = [found.st_ino, found.st_size, found.st_mtime_ns]
        new.replace(self.path)
        wait_until(lambda: self.note()["stamp"] == stamp, what="localdm has looked at the file of faults")

    def put(self, *faults: Table) -> None:
        """Have these faults in force, and no others."""
        self.write(toml(*faults))
        assert self.note()["error"] == ""

    @contextmanager
    def on(self, *faults: Table) -> Iterator[None]:
        """Have faults in force for a while."""
        self.put(*faults)
        try:
            yield
        finally:
            self.put()

    def hits(self, number: int = 0) -> int:
        """How often a fault in force was met; may lag a little."""
        return int(self.note()["in_force"][number]["hits"])
