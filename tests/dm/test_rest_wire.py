"""What goes over the wire: the encoding of the recordings, paths, queries, forms, and a site's corrections."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_stub import Seen, client_for, json_reply, serving, settings_for

from dmioc.dm.calls.storage import dm_date
from dmioc.dm.rest import RestDm, endpoint_table
from dmioc.dm.rest.encoding import encode, in_query
from dmioc.errors import ConfigurationError, DmRefusedError
from dmioc.model import NewExperiment, Service, Transfer, TransferKind

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def plain(encoded: str) -> str:
    """A value as a server reads it (dm-protocol.md §2.1), written here once more on purpose."""
    assert encoded.startswith("b'") and encoded.endswith("'")
    return base64.decodebytes(base64.b64decode(encoded[2:-1], validate=True)).decode()


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        ("{}", "b'ZTMwPQo='"),
        ('"DEFAULT"', "b'SWtSRlJrRlZURlFpCg=='"),
        ('"ALL"', "b'SWtGTVRDST0K'"),
        ("example-01", "b'WlhoaGJYQnNaUzB3TVE9PQo='"),
        ("tomo-2026-1", "b'ZEc5dGJ5MHlNREkyTFRFPQo='"),
        ('{"run_uid": "12345"}', "b'ZXlKeWRXNWZkV2xrSWpvZ0lqRXlNelExSW4wPQo='"),
        ("25IDC", "b'TWpWSlJFTT0K'"),
        ("", "b''"),
    ],
)
def test_the_recorded_encodings(text: str, recorded: str) -> None:
    assert encode(text) == recorded


@given(ANY_TEXT)
def test_any_text_comes_back_and_needs_no_escapes_in_a_path(text: str) -> None:
    assert plain(encode(text)) == text
    assert not set(encode(text)) & set("/+%?#& ")
    assert unquote(in_query(encode(text))) == encode(text)


def test_long_texts_have_the_newlines_of_encodebytes() -> None:
    text = "x" * 500
    assert base64.b64decode(encode(text)[2:-1]) == base64.encodebytes(text.encode())


def sent(use: Callable[[RestDm], Awaitable[object]], folder: Path, answer: object, **changes: object) -> Seen:
    """The one request of a call."""

    async def main(url: str) -> None:
        dm = client_for(url, folder, **changes)
        try:
            await use(dm)
        finally:
            await dm.close()

    with serving(lambda _: json_reply(answer)) as stub:
        asyncio.run(main(stub.url))
    (seen,) = stub.seen
    return seen


def query_of(seen: Seen) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(seen.target).query).items()}


def test_the_recorded_start_of_a_daq(tmp_path: Path) -> None:
    seen = sent(lambda dm: dm.start_daq("tomo-2026-1", "@host:/a b/ü", {"maxRunTimeInHours": 3}), tmp_path, {"id": "x"})
    path = urlsplit(seen.target).path
    assert seen.verb == "POST"
    assert path.startswith("/dm/experimentsByName/b'ZEc5dGJ5MHlNREkyTFRFPQo='/startDaq/b'")
    assert plain(path.rpartition("/")[2]) == "@host:/a b/ü"
    assert json.loads(plain(query_of(seen)["taskInfo"])) == {"maxRunTimeInHours": 3}
    assert seen.body == b"" and seen.headers["content-length"] == "0"


def test_the_recorded_list_of_jobs(tmp_path: Path) -> None:
    seen = sent(lambda dm: dm.jobs("s25idcuser", 500, 250, with_workflow=False), tmp_path, [])
    assert seen.target.startswith(
        "/dm/processingJobsByOwner/s25idcuser?queryDict=b%27ZTMwPQo%3D%27&skip=500&limit=250&"
    )
    keys = json.loads(plain(query_of(seen)["keyList"]))
    assert set(keys) >= {"id", "owner", "status", "stage", "submissionTime", "dmiocRequestId"}
    assert "workflow" not in keys
    seen = sent(lambda dm: dm.jobs("o/../x", 0, 1, with_workflow=True), tmp_path, [])
    assert "workflow" in json.loads(plain(query_of(seen)["keyList"]))
    assert seen.target.startswith("/dm/processingJobsByOwner/o%2F..%2Fx?")


@pytest.mark.parametrize(
    ("use", "answer", "expected"),
    [
        (lambda dm: dm.experiments(), [], "GET /dm/experimentsByStation/25IDC"),
        (lambda dm: dm.experiment("25IDC"), {"name": "e"}, "GET /dm/experimentsByName/b'TWpWSlJFTT0K'/25IDC"),
        (lambda dm: dm.workflows("bdp"), [], "GET /dm/workflowsByOwner/bdp?queryDict=b%27ZTMwPQo%3D%27"),
        (lambda dm: dm.job("bdp", "a-1"), {"id": "a-1"}, "GET /dm/processingJobsByOwner/bdp/a-1"),
        (
            lambda dm: dm.start_job("bdp", "example-01", {"run_uid": "12345"}),
            {"id": "x"},
            "POST /dm/processingJobsByWorkflow/bdp/b'WlhoaGJYQnNaUzB3TVE9PQo='/startProcessingJob"
            "?argsDict=b%27ZXlKeWRXNWZkV2xrSWpvZ0lqRXlNelExSW4wPQo%3D%27",
        ),
    ],
)
def test_known_endpoints(
    use: Callable[[RestDm], Awaitable[object]], answer: object, expected: str, tmp_path: Path
) -> None:
    seen = sent(use, tmp_path, answer)
    assert f"{seen.verb} {seen.target}" == expected


def test_a_daq_is_stopped_by_experiment_and_directory_an_upload_by_id(tmp_path: Path) -> None:
    daq = Transfer("d-1", TransferKind.DAQ, "25IDC", "/data")
    seen = sent(lambda dm: dm.stop_transfer(daq), tmp_path, {})
    assert f"{seen.verb} {seen.target}" == (f"POST /dm/experimentsByName/b'TWpWSlJFTT0K'/stopDaq/{encode('/data')}")
    upload = Transfer("u-1", TransferKind.UPLOAD, "25IDC", "/data")
    seen = sent(lambda dm: dm.stop_transfer(upload), tmp_path, {})
    assert f"{seen.verb} {seen.target}" == "POST /dm/uploads/u-1/stopUpload"


def test_a_new_experiment(tmp_path: Path) -> None:
    new = NewExperiment("tomo-2026-1", "25IDC", "", "2026-07-20", "2026-08-03T08:00:00-05:00")
    seen = sent(lambda dm: dm.create_experiment(new), tmp_path, {"name": "tomo-2026-1"})
    assert json.loads(plain(query_of(seen)["experiment"])) == {
        "name": "tomo-2026-1",
        "stationName": "25IDC",
        "typeName": "25IDC",
        "startDate": "20-Jul-26",
        "endDate": "03-Aug-26",
    }


@given(st.dates(min_value=datetime(2000, 1, 1, tzinfo=UTC).date(), max_value=datetime(2099, 12, 31, tzinfo=UTC).date()))
def test_dates_are_those_of_dm(day: object) -> None:
    assert datetime.strptime(dm_date("start", f"{day}"), "%d-%b-%y").replace(tzinfo=UTC).date() == day or (
        f"{day}" >= "2069"  # strptime reads two digits from 69 as the last century
    )


@pytest.mark.parametrize("text", ["tomorrow", "20-Jul-26", "1926-07-20", "2026-13-01"])
def test_dates_that_are_none(text: str) -> None:
    with pytest.raises(DmRefusedError, match="YYYY-MM-DD is needed"):
        dm_date("start date", text)


def test_a_dataset_of_a_megabyte_goes_as_a_form(tmp_path: Path) -> None:
    content = {"text": "é" * 500_000, "experimentName": "not this", "a": [1, None]}
    seen = sent(lambda dm: dm.add_dataset("e", "d", content), tmp_path, {"id": "x"})
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    (value,) = parse_qs(seen.body.decode())["datasetInfo"]
    assert json.loads(plain(value)) == {**content, "experimentName": "e", "datasetName": "d"}


def test_the_table_says_what_is_known() -> None:
    table = {endpoint.name: endpoint for endpoint in endpoint_table()}
    assert {endpoint.service for endpoint in table.values()} == set(Service)
    assert {name for name, endpoint in table.items() if endpoint.is_known} == {
        "getExperimentsByStation",
        "getExperimentByName",
        "startDaq",
        "listWorkflows",
        "getWorkflowByName",
        "listProcessingJobs",
        "getProcessingJobById",
        "startProcessingJob",
    }
    for endpoint in table.values():
        assert endpoint.section.startswith("§")
        assert endpoint_table({endpoint.name: endpoint.template})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PUT /dm/x/{e:dir}/of/{e:name}", "PUT /dm/x/b'ZUE9PQo='/of/b'WlE9PQo='?taskInfo=b%27ZTMwPQo%3D%27"),
        ("PUT /dm/x/{dir}/{name}?t={e:json}&n=1", "PUT /dm/x/x/e?t=b%27ZTMwPQo%3D%27&n=1"),
        ("POST /dm/{name} form dir={dir}&taskInfo={e:json}", "POST /dm/e"),
    ],
)
def test_a_site_corrects_a_path(line: str, expected: str, tmp_path: Path) -> None:
    seen = sent(lambda dm: dm.start_upload("e", "x", {}), tmp_path, {"id": "x"}, endpoints={"upload": line})
    assert f"{seen.verb} {seen.target}" == expected
    assert seen.body == (b"dir=x&taskInfo=b%27ZTMwPQo%3D%27" if "form" in line else b"")


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("listDaq", "GET /dm/daqs", "no such endpoint; those there are: addExperiment, "),
        ("listDaqs", "FETCH /dm/daqs", "VERB /path is needed, with VERB one of GET, POST, PUT, DELETE"),
        ("listDaqs", "GET dm/daqs", "VERB /path is needed"),
        ("getDaqInfo", "GET /dm/daq", "{id} is missing"),
        ("getDaqInfo", "GET /dm/daq/{daqId}", "placeholders of this endpoint are {id}, each as {e:name}"),
        ("getDaqInfo", "GET /dm/daq/{id", "placeholders of this endpoint are {id}"),
        ("getDaqInfo", "GET /dm/daq/{b:id}/{id}", "placeholders of this endpoint are {id}"),
    ],
)
def test_corrections_that_cannot_be(name: str, line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_for("http://127.0.0.1:1", tmp_path, endpoints={name: line})
    assert str(caught.value).startswith(f"endpoints.{name}") and words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ds_url": "dm.example.org:22237"}, "ds_url = 'dm.example.org:22237': scheme://host:port is needed"),
        ({"daq_url": "https://h:1/dm"}, "daq_url = 'https://h:1/dm'"),
        ({"proc_url": "https://h:99999"}, "proc_url = 'https://h:99999'"),
        ({"cat_url": "https://user:geheim@h:1"}, "cat_url = 'h:1'"),
        ({"cat_url": ""}, "cat_url = ''"),
        ({"cat_url": " https://h:1"}, "cat_url = ' https://h:1'"),
        ({"cat_url": "ht\ttps://h:1"}, r"cat_url = 'ht\ttps://h:1'"),
        ({"deadline_s": 0.0}, "deadline_s = 0.0: more than 0 seconds"),
        ({"read_timeout_s": float("nan")}, "read_timeout_s = nan"),
        ({"station": ""}, "station = ''"),
        ({"fingerprint": "AB:CD"}, "fingerprint = 'AB:CD': a SHA-256 fingerprint has 64 hexadecimal digits"),
        ({"fingerprint": "zz" * 32}, "64 hexadecimal digits"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_for("http://127.0.0.1:1", tmp_path, **changes)
    assert words in str(caught.value) and "geheim" not in str(caught.value)
