"""Files, datasets and runs of the catalog over HTTP, against a real localdm process (dm-protocol.md §7)."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localdm_process import DmSaidNoError, LocalDmProcess, VendorSession, encoded, encoded_json, running_localdm

from dmioc.localdm.catalog import FileCatalogStore
from dmioc.localdm.database import Database
from dmioc.localdm.ports import CatalogFile

OBJECT_ID = re.compile(r"[0-9a-f]{24}")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture(scope="module")
def cat(localdm: LocalDmProcess) -> VendorSession:
    return localdm.session("CAT")


@pytest.fixture
def experiment(localdm: LocalDmProcess) -> str:
    name = f"cat-{uuid.uuid4().hex[:10]}"
    query = {"experiment": encoded_json({"name": name})}
    localdm.session("DS").call("POST", "experiments", "addExperiment", query=query)
    return name


def put_file(cat: VendorSession, experiment: str, path: str, **keys: object) -> Any:
    document = {"experimentName": experiment, "experimentFilePath": path, **keys}
    form = {"fileMetadata": encoded_json(document)}
    return cat.call("POST", "experimentFiles", "addExperimentFile", form=form)


def test_file_record(cat: VendorSession, experiment: str) -> None:
    stored = put_file(cat, experiment, "Peters/C4 Zn.h5", fileSize=12, md5Sum="0" * 32, sample={"name": "ä"})
    assert OBJECT_ID.fullmatch(stored["id"])
    assert (stored["fileName"], stored["fileSize"], stored["md5Sum"]) == ("C4 Zn.h5", 12, "0" * 32)
    assert stored == cat.call("GET", "experimentFiles", encoded(experiment), encoded("Peters/C4 Zn.h5"))
    assert stored == cat.call("GET", "experimentFilesById", encoded(experiment), stored["id"])
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \S+", stored["fileModificationTimestamp"])
    changed = {"experimentName": experiment, "id": stored["id"], "sample": "other", "fileSize": 13}
    updated = cat.call("PUT", "experimentFiles", "updateExperimentFile", form={"fileMetadata": encoded_json(changed)})
    assert updated == {**stored, "sample": "other", "fileSize": 13}
    assert cat.call("DELETE", "experimentFiles", encoded(experiment), encoded("Peters/C4 Zn.h5"))["id"] == stored["id"]
    with pytest.raises(DmSaidNoError, match="ObjectNotFound 14"):
        cat.call("GET", "experimentFiles", encoded(experiment), encoded("Peters/C4 Zn.h5"))


def test_pages_and_queries(cat: VendorSession, experiment: str) -> None:
    for number in range(7):
        put_file(cat, experiment, f"scan{number}.{'h5' if number % 2 else 'tif'}", fileSize=number)

    def paths(**query: object) -> list[str]:
        return [
            one["experimentFilePath"] for one in cat.call("GET", "experimentFiles", encoded(experiment), query=query)
        ]

    assert len(paths()) == 7
    assert paths(skip=2, limit=2) == ["scan2.tif", "scan3.h5"]
    assert paths(queryDict=encoded_json({"fileSize": {"$gt": 1, "$lt": 4}})) == ["scan2.tif", "scan3.h5"]
    h5 = encoded_json({"fileName": {"$regex": "h5$"}})
    assert paths(queryDict=h5) == ["scan1.h5", "scan3.h5", "scan5.h5"]
    assert paths(queryDict=h5, skip=1, limit=1) == ["scan3.h5"]
    assert paths(queryDict=encoded_json({"fileName": "none"})) == []


def test_collection(cat: VendorSession, experiment: str) -> None:
    here = ("experimentFileCollections", encoded(experiment))
    with pytest.raises(DmSaidNoError, match=f"File collection of experiment {experiment} does not exist"):
        cat.call("GET", *here, "stats")
    put_file(cat, experiment, "a", fileSize=10)
    put_file(cat, experiment, "b", fileSize=30)
    stats = cat.call("GET", *here, "stats")
    assert (stats["countFiles"], stats["collectionSize"], stats["averageFileSize"]) == (2, 40, 20.0)
    cat.call("PUT", *here, query={"newName": encoded("demo")})
    assert cat.call("GET", "experimentFiles", encoded(experiment)) == []
    assert cat.call("DELETE", "experimentFileCollections", encoded("demo"))["countFiles"] == 2


def test_datasets_have_unique_names_and_keep_every_key(cat: VendorSession, experiment: str) -> None:
    document = {
        "experimentName": experiment,
        "datasetName": "run_uid8_12345678",
        "_id": "mine",
        "deep": {"a": [1, None]},
    }
    form = {"datasetInfo": encoded_json(document)}
    stored = cat.call("POST", "datasets", "addExperimentDataset", form=form)
    assert OBJECT_ID.fullmatch(stored["id"]) and stored == {**document, "id": stored["id"]}
    with pytest.raises(DmSaidNoError, match="Dataset run_uid8_12345678 already exists") as error:
        cat.call("POST", "datasets", "addExperimentDataset", form=form)
    assert error.value.code == 15
    assert cat.call("GET", "datasetsByExperiment", encoded(experiment)) == [stored]
    assert cat.call("GET", "datasetsByExperiment", encoded(experiment), encoded("run_uid8_12345678")) == stored
    assert cat.call("GET", "datasetsById", stored["id"]) == stored
    changed = {"datasetInfo": encoded_json({"id": stored["id"], "deep": 5})}
    assert cat.call("PUT", "datasets", "updateExperimentDataset", form=changed) == {**stored, "deep": 5}
    for bad in ({"datasetName": "x"}, {"experimentName": experiment}, {"experimentName": 5, "datasetName": "x"}):
        with pytest.raises(DmSaidNoError, match="InvalidArgument 10"):
            cat.call("POST", "datasets", "addExperimentDataset", form={"datasetInfo": encoded_json(bad)})


def test_datasets_need_an_experiment(cat: VendorSession) -> None:
    form = {"datasetInfo": encoded_json({"experimentName": "none", "datasetName": "x"})}
    with pytest.raises(DmSaidNoError, match="Experiment none does not exist"):
        cat.call("POST", "datasets", "addExperimentDataset", form=form)


def test_runs(cat: VendorSession, experiment: str) -> None:
    run = {"experimentName": experiment, "runId": "1", "metadata": {"a": 1}}
    stored = [cat.call("POST", "runs", "addExperimentRun", form={"runInfo": encoded_json(run)}) for _ in range(2)]
    assert stored[0]["id"] != stored[1]["id"]
    assert cat.call("GET", "runsByExperiment", encoded(experiment)) == stored


def test_adding_a_file_again_keeps_its_id_and_changes_the_rest(tmp_path: Path) -> None:
    catalog = FileCatalogStore(Database(tmp_path / "db"))
    catalog.add_files("e", [CatalogFile("a", 1, "m1", 1.0, 2.0), CatalogFile("b", 1, "m", 1.0, 2.0)])
    first = catalog.file("e", "a")
    catalog.add_files("e", [CatalogFile("a", 2, "m2", 3.0, 4.0)])
    assert catalog.file("e", "a")["id"] == first["id"]
    assert catalog.files_by_path("e", ["a", "c"]) == {"a": CatalogFile("a", 2, "m2", 3.0, 4.0)}
    assert catalog.files_by_path("other", ["a"]) == {}


def test_large_catalog_is_quick(tmp_path: Path) -> None:
    catalog = FileCatalogStore(Database(tmp_path / "db"))
    files = [CatalogFile(f"scan/{number:06}.tif", number, "0" * 32, 1.0, 2.0) for number in range(20_000)]
    catalog.add_files("e", files)
    began = time.monotonic()
    assert catalog.file("e", "scan/019999.tif")["fileSize"] == 19_999
    assert len(catalog.files("e", {}, 10_000, 100)) == 100
    assert len(catalog.files_by_path("e", [file.path for file in files])) == 20_000
    assert [one["fileSize"] for one in catalog.files("e", {"fileSize": {"$gt": 19_997}}, 0, 10)] == [19_998, 19_999]
    assert time.monotonic() - began < 3.0  # measured 0.3 s; a missing index costs minutes
