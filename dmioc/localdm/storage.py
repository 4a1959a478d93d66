"""Files in the storage of experiments, by their catalog path (``dm-protocol.md §7.4``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dmioc.localdm.answers import InvalidArgument, ObjectNotFound
from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.ports import Experiments, Places
from dmioc.localdm.wire import shortened

_ANALYSIS = "analysis/"
_MOST_FOUND = 100_000


class StoredFiles:
    """Looks up, hands out and deletes stored files; every call blocks and is safe in any thread."""

    def __init__(self, experiments: Experiments, catalog: FileCatalogStore) -> None:
        self._experiments = experiments
        self._catalog = catalog

    def path(self, experiment: str, path: str) -> Path:
        """Where the file of a catalog path lies; raises `ObjectNotFound`, `InvalidArgument` if it leads out."""
        places = self._experiments.places(experiment)
        for root, relative in _candidates(places, path):
            try:
                found, is_file = (root / relative).resolve(), (root / relative).is_file()
            except OSError as error:  # too long a name, or a loop of links
                raise InvalidArgument(f"path {shortened(path)} cannot be a file: {error.strerror}") from None
            if not found.is_relative_to(root.resolve()):
                raise InvalidArgument(f"path {shortened(path)} leads out of experiment {experiment}")
            if is_file:
                return found
        raise ObjectNotFound(f"File {path} does not exist in experiment {experiment}.")

    def find(self, experiment: str, query: Mapping[str, object]) -> list[str]:
        """Absolute paths of the files whose catalog entries fit a query (`dmioc.localdm.query`); raises `ObjectNotFound`."""
        places = self._experiments.places(experiment)
        entries = self._catalog.files(experiment, query, 0, _MOST_FOUND)
        return [str(_place(places, str(entry["experimentFilePath"]))) for entry in entries]

    def stat(self, experiment: str, path: str) -> dict[str, object]:
        """Size in bytes, MD5 (of the catalog, empty when it has none) and readiness of a file; raises `ObjectNotFound`.

        ``readyForProcessing`` is always true: a file appears in storage only when it is whole.
        """
        size_bytes = self.path(experiment, path).stat().st_size
        entry = self._catalog.files_by_path(experiment, [path]).get(path)
        return {
            "experimentFilePath": path,
            "experimentName": experiment,
            "fileSize": size_bytes,
            "md5Sum": entry.md5 if entry and entry.size_bytes == size_bytes else "",
            "readyForProcessing": True,
        }

    def delete(self, experiment: str, path: str) -> dict[str, object]:
        """Delete a file and its catalog entry, and answer what it was; raises `ObjectNotFound`."""
        record = self.stat(experiment, path)
        self.path(experiment, path).unlink()
        if self._catalog.files_by_path(experiment, [path]):
            self._catalog.delete(experiment, path)
        return record


def _place(places: Places, path: str) -> Path:
    """Where the file with a catalog path is stored."""
    if path.startswith(_ANALYSIS):
        return places.analysis_directory / path.removeprefix(_ANALYSIS)
    return places.data_directory / path


def _candidates(places: Places, path: str) -> list[tuple[Path, str]]:
    if not path or "\0" in path:
        raise InvalidArgument(f"a file's path must not be empty nor hold a NUL, not {shortened(path)}")
    candidates = [(places.data_directory, path)]
    if path.startswith(_ANALYSIS):
        candidates.append((places.analysis_directory, path.removeprefix(_ANALYSIS)))
    return candidates
