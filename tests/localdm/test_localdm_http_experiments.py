"""Experiments, users and stored files over HTTP, against a real localdm process (dm-protocol.md §3, §7.4)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localdm_process import DmSaidNoError, LocalDmProcess, VendorSession, encoded, encoded_json, running_localdm

SHORT_KEYS = {
    "id",
    "name",
    "description",
    "experimentTypeId",
    "experimentType",
    "experimentStationId",
    "experimentStation",
    "primaryStorageId",
    "primaryStorage",
    "createDate",
    "updateDate",
    "startDate",
    "endDate",
    "authGroupName",
}
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture(scope="module")
def ds(localdm: LocalDmProcess) -> VendorSession:
    return localdm.session("DS")


def new_name() -> str:
    return f"exp-{uuid.uuid4().hex[:10]}"


def add(ds: VendorSession, **document: object) -> Any:
    return ds.call("POST", "experiments", "addExperiment", query={"experiment": encoded_json(document)})


def get(ds: VendorSession, name: str) -> Any:
    return ds.call("GET", "experimentsByName", encoded(name), "DEMO")


def test_new_experiment_has_record_and_directories(ds: VendorSession, localdm: LocalDmProcess) -> None:
    name = new_name()
    stored = add(
        ds,
        name=name,
        typeName="TEST",
        description="a first\nsecond line ä",
        rootPath="2026-03",
        startDate="20-Jul-26",
        endDate="2026-07-21",
        users=["d64944", "d1"],
    )
    assert stored == get(ds, name) == ds.call("GET", "experimentsById", str(stored["id"]))
    storage = localdm.directory / "storage" / "DEMO" / "2026-03" / name
    assert stored["storageDirectory"] == str(storage)
    for key in ("data", "analysis", "system"):
        assert stored[f"{key}Directory"] == str(storage / key)
        assert (storage / key).is_dir()
    assert stored["startDate"].startswith("2026-07-20 00:00:00")
    assert all(DATE.fullmatch(stored[key]) for key in ("createDate", "updateDate", "startDate", "endDate"))
    assert stored["experimentUsernameList"] == ["d64944", "d1"]
    assert stored["experimentType"]["name"] == "TEST"
    assert stored["experimentType"]["id"] == stored["experimentTypeId"]
    assert stored["rootPath"] == "2026-03" and stored["stationName"] == "DEMO"


def test_list_is_short_and_oldest_first(ds: VendorSession) -> None:
    names = [new_name(), new_name()]
    for name in names:
        add(ds, name=name)
    listed = ds.call("GET", "experimentsByStation", "DEMO")
    assert [one["name"] for one in listed][-2:] == names
    assert all(set(one) - {"rootPath"} == SHORT_KEYS for one in listed)
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)


def test_only_this_station_exists(ds: VendorSession) -> None:
    with pytest.raises(DmSaidNoError, match="Station OTHER does not exist; this localdm is station DEMO"):
        ds.call("GET", "experimentsByStation", "OTHER")


def test_a_name_can_be_used_once(ds: VendorSession) -> None:
    name = new_name()
    add(ds, name=name)
    with pytest.raises(DmSaidNoError, match=f"Experiment {name} already exists") as error:
        add(ds, name=name)
    assert (error.value.code, error.value.kind) == (15, "ObjectAlreadyExists")


def test_unknown_experiments_do_not_exist(ds: VendorSession) -> None:
    for path in (("experimentsById", "999999"), ("experimentsById", "x"), ("experimentsById", "9" * 40)):
        with pytest.raises(DmSaidNoError, match="does not exist") as error:
            ds.call("GET", *path)
        assert error.value.code == 14


@pytest.mark.parametrize("bad", ["", "a/b", "..", ".hidden", "a\0b", "a\nb", " a", "x" * 256, 5, None])
def test_names_that_no_directory_can_have_are_refused(ds: VendorSession, bad: object) -> None:
    with pytest.raises(DmSaidNoError) as error:
        add(ds, name=bad)
    assert error.value.code == 10


@pytest.mark.parametrize(
    "bad",
    [
        {"rootPath": "../x"},
        {"rootPath": "a//b"},
        {"startDate": "soon"},
        {"users": 5},
        {"users": ["a b"]},
        {"typeName": "a/b"},
    ],
)
def test_bad_values_leave_nothing_behind(ds: VendorSession, localdm: LocalDmProcess, bad: dict[str, object]) -> None:
    name = new_name()
    with pytest.raises(DmSaidNoError) as error:
        add(ds, name=name, **bad)
    assert error.value.code == 10
    with pytest.raises(DmSaidNoError, match="does not exist"):
        get(ds, name)
    assert not list((localdm.directory / "storage").rglob(name))


def test_experiments_never_lie_within_one_another(ds: VendorSession) -> None:
    outer = new_name()
    add(ds, name=outer)
    with pytest.raises(DmSaidNoError, match=f"within or around that of experiment {outer}"):
        add(ds, name="data", rootPath=outer)


def test_update_changes_what_is_given_and_refuses_nothing_to_change(ds: VendorSession) -> None:
    old = add(ds, name=new_name())

    def update(**changes: object) -> Any:
        return ds.call("PUT", "experiments", "updateExperiment", query={"experiment": encoded_json(changes)})

    new = update(id=old["id"], description="new", typeName="OTHER", endDate="2030-01-01")
    assert (new["description"], new["experimentType"]["name"], new["endDate"][:10]) == ("new", "OTHER", "2030-01-01")
    assert new["updateDate"] > old["updateDate"] and new["createDate"] == old["createDate"]
    with pytest.raises(DmSaidNoError, match="Nothing is modified") as error:
        update(id=old["id"], description="new")
    assert error.value.code == 11
    with pytest.raises(DmSaidNoError, match="cannot rename"):
        update(id=old["id"], name="other")


def test_metadata_are_top_level_keys_but_no_own_ones(ds: VendorSession) -> None:
    name = new_name()
    add(ds, name=name)
    path = ("experimentsByName", encoded(name), "DEMO", "metadata")
    ds.call("PUT", *path, query={"key": encoded("emailedUsers"), "value": encoded("d1,d2")})
    ds.call("PUT", *path, query={"key": encoded("emailedUsers"), "value": encoded("d3")})
    assert get(ds, name)["emailedUsers"] == "d3"
    with pytest.raises(DmSaidNoError, match="one of the experiment's own keys"):
        ds.call("PUT", *path, query={"key": encoded("dataDirectory"), "value": encoded("/")})


def test_roles_and_users(ds: VendorSession) -> None:
    name = new_name()
    add(ds, name=name)
    role = ("experimentsByName", encoded(name), "DEMO", "userRoles", "d4711")
    query = {"roleName": encoded("User")}
    ds.call("POST", *role, query=query)
    assert get(ds, name)["experimentUsernameList"] == ["dmioc", "d4711"]
    user = ds.call("GET", "usersByUsername", "d4711")
    assert user["badge"] == "4711"
    assert {"id", "username", "badge", "email", "firstName", "lastName", "isLocalUser", "lastUpdate"} == set(user)
    assert user in ds.call("GET", "users")
    with pytest.raises(DmSaidNoError, match="ObjectAlreadyExists 15"):
        ds.call("POST", *role, query=query)
    ds.call("DELETE", *role, query=query)
    assert get(ds, name)["experimentUsernameList"] == ["dmioc"]
    for call in (("GET", "usersByUsername", "d999"), ("DELETE", *role)):
        with pytest.raises(DmSaidNoError, match="ObjectNotFound 14"):
            ds.call(*call, query=query)


def test_start_and_stop_set_the_dates(ds: VendorSession) -> None:
    name = new_name()
    old = add(ds, name=name, startDate="2020-01-01", endDate="2020-01-02")
    started = ds.call("PUT", "experimentsByName", encoded(name), "DEMO", "start")
    stopped = ds.call("PUT", "experimentsByName", encoded(name), "DEMO", "stop")
    assert started["startDate"] > old["endDate"] and stopped["endDate"] >= started["startDate"]


def test_delete_takes_the_storage_and_the_catalog_along(ds: VendorSession, localdm: LocalDmProcess) -> None:
    name = new_name()
    record = add(ds, name=name)
    (Path(record["dataDirectory"]) / "file").write_text("x")
    cat = localdm.session("CAT")
    metadata = encoded_json({"experimentName": name, "experimentFilePath": "file"})
    cat.call("POST", "experimentFiles", "addExperimentFile", query={"fileMetadata": metadata})
    done = ds.call("DELETE", "experimentsById", str(record["id"]))
    assert (done["status"], done["experimentName"]) == ("done", name)
    assert not Path(record["storageDirectory"]).exists()
    with pytest.raises(DmSaidNoError, match="does not exist"):
        get(ds, name)
    add(ds, name=name)
    assert cat.call("GET", "experimentFiles", encoded(name)) == []


def test_stored_files_can_be_looked_at_fetched_and_deleted(ds: VendorSession) -> None:
    name = new_name()
    record = add(ds, name=name)
    (Path(record["dataDirectory"]) / "sub").mkdir()
    (Path(record["dataDirectory"]) / "sub" / "a b.h5").write_bytes(b"\x00\xff" * 1000)
    (Path(record["analysisDirectory"]) / "fit.txt").write_text("fit")
    here = ("experimentsByName", encoded(name), "DEMO")
    stat = ds.call("GET", *here, "stat", encoded("sub/a b.h5"))
    assert (stat["fileSize"], stat["readyForProcessing"]) == (2000, True)
    assert ds.call("GET", *here, "stat", encoded("analysis/fit.txt"))["fileSize"] == 3
    form = f"experimentFilePath={encoded('sub/a b.h5')}".encode()
    assert ds.raw("POST", f"/dm/downloads/downloadFile/{name}", form).body == b"\x00\xff" * 1000
    ds.call("DELETE", *here, "files", encoded("sub/a b.h5"))
    with pytest.raises(DmSaidNoError, match=r"File sub/a b\.h5 does not exist"):
        ds.call("GET", *here, "stat", encoded("sub/a b.h5"))


@pytest.mark.parametrize("path", ["../../../../login", "/etc/passwd", "analysis/../../x", "x" * 5000, "a\0b", ""])
def test_no_path_leads_out_of_the_experiment(ds: VendorSession, path: str) -> None:
    form = f"experimentFilePath={encoded(path)}".encode()
    reply = ds.raw("POST", "/dm/downloads/downloadFile/demo", form)
    assert reply.content["errorCode"] == 10, reply.content
