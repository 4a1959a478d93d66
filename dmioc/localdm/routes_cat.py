"""Handlers of the catalog service CAT (``dm-protocol.md §7``)."""

from __future__ import annotations

from dmioc.localdm.calls import Call, Handlers, in_thread
from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.datasets import Datasets, needed_text
from dmioc.localdm.ports import Experiments

_LIST_LIMIT = 1000


class CatalogRoutes:
    """Files, datasets and runs."""

    def __init__(self, experiments: Experiments, files: FileCatalogStore, datasets: Datasets) -> None:
        self._experiments = experiments
        self._files = files
        self._datasets = datasets

    def handlers(self) -> Handlers:
        """The handlers by endpoint."""
        files, datasets, name = self._files, self._datasets, self._name
        return {
            "getExperimentFiles": in_thread(self._list),
            "getExperimentFile": in_thread(lambda call: files.file(name(call), call.needed("path"))),
            "getExperimentFileById": in_thread(lambda call: files.file_by_id(name(call), call.text("id"))),
            "addExperimentFile": in_thread(lambda call: files.put(self._document(call, "fileMetadata"))),
            "updateExperimentFile": in_thread(lambda call: files.update(self._document(call, "fileMetadata"))),
            "deleteExperimentFile": in_thread(lambda call: files.delete(name(call), call.needed("path"))),
            "getExperimentFileCollectionStats": in_thread(lambda call: files.stats(name(call))),
            "deleteExperimentFileCollection": in_thread(lambda call: files.delete_collection(call.needed("name"))),
            "renameExperimentFileCollection": in_thread(self._rename),
            "addExperimentDataset": in_thread(lambda call: datasets.add(self._document(call, "datasetInfo"))),
            "updateExperimentDataset": in_thread(lambda call: datasets.update(call.document("datasetInfo"))),
            "getExperimentDatasets": in_thread(lambda call: datasets.of_experiment(name(call))),
            "getExperimentDataset": in_thread(lambda call: datasets.by_name(name(call), call.needed("dataset"))),
            "getDatasetById": in_thread(lambda call: datasets.by_id(call.text("id"))),
            "addExperimentRun": in_thread(lambda call: datasets.add_run(self._document(call, "runInfo"))),
            "getExperimentRuns": in_thread(lambda call: datasets.runs(name(call))),
        }

    def _name(self, call: Call) -> str:
        """The experiment's name; raises `ObjectNotFound` when there is none of that name."""
        return self._experiments.places(call.needed("name")).experiment

    def _document(self, call: Call, key: str) -> dict[str, object]:
        """A document whose ``experimentName`` exists; raises `ObjectNotFound`, `InvalidArgument`."""
        document = call.document(key)
        self._experiments.places(needed_text(document, "experimentName"))
        return document

    def _list(self, call: Call) -> object:
        query = call.document("queryDict")
        return self._files.files(self._name(call), query, call.count("skip", 0), call.count("limit", _LIST_LIMIT))

    def _rename(self, call: Call) -> object:
        return self._files.rename_collection(call.needed("name"), call.needed("newName"))
