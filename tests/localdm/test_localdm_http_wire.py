"""The wire forms of localdm, and that its table of endpoints is what it serves."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmioc.localdm import wire
from dmioc.localdm.answers import InvalidArgument, InvalidRequest, ObjectNotFound
from dmioc.localdm.endpoints import ENDPOINTS, Form, endpoint_table
from dmioc.localdm.query import matcher
from dmioc.localdm.router import Router, parameters
from dmioc.localdm.services import ALL_SERVICES, Service

RECORDED = [  # dm-protocol.md §2.1: plain, the vendor's Python package, dmax
    ("{}", "b'ZTMwPQo='", "b'ZTMwPQ=='"),
    ('"DEFAULT"', "b'SWtSRlJrRlZURlFpCg=='", "b'SWtSRlJrRlZURlFp'"),
    ('"ALL"', "b'SWtGTVRDST0K'", "b'SWtGTVRDST0='"),
    ("example-01", "b'WlhoaGJYQnNaUzB3TVE9PQo='", "b'WlhoaGJYQnNaUzB3TVE9PQ=='"),
    ("tomo-2026-1", "b'ZEc5dGJ5MHlNREkyTFRFPQo='", "b'ZEc5dGJ5MHlNREkyTFRFPQ=='"),
    ("25IDC", "b'TWpWSlJFTT0K'", "b'TWpWSlJFTT0='"),
]


@pytest.mark.parametrize(("plain", "vendor", "dmax"), RECORDED)
def test_recorded_values_are_decoded_in_every_form(plain: str, vendor: str, dmax: str) -> None:
    assert wire.encode_text(plain) == vendor
    for value in (vendor, dmax, vendor[2:-1], dmax[2:-1], vendor[:-1], vendor.replace("'", '"')):
        assert wire.decode_text(value, "x") == plain


@given(st.text())
def test_any_text_survives_the_vendor_encoding(text: str) -> None:
    assert wire.decode_text(wire.encode_text(text), "x") == text


def test_long_texts_have_line_feeds_in_the_inner_base64() -> None:
    text = json.dumps({"a": "x" * 300})
    assert base64.b64decode(wire.encode_text(text)[2:-1]).count(b"\n") > 3
    assert wire.decode_text(wire.encode_text(text), "x") == text


@pytest.mark.parametrize("empty", ["", "b''", 'b""'])
def test_nothing_is_the_empty_text(empty: str) -> None:
    assert wire.decode_text(empty, "x") == ""


@pytest.mark.parametrize(
    "bad", ["plain", "b'abc'", "b'ZTMw'", "é", base64.b64encode(base64.b64encode(b"\xff")).decode()]
)
def test_bad_encoding_names_the_value(bad: str) -> None:
    with pytest.raises(InvalidArgument, match="taskInfo must be double base64") as error:
        wire.decode_text(bad, "taskInfo")
    assert repr(bad) in str(error.value)


def test_json_takes_nan_as_null_and_refuses_what_is_none() -> None:
    assert wire.decode_json(wire.encode_text('{"a": NaN, "b": [Infinity, 1]}'), "x") == {"a": None, "b": [None, 1]}
    for bad in ("{", "{'a': 1}", '"\\ud800"', "[" * 100_000):
        with pytest.raises(InvalidArgument, match="x must be JSON"):
            wire.decode_json(wire.encode_text(bad), "x")


def test_dates_of_every_client_are_the_same_day() -> None:
    days = {wire.experiment_date(wire.parse_date(text, "d"))[:19] for text in ("20-Jul-26", "2026-07-20", "2026/07/20")}
    assert days == {"2026-07-20 00:00:00"}
    assert wire.parse_date("2026-07-20T12:00:00+00:00", "d").timestamp() == 1784548800
    with pytest.raises(InvalidArgument, match=r"startDate must be a date like .*'tomorrow'"):
        wire.parse_date("tomorrow", "startDate")


def test_refusals_stay_one_ascii_header_line() -> None:
    headers = wire.refusal_headers(14, "ObjectNotFound", "name 'ä\r\nx' does not exist" + "y" * 2000)
    message = headers["Dm-Status-Message"]
    assert message.isascii() and message.isprintable() and len(message) == 500
    error = ObjectNotFound("first\n  second")
    assert wire.refusal_words(error) == (14, "ObjectNotFound", "first second")


def test_cookie_expiry_is_an_english_date_in_gmt() -> None:
    assert wire.cookie_expiry(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_query_operators() -> None:
    record = {"size": 5, "name": "a/scan.h5", "inner": {"key": "v"}, "none": None}
    for query in (
        {},
        {"size": 5},
        {"size": {"$gt": 4, "$lt": 6}},
        {"size": {"$gte": 5, "$lte": 5, "$ne": 4}},
        {"name": {"$regex": r"\.h5$"}},
        {"inner.key": "v"},
        {"size": {"$in": [4, 5]}},
        {"missing": {"$exists": False}},
    ):
        assert matcher(query)(record), query
    for query in (
        {"size": 6},
        {"size": {"$gt": 5}},
        {"size": {"$lt": "a"}},
        {"none": {"$lt": 1}},
        {"missing": 1},
        {"missing": {"$gt": 1}},
        {"name": {"$regex": "^scan"}},
        {"inner.other": "v"},
        {"size.deeper": 5},
        {"size": {"$exists": False}},
    ):
        assert not matcher(query)(record), query
    for query in ({"$where": "1"}, {"size": {"$near": 1}}, {"name": {"$regex": "("}}):
        with pytest.raises(InvalidArgument):
            matcher(query)


def test_every_endpoint_is_found_by_its_own_path() -> None:
    for endpoint in ENDPOINTS:
        for service in ALL_SERVICES:
            path = re.sub(r"\{[^}]*\}", "b'eA=='", endpoint.path)
            if service in endpoint.services:
                assert Router(service).find(endpoint.verb, path)[0].name == endpoint.name


def test_names_are_unique_and_rows_are_complete() -> None:
    keys = [(service, endpoint.verb, endpoint.name) for endpoint in ENDPOINTS for service in endpoint.services]
    assert len(set(keys)) == len(keys)
    rows = endpoint_table()
    assert len(rows) == len(ENDPOINTS) and all(all(row) for row in rows)
    known = {row[1] for row in rows if row[4] == "known"}
    assert known == {
        "login",
        "getExperimentsByStation",
        "getExperimentByName",
        "getExperimentById",
        "updateExperimentGroup",
        "downloadFile",
        "startDaq",
        "listWorkflows",
        "getWorkflowByName",
        "addWorkflow",
        "updateWorkflow",
        "listProcessingJobs",
        "getProcessingJobById",
        "startProcessingJob",
    }


def test_router_reads_the_values_and_their_forms() -> None:
    endpoint, values = Router(Service.DAQ).find("POST", "/dm/experimentsByName/b%27ZTMwPQo=%27/startDaq/b'ZTMwPQo='")
    assert endpoint.name == "startDaq"
    assert values == {"name": "b'ZTMwPQo='", "directory": "b'ZTMwPQo='"}
    assert endpoint.forms == {"name": Form.TEXT, "directory": Form.TEXT, "taskInfo": Form.JSON}


def test_an_empty_last_value_may_be_missing() -> None:
    endpoint, values = Router(Service.DAQ).find("POST", "/dm/experimentsByName/b'x'/startDaq")
    assert (endpoint.name, values["directory"]) == ("startDaq", "")
    assert Router(Service.PROC).find("GET", "/dm/workflowsByOwner/me")[0].name == "listWorkflows"


def test_unknown_paths_and_verbs_are_named() -> None:
    with pytest.raises(InvalidRequest, match=r"DS service of localdm has no GET '/dm/nothing'$"):
        Router(Service.DS).find("GET", "/dm/nothing")
    with pytest.raises(InvalidRequest, match="no PATCH '/dm/users'; it takes GET there"):
        Router(Service.DS).find("PATCH", "/dm/users")


def test_parameters_keep_empty_values_and_the_first_of_two() -> None:
    assert parameters("a=1&a=2&b=&c=x%27y") == {"a": "1", "b": "", "c": "x'y"}
