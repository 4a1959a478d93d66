"""Which files of a tree a transfer takes (``dm-protocol.md §4.3``)."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass


def split_csv(text: str) -> tuple[str, ...]:
    """The non-empty parts of a comma-separated text, without blanks around them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def compile_patterns(text: str) -> re.Pattern[str] | None:
    """Comma-separated shell patterns as one expression, None for an empty text; ``*`` also matches ``/``."""
    patterns = split_csv(text)
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns))


def extension_endings(text: str) -> tuple[str, ...]:
    """Comma-separated extensions (``h5, .TIF``) as endings of a name in small letters (``.h5``, ``.tif``)."""
    return tuple(f".{part.lstrip('.').lower()}" for part in split_csv(text))


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Filters on the path relative to the data directory; extensions are compared without regard to case (assumed)."""

    only: re.Pattern[str] | None = None
    skip: re.Pattern[str] | None = None
    include_endings: tuple[str, ...] = ()
    exclude_endings: tuple[str, ...] = ()
    hidden: bool = False

    def enters(self, name: str) -> bool:
        """Whether a directory of that name is looked into."""
        return self.hidden or not name.startswith(".")

    def takes(self, path: str) -> bool:
        """Whether the filters let a file pass."""
        if not self.hidden and (path.startswith(".") or "/." in path):
            return False
        if self.only is not None and not self.only.match(path):
            return False
        if self.skip is not None and self.skip.match(path):
            return False
        name = path.lower()
        if self.include_endings and not name.endswith(self.include_endings):
            return False
        return not (self.exclude_endings and name.endswith(self.exclude_endings))
