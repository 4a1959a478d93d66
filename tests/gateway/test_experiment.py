"""The experiment in use, its creation, and run metadata, checked against what the local DM itself answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from gateway_dm import STATION, GatewayDm
from gateway_monitor import watched
from gateway_process import CaClient, GatewayProcess, timed
from localdm_process import encoded
from waiting import wait_until

TEXTS = (
    "Type",
    "StorageName",
    "StorageHost",
    "Description",
    "StartDate",
    "EndDate",
    "Created",
    "RootPath",
    "StorageDirectory",
    "DataDirectory",
    "AnalysisDirectory",
    "StorageURL",
    "Users",
)
NUMBERS = ("ID", "UserCount", "FileCount")


@pytest.fixture
def dm(gateway: GatewayProcess) -> GatewayDm:
    return GatewayDm(gateway)


@pytest.fixture(autouse=True)
def demo_again(ca: CaClient) -> Iterator[None]:
    yield
    ca.put("EXP:Name", "demo")


def utf8(text: str) -> list[int]:
    """A text as pyepics puts it unspoiled: it replaces what is not ASCII in a str."""
    return [*text.encode(), 0]


def text_of(ca: CaClient, name: str) -> str:
    """A text read as UTF-8; pyepics' own as_string reads Latin-1 and strips blanks."""
    data = bytes(bytearray(int(value) for value in ca.pv(name).get(use_monitor=False, timeout=30, as_numpy=False)))
    return data.split(b"\0", 1)[0].decode()


def same_moment(text: str, other: str) -> bool:
    return datetime.fromisoformat(text).replace(microsecond=0) == datetime.fromisoformat(other).replace(microsecond=0)


def test_every_detail_is_what_dm_says(ca: CaClient, dm: GatewayDm) -> None:
    name = f"details-{secrets.token_hex(3)}"
    dm.session("DS").call(
        "POST",
        "experiments",
        "addExperiment",
        query={
            "experiment": encoded(
                json.dumps(
                    {
                        "name": name,
                        "typeName": "TEST",
                        "description": "Größe of the λ/2 plate",
                        "rootPath": "2026-3/group",
                        "startDate": "20-Jul-26",
                        "endDate": "25-Jul-26",
                        "users": ["d1234", "dmioc", "d99"],
                    }
                )
            )
        },
    )
    ca.put("EXP:Name", name)
    assert ca.get("EXP:State") == "Loaded"
    record = dm.experiment(name)
    assert ca.get("EXP:ID") == record["id"]
    assert ca.get("EXP:Type") == record["experimentType"]["name"] == "TEST"
    assert ca.get("EXP:StorageName") == record["primaryStorage"]["name"]
    same = {
        "StorageHost": "storageHost",
        "Description": "description",
        "RootPath": "rootPath",
        "StorageDirectory": "storageDirectory",
        "DataDirectory": "dataDirectory",
        "AnalysisDirectory": "analysisDirectory",
        "StorageURL": "storageUrl",
    }
    strings = ("StorageHost",)
    seen = {pv: ca.get(f"EXP:{pv}") if pv in strings else text_of(ca, f"EXP:{pv}") for pv in same}
    assert seen == {pv: record[key] for pv, key in same.items()}
    for pv, key in (("StartDate", "startDate"), ("EndDate", "endDate"), ("Created", "createDate")):
        assert same_moment(ca.get(f"EXP:{pv}"), record[key]), (ca.get(f"EXP:{pv}"), record[key])
    assert sorted(ca.get("EXP:Users").split("\n")) == sorted(record["experimentUsernameList"])
    assert ca.get("EXP:UserCount") == 3
    assert ca.get("EXP:FileCount") == 0
    assert Path(ca.get("EXP:DataDirectory")).is_dir()


def test_file_count_is_right_when_the_put_of_the_name_completes(ca: CaClient, data: Path) -> None:
    for index in range(7):
        (data / f"{index}").write_bytes(b"x")
    ca.puts("UPL1:", SourcePath=str(data), DestDirectory=secrets.token_hex(4))
    before = ca.get("EXP:FileCount")
    assert ca.command("UPL1:Run")[0] == "OK"
    assert ca.command("Refresh")[0] == "OK"
    assert ca.get("EXP:FileCount") == before + 7
    for _ in range(3):
        ca.put("EXP:Name", "")
        assert ca.get("EXP:FileCount") == 0
        ca.put("EXP:Name", "demo")
        assert (ca.get("EXP:State"), ca.get("EXP:FileCount")) == ("Loaded", before + 7)


def test_unknown_and_empty_names_leave_nothing_of_the_last_one(ca: CaClient) -> None:
    for name, state, severity in (("no such experiment", "NotFound", 1), ("", "Unset", 0), ("   ", "Unset", 0)):
        ca.put("EXP:Name", "demo")
        assert (ca.get("EXP:State"), ca.severity("EXP:State")) == ("Loaded", 0)
        ca.put("EXP:Name", name)
        assert (ca.get("EXP:State"), ca.severity("EXP:State")) == (state, severity)
        assert text_of(ca, "EXP:Name") == name
        assert {pv: ca.get(f"EXP:{pv}") for pv in TEXTS} == dict.fromkeys(TEXTS, "")
        assert {pv: ca.get(f"EXP:{pv}") for pv in NUMBERS} == dict.fromkeys(NUMBERS, 0)
        assert ca.get("DS:State") == "Connected"


@pytest.mark.parametrize(
    "name",
    [
        "Ångström λ 中文 🙂",
        "x" * 256,
        "é" * 128,
        "a/b",
        "../../etc/passwd",
        "%2e%2e?query=1&x#y",
        "quote ' and \" and \\",
        "line\nbreak\ttab",
        "\x01control",
        "b'YWJj'",
    ],
)
def test_any_text_is_kept_and_is_no_trouble_for_dm(ca: CaClient, name: str) -> None:
    ca.put("EXP:Name", utf8(name)[:256])
    assert text_of(ca, "EXP:Name") == name
    assert ca.get("EXP:State") == "NotFound"
    assert (ca.get("DS:State"), ca.get("State"), ca.severity("EXP:ID")) == ("Connected", "Connected", 0)


def test_latin_1_name_is_read(ca: CaClient) -> None:
    ca.put("EXP:Name", list("h\xe9llo".encode("latin-1")))
    assert text_of(ca, "EXP:Name") == "héllo"


def test_too_long_a_name_is_refused(ca: CaClient) -> None:
    from caproto import CAStatus, ChannelType
    from caproto.sync.client import write

    # libca and pyepics cut by themselves what is longer than the channel; other clients do not.
    for long in (b"x" * 257, "é".encode() * 129):
        answer = write(
            f"{ca.prefix}EXP:Name", long, notify=True, data_type=ChannelType.CHAR, timeout=30, repeater=False
        )
        assert answer is not None and answer.status == CAStatus.ECA_PUTFAIL.value
        assert "EXP:Name holds at most 256 bytes" in ca.get("Message")
    assert ca.get("EXP:Name") == "demo"


def test_name_completes_when_dm_has_answered(ca: CaClient) -> None:
    with watched(f"{ca.prefix}EXP:State") as states:
        ca.put("EXP:Name", "")
        ca.put("EXP:Name", "demo")
        wait_until(lambda: states[-1].value == 1, what="the monitor sees Loaded")
        assert [event.value for event in states][-3:] == [0, 3, 1], "Unset, Unverified, Loaded"


def test_a_name_that_comes_into_being_is_found_by_itself(ca: CaClient, dm: GatewayDm) -> None:
    name = f"later-{secrets.token_hex(3)}"
    ca.put("EXP:Name", name)
    assert ca.get("EXP:State") == "NotFound"
    document = {"name": name, "description": "made by somebody else"}
    dm.session("DS").call("POST", "experiments", "addExperiment", query={"experiment": encoded(json.dumps(document))})
    ca.wait_for("EXP:State", "Loaded")
    assert ca.get("EXP:Description") == "made by somebody else"


def test_index_selects_a_row_newest_first(ca: CaClient, dm: GatewayDm) -> None:
    names = [f"row-{number}-{secrets.token_hex(3)}" for number in range(3)]
    for name in names:
        dm.session("DS").call(
            "POST", "experiments", "addExperiment", query={"experiment": encoded(json.dumps({"name": name}))}
        )
    assert ca.command("Refresh")[0] == "OK"
    for index, name in enumerate(reversed(names)):
        ca.put("EXP:Index", index)
        assert (ca.get("EXP:Name"), ca.get("EXP:State"), ca.get("EXP:Index")) == (name, "Loaded", index)
    for wrong in (len(dm.experiments()), -1, 1_000_000):
        ca.put("EXP:Index", wrong)
        assert (ca.get("EXP:Index"), ca.get("EXP:Name")) == (2, names[0])
        assert "EXP:Index" in ca.get("Message")


def create(ca: CaClient, **new: Any) -> tuple[str, str]:
    setpoints = {"Name": "", "Type": "", "Description": "", "StartDate": "", "EndDate": ""} | new
    ca.puts("EXP:New:", **setpoints)
    ca.put("EXP:New:Create", 1)
    return ca.get("EXP:CmdStatus"), ca.get("EXP:CmdMessage")


def test_create_selects_the_new_experiment(ca: CaClient, dm: GatewayDm) -> None:
    name = f"new-{secrets.token_hex(3)}"
    new = {"Type": "TEST", "StartDate": "2026-12-01", "EndDate": "2026-12-05"}
    state, message = create(ca, Name=name, Description=utf8("Größe"), **new)
    assert state == "OK" and name in message, message
    assert (ca.get("EXP:Name"), ca.get("EXP:State"), ca.get("EXP:Type")) == (name, "Loaded", "TEST")
    assert text_of(ca, "EXP:Description") == "Größe"
    record = dm.experiment(name)
    assert record["startDate"].startswith("2026-12-01") and record["endDate"].startswith("2026-12-05")
    assert ca.get("EXP:StartDate").startswith("2026-12-01") and ca.get("EXP:EndDate").startswith("2026-12-05")
    ca.put("EXP:Index", 0)
    assert ca.get("EXP:Name") == name, "the list is new as well"


def test_create_with_defaults(ca: CaClient) -> None:
    name = f"plain-{secrets.token_hex(3)}"
    assert create(ca, Name=name)[0] == "OK"
    assert ca.get("EXP:Type") == STATION
    assert ca.get("EXP:StartDate") < ca.get("EXP:EndDate")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"Name": ""}, ["EXP:New:Name", "empty"]),
        ({"Name": "demo"}, ["demo", "exists"]),
        ({"Name": "x", "StartDate": "tomorrow"}, ["EXP:New:StartDate", "tomorrow", "2026-"]),
        ({"Name": "x", "EndDate": "2026-13-01"}, ["EXP:New:EndDate", "2026-13-01"]),
        ({"Name": "x", "StartDate": "2026-12-05", "EndDate": "2026-12-01"}, ["EXP:New:EndDate", "before"]),
        ({"Name": "a/b"}, ["a/b"]),
        ({"Name": ".hidden"}, [".hidden"]),
        ({"Name": "x", "StartDate": "1999-01-01"}, ["1999-01-01"]),
    ],
)
def test_create_refuses(ca: CaClient, dm: GatewayDm, new: dict[str, str], words: list[str]) -> None:
    count = len(dm.experiments())
    before = ca.get("EXP:Name")
    state, message = create(ca, **new)
    assert state == "Refused" and all(word in message for word in words), message
    assert (ca.get("EXP:Name"), len(dm.experiments())) == (before, count)


def send(ca: CaClient, **setpoints: Any) -> tuple[str, str]:
    idle = {"Experiment": "", "RunUID": "", "Dataset": "", "Workflow": "", "JSON": ""}
    ca.puts("MD:", **(idle | setpoints))
    return ca.command("MD:Send")


def test_metadata_with_the_default_name(ca: CaClient, dm: GatewayDm) -> None:
    uid = secrets.token_hex(16)
    text = json.dumps({"plan": "scan", "motors": ["x", "y"], "n": 3, "nested": {"a": None}})
    state, message = send(ca, RunUID=uid, Workflow="example-01", JSON=text)
    assert state == "OK" and f"run_uid8_{uid[:8]}" in message, message
    assert (ca.get("MD:Status"), ca.severity("MD:Status"), ca.get("MD:Bytes")) == ("Done", 0, len(text))
    stored = dm.dataset("demo", f"run_uid8_{uid[:8]}")
    assert ca.get("MD:ID") == stored["id"]
    assert stored["bluesky_metadata"] == json.loads(text)
    assert (stored["bluesky_run_uid"], stored["workflow_name"]) == (uid, "example-01")
    state, message = send(ca, RunUID=uid, JSON='{"a": 2}')
    assert state == "Refused" and "exists" in message, message
    assert ca.severity("MD:Status") == 2 and ca.get("MD:Status") == "Failed"
    assert dm.dataset("demo", f"run_uid8_{uid[:8]}") == stored


def test_metadata_with_a_given_name_and_experiment(ca: CaClient, dm: GatewayDm) -> None:
    name, other = f"set é-{secrets.token_hex(3)}", f"other-{secrets.token_hex(3)}"
    assert create(ca, Name=other)[0] == "OK"
    ca.put("EXP:Name", "demo")
    content = {"text": "λ 中 🙂"}
    state, message = send(ca, Dataset=utf8(name), Experiment=other, JSON=utf8(json.dumps(content, ensure_ascii=False)))
    assert state == "OK", message
    assert dm.dataset(other, name)["bluesky_metadata"] == content
    assert ca.get("MD:Bytes") == len(json.dumps(content, ensure_ascii=False).encode())


def test_200_kb_of_metadata(ca: CaClient, dm: GatewayDm) -> None:
    content = {f"key {number}": ["value", number, 0.5] for number in range(6500)}
    text = json.dumps(content)
    assert len(text) > 200_000
    uid = secrets.token_hex(16)
    seconds = timed(lambda: ca.put("MD:JSON", list(text.encode())))
    assert seconds < 5.0
    assert text_of(ca, "MD:JSON") == text
    ca.puts("MD:", RunUID=uid, Dataset="", Experiment="")
    assert ca.command("MD:Send")[0] == "OK", ca.outcome("MD:")
    assert ca.get("MD:Bytes") == len(text)
    assert dm.dataset("demo", f"run_uid8_{uid[:8]}")["bluesky_metadata"] == content


def test_empty_object_is_an_object(ca: CaClient) -> None:
    assert send(ca, RunUID=secrets.token_hex(16), JSON="{}")[0] == "OK", ca.outcome("MD:")


@pytest.mark.parametrize(
    ("setpoints", "words"),
    [
        ({"JSON": ""}, ["MD:JSON", "empty"]),
        ({"JSON": "{"}, ["MD:JSON", "JSON"]),
        ({"JSON": "[1, 2]"}, ["MD:JSON", "object"]),
        ({"JSON": "1"}, ["object"]),
        ({"JSON": "null"}, ["object"]),
        ({"JSON": '"text"'}, ["object"]),
        ({"JSON": '{"a": NaN}'}, ["JSON"]),
        ({"JSON": '{"a": Infinity}'}, ["JSON"]),
        ({"JSON": '{"a": 1} {"b": 2}'}, ["JSON"]),
        ({"JSON": '{"a": 1}', "RunUID": ""}, ["RunUID", "Dataset"]),
        ({"JSON": '{"a": 1}', "Experiment": "no such one"}, ["no such one"]),
        ({"JSON": "[" * 5000}, ["JSON"]),
        ({"JSON": '{"a":' * 5000 + "1" + "}" * 5000}, ["JSON"]),
        ({"JSON": '{"n": ' + "9" * 5000 + "}"}, ["JSON"]),
    ],
)
def test_metadata_that_is_refused(ca: CaClient, setpoints: dict[str, str], words: list[str]) -> None:
    state, message = send(ca, **({"RunUID": secrets.token_hex(16)} | setpoints))
    assert state == "Refused" and all(word in message for word in words), message
    assert len(message) < 400
    assert "bug in the gateway" not in message


def test_surrogates_in_metadata_end_nothing(gateway: GatewayProcess, ca: CaClient) -> None:
    state, message = send(ca, RunUID=secrets.token_hex(16), JSON='{"a": "\\ud800", "b\\udfff": 1}')
    assert state in ("OK", "Refused") and "bug" not in message, message
    assert gateway.process.poll() is None
