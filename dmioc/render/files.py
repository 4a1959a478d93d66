"""The files that are made from the catalogue and kept in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue import station_catalogue
from dmioc.render.alarms import alarm_tree
from dmioc.render.archiving import archive_names, archive_request
from dmioc.render.autosave import autosave_requests
from dmioc.render.database import database
from dmioc.render.panels.files import panel_files
from dmioc.render.reference import reference
from dmioc.render.saveset import saveset
from dmioc.render.site import Site
from dmioc.render.templates import substitutions, templates

if TYPE_CHECKING:
    from pathlib import Path

    from dmioc.catalogue import Catalogue


def generated_files(catalogue: Catalogue, site: Site | None = None) -> dict[str, bytes]:
    """The content of each generated file by its path relative to the repository, in UTF-8 with Unix line ends.

    ``site`` (default: that of the repository) gives the prefix to files whose readers know no macros.
    """
    site = site or Site()
    texts = {
        "db/dmioc.db": database(catalogue),
        "db/dmioc.substitutions": substitutions(catalogue),
        **{f"db/{name}": text for name, text in templates(catalogue).items()},
        **{f"db/{name}": text for name, text in autosave_requests(catalogue).items()},
        "db/dmioc_archive.txt": archive_names(catalogue, site),
        "db/dmioc_archive.json": archive_request(catalogue, site),
        "db/dmioc_alarms.xml": alarm_tree(catalogue, site),
        "db/dmioc_saveset.csv": saveset(catalogue, site),
        "db/README.md": reference(catalogue, site),
        **panel_files(catalogue),
    }
    return {path: text.encode("utf-8") for path, text in texts.items()}


def write(root: Path, catalogue: Catalogue | None = None, site: Site | None = None) -> list[Path]:
    """Write the files that differ from what the catalogue gives; answers those that were changed.

    Args:
        root: the repository, or a site's own directory; folders are made where they are missing.
        catalogue: default: that of a gateway without settings.
        site: default: that of the repository.

    Raises `OSError` when a file cannot be read or written.
    """
    changed: list[Path] = []
    for name, content in generated_files(catalogue or station_catalogue(), site).items():
        path = root / name
        if path.exists() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        changed.append(path)
    return changed
