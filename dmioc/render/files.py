"""The files that are made from the catalogue and kept in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue import station_catalogue
from dmioc.render.database import database
from dmioc.render.reference import reference

if TYPE_CHECKING:
    from pathlib import Path

    from dmioc.catalogue import Catalogue


def generated_files(catalogue: Catalogue) -> dict[str, bytes]:
    """The content of each generated file by its path relative to the repository, in UTF-8 with Unix line ends."""
    texts = {
        "db/dmioc.db": database(catalogue),
        "db/README.md": reference(catalogue),
    }
    return {path: text.encode("utf-8") for path, text in texts.items()}


def write(root: Path) -> list[Path]:
    """Write the files that differ from what the catalogue of a default gateway gives; answers those that were changed.

    ``root`` is the repository; folders are made where they are missing. Raises `OSError` when a file cannot be read or
    written.
    """
    changed: list[Path] = []
    for name, content in generated_files(station_catalogue()).items():
        path = root / name
        if path.exists() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        changed.append(path)
    return changed
