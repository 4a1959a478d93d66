"""Sessions, errors and odd requests, against a real localdm process (dm-protocol.md §1.5, §2, §11)."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from localdm_process import DmSaidNoError, LocalDmProcess, Reply, VendorSession, encoded, encoded_json, running_localdm

from dmioc.localdm.answers import InvalidSession
from dmioc.localdm.calls import Call, Handler, at_once
from dmioc.localdm.server import HttpService
from dmioc.localdm.services import ALL_SERVICES, Service
from dmioc.localdm.sessions import Sessions

SERVICES = [service.value for service in ALL_SERVICES]


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.mark.parametrize("service", SERVICES)
def test_no_session_is_401_with_the_three_headers(localdm: LocalDmProcess, service: str) -> None:
    reply = VendorSession(localdm.urls[service]).raw("GET", "/dm/serviceStatus")
    assert reply.status == 401
    assert reply.headers["Dm-Status-Code"] == "12"
    assert reply.headers["Dm-Exception-Type"] == "InvalidSession"
    assert reply.headers["Dm-Status-Message"] == "Valid session has not been established"
    assert reply.content == {
        "errorMessage": "Valid session has not been established",
        "errorCode": 12,
        "exceptionType": "InvalidSession",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_login_gives_a_cookie_whose_second_part_is_the_expiry(localdm: LocalDmProcess, service: str) -> None:
    session = VendorSession(localdm.urls[service])
    reply = session.login(localdm.username, localdm.password)
    assert (reply.status, reply.headers["Dm-Status-Code"]) == (200, "0")
    assert reply.headers["Content-Type"].startswith("application/json")
    name_value, expires, path = [part.strip() for part in reply.headers["Set-Cookie"].split(";")]
    assert "=" in name_value and path == "Path=/"
    moment = datetime.strptime(expires.partition("=")[2], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert moment.timestamp() > time.time() + 3600
    assert session.call("GET", "serviceStatus")["service"] == service  # the whole Set-Cookie goes back
    session.cookie = name_value
    assert session.call("GET", "serviceStatus")["status"] == "running"


def test_wrong_password_and_wrong_user_say_so(localdm: LocalDmProcess) -> None:
    for username, password in ((localdm.username, "wrong"), ("nobody", localdm.password), ("", "")):
        reply = VendorSession(localdm.urls["DS"]).login(username, password)
        assert reply.status == 200
        assert reply.headers["Dm-Exception-Type"] == "AuthenticationError"
        assert "Set-Cookie" not in reply.headers
        assert "Incorrect username or password" in reply.content["errorMessage"]
        assert reply.content["errorCode"] == 6


def test_sessions_belong_to_one_service_and_end_with_logout(localdm: LocalDmProcess) -> None:
    session = localdm.session("DS")
    other = VendorSession(localdm.urls["CAT"])
    other.cookie = session.cookie
    with pytest.raises(DmSaidNoError, match="InvalidSession 12"):
        other.call("GET", "serviceStatus")
    session.call("POST", "logout")
    with pytest.raises(DmSaidNoError, match="log in again"):
        session.call("GET", "serviceStatus")


def test_refusals_are_http_200_with_headers_and_json(localdm: LocalDmProcess) -> None:
    reply = localdm.session("DS").raw("GET", f"/dm/experimentsByName/{encoded('none')}/{localdm.station}")
    assert reply.status == 200
    assert reply.headers["Dm-Status-Code"] == "14"
    assert reply.headers["Dm-Exception-Type"] == "ObjectNotFound"
    assert reply.headers["Dm-Status-Message"] == "Experiment none does not exist."
    assert reply.content == {
        "errorMessage": "Experiment none does not exist.",
        "errorCode": 14,
        "exceptionType": "ObjectNotFound",
    }


def test_unknown_path_is_a_dm_error_that_names_it(localdm: LocalDmProcess) -> None:
    for path in ("/dm/nothing/here", "/", "/favicon.ico"):
        reply = localdm.session("PROC").raw("GET", path)
        assert (reply.status, reply.content["errorCode"]) == (200, 11)
        assert path in reply.content["errorMessage"]


def test_every_way_to_write_the_name_finds_the_experiment(localdm: LocalDmProcess) -> None:
    session = localdm.session("DS")
    written = encoded("demo")
    for name in (written, quote(written), written[2:-1], quote(written[2:-1], safe="")):
        for station in (f"/{localdm.station}", "/", ""):
            reply = session.raw("GET", f"/dm/experimentsByName/{name}{station}")
            assert reply.content["name"] == "demo", (name, station)


def test_plain_name_is_refused_by_its_value(localdm: LocalDmProcess) -> None:
    with pytest.raises(DmSaidNoError, match="name must be double base64 of UTF-8 text, not 'demo'") as error:
        localdm.session("DS").call("GET", "experimentsByName", "demo", localdm.station)
    assert error.value.code == 10


def test_get_with_a_body_and_odd_content_types(localdm: LocalDmProcess) -> None:
    session = localdm.session("DS")
    for kind in ("html", "", "application/json", "multipart/form-data", "text/html; charset=nonsense", ";;"):
        reply = session.raw("GET", f"/dm/experimentsByStation/{localdm.station}", b"{}", {"Content-Type": kind})
        assert reply.status == 200 and reply.content[0]["name"] == "demo", kind


def test_values_of_megabytes_travel_in_the_url(localdm: LocalDmProcess) -> None:
    document = {"experimentName": "demo", "datasetName": "long-url", "text": "ä" * 1_000_000}
    reply = localdm.session("CAT").raw(
        "POST", f"/dm/datasets/addExperimentDataset?datasetInfo={encoded_json(document)}"
    )
    assert reply.content["text"] == document["text"]


def test_values_of_megabytes_travel_in_a_form(localdm: LocalDmProcess) -> None:
    document = {"experimentName": "demo", "datasetName": "long-form", "text": "x" * 3_000_000}
    form = {"datasetInfo": encoded_json(document)}
    stored = localdm.session("CAT").call("POST", "datasets", "addExperimentDataset", form=form)
    assert stored["text"] == document["text"]


def test_whole_url_as_request_target(localdm: LocalDmProcess) -> None:
    session = localdm.session("DS")
    reply = session.raw("GET", f"{localdm.urls['DS']}/dm/experimentsByStation/{localdm.station}")
    assert reply.content[0]["name"] == "demo"


def test_connection_is_kept_between_requests(localdm: LocalDmProcess) -> None:
    session = localdm.session("DS")
    connection = http.client.HTTPConnection(urlsplit(localdm.urls["DS"]).netloc, timeout=30)
    ports: set[int] = set()
    for _ in range(3):
        connection.request("GET", "/dm/users", headers={"Cookie": session.cookie})
        assert connection.getresponse().read().startswith(b"[")
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


def test_nonsense_on_the_port_leaves_the_service_alive(localdm: LocalDmProcess) -> None:
    host, port = urlsplit(localdm.urls["DS"]).netloc.split(":")
    cut = b"POST /dm/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nusername="
    for junk in (cut, b"\x16\x03\x01\x02\x00\x01\x00", b"GET", b"\r\n\r\n\x00", b"POST /dm/login HTTP/1.1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(junk)
    assert localdm.session("DS").call("GET", "serviceStatus")["status"] == "running"
    assert "Traceback" not in Path(localdm.directory / "stderr.log").read_text()


def ask_once(tmp_path: Path, handler: Handler) -> tuple[Reply, float]:
    """The second reply of a service with one handler, and the seconds it took."""
    (tmp_path / "login").write_text("user|password")
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def ask() -> tuple[Reply, float]:
        session = VendorSession(url)
        session.login("user", "password")
        session.raw("GET", "/dm/serviceStatus")
        began = time.monotonic()
        return session.raw("GET", "/dm/serviceStatus"), time.monotonic() - began

    async def main() -> tuple[Reply, float]:
        service = HttpService(Service.DS, Sessions("DS", tmp_path / "login", 60.0), {"getServiceStatus": handler})
        await service.start(listener)
        answer = await asyncio.to_thread(ask)
        await service.stop()
        return answer

    return asyncio.run(main())


def test_bug_in_a_handler_costs_one_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(call: Call) -> object:
        raise ZeroDivisionError("a bug\nof ours")

    reply, _ = ask_once(tmp_path, at_once(broken))
    assert (reply.status, reply.headers["Dm-Exception-Type"]) == (200, "InternalError")
    assert reply.content["errorCode"] == 2
    assert reply.content["errorMessage"] == "ZeroDivisionError in localdm: a bug of ours"
    assert "DS GET /dm/serviceStatus" in caplog.text and "ZeroDivisionError" in caplog.text


def test_lists_of_20_megabytes_are_served_quickly(tmp_path: Path) -> None:
    jobs = [{"id": str(number), "output": "x" * 4000} for number in range(5000)]
    reply, took_s = ask_once(tmp_path, at_once(lambda call: jobs))
    assert len(reply.content) == 5000
    assert took_s < 2.0  # measured 0.1 s


def test_sessions_expire(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("user|password")
    now_s = 1000.0
    sessions = Sessions("DS", tmp_path / "login", 60.0, clock=lambda: now_s)
    cookie = sessions.open(sessions.check({"username": "user", "password": "password"}))
    now_s += 59.0
    assert sessions.username(cookie) == "user"
    now_s += 2.0
    with pytest.raises(InvalidSession, match="expired"):
        sessions.username(cookie)


def test_numbers_in_the_query_are_checked(localdm: LocalDmProcess) -> None:
    session = localdm.session("CAT")
    for bad in ("-1", "x", "1.5", "9" * 30, "²"):
        with pytest.raises(DmSaidNoError, match="skip must be a number from 0"):
            session.call("GET", "experimentFiles", encoded("demo"), query={"skip": quote(bad)})
