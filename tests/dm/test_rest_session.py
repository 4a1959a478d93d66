"""Logins: when one is needed, one for all, none in a storm; and what must never be shown."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from rest_stub import PASSWORD, USER, Reply, Seen, Stub, client_for, json_reply, refusal, serving, settings_for

from dmioc.dm import login
from dmioc.dm.rest import RestDm
from dmioc.errors import ConfigurationError, DmAnswerError, DmError, DmLoginError
from dmioc.model import TransferKind


def empty_list(_: Seen) -> Reply:
    return json_reply([])


def with_client(stub: Stub, folder: Path, use: Callable[[RestDm], Awaitable[None]], **changes: object) -> None:
    async def main() -> None:
        dm = client_for(stub.url, folder, **changes)
        try:
            await use(dm)
        finally:
            await dm.close()

    asyncio.run(main())


@pytest.fixture
def quick_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login.LoginPause, "_FIRST_S", 0.0)


def test_no_login_is_sent_before_dm_wants_one(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as stub:
        with_client(stub, tmp_path, use)
    assert [seen.target for seen in stub.seen] == ["/dm/daqs"]
    assert "cookie" not in stub.seen[0].headers


def test_one_login_serves_20_calls_at_once(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        await asyncio.gather(*(dm.transfers(TransferKind.DAQ) for _ in range(20)))
        assert dm.request_errors == 0
        assert dm.requests == len(stub.seen)

    with serving(empty_list) as stub:
        stub.wants_login = True
        with_client(stub, tmp_path, use)
    assert len(stub.logins) == 1
    assert stub.logins[0].headers["content-type"] == "application/x-www-form-urlencoded"


def test_each_service_has_a_session_of_its_own(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        await dm.transfers(TransferKind.DAQ)
        await dm.experiments()
        await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as daq, serving(empty_list) as other:
        daq.wants_login = other.wants_login = True
        with_client(daq, tmp_path, use, ds_url=other.url)
    assert (len(daq.logins), len(other.logins)) == (1, 1)


@pytest.mark.parametrize("status", [401, 200])
@pytest.mark.parametrize("with_headers", [True, False])
def test_an_expired_session_is_renewed_and_the_call_repeated_once(
    status: int, with_headers: bool, tmp_path: Path
) -> None:
    async def use(dm: RestDm) -> None:
        await dm.transfers(TransferKind.DAQ)
        stub.sessions = set()
        await asyncio.gather(*(dm.transfers(TransferKind.DAQ) for _ in range(5)))
        started = await dm.start_daq("e", "/d", {})
        assert started.id == "x"
        assert dm.request_errors == 0

    with serving(lambda seen: json_reply([] if seen.verb == "GET" else {"id": "x"})) as stub:
        stub.wants_login = True
        stub.expired_reply = refusal(12, "Session has expired.", "InvalidSession", status, with_headers)
        with_client(stub, tmp_path, use)
    assert len(stub.logins) == 2
    assert len([seen for seen in stub.seen if seen.verb == "POST" and seen.target != "/dm/login"]) == 1


def test_a_bare_401_asks_for_a_login_too(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as stub:
        stub.wants_login = True
        stub.expired_reply = Reply(b"<html>Unauthorized</html>", 401, {"Set-Cookie": "session_id=nobody"})
        with_client(stub, tmp_path, use)
    assert len(stub.logins) == 1
    assert "cookie" not in stub.logins[0].headers


def test_the_whole_cookie_goes_back_and_any_answer_renews_it(tmp_path: Path) -> None:
    answers = iter(["session_id=new; Path=/", None, "other=1; Path=/", None])

    def answer(_: Seen) -> Reply:
        cookie = next(answers)
        return Reply(b"[]", headers={"Set-Cookie": cookie} if cookie else {})

    async def use(dm: RestDm) -> None:
        for _ in range(4):
            await dm.transfers(TransferKind.DAQ)

    with serving(answer) as stub:
        stub.wants_login = True
        stub.sessions = {"new"}  # the login's own comes later
        stub.login_reply = Reply(headers={"Set-Cookie": "session_id=first-new; expires=Fri, 20 Nov 2036 11:00:00 GMT"})
        with_client(stub, tmp_path, use)
    assert [seen.headers.get("cookie") for seen in stub.asked] == [
        None,
        "session_id=first-new; expires=Fri, 20 Nov 2036 11:00:00 GMT",
        "session_id=new; Path=/",
        "session_id=new; Path=/",
        "session_id=new; Path=/; other=1; Path=/",
    ]


def test_a_wrong_password_is_one_attempt_and_no_storm(tmp_path: Path) -> None:
    (tmp_path / "login").write_text(f"{USER}|wrong")
    (tmp_path / "login").chmod(0o600)
    errors: list[DmError] = []

    async def one(dm: RestDm) -> None:
        with pytest.raises(DmLoginError) as caught:
            await dm.transfers(TransferKind.DAQ)
        errors.append(caught.value)

    async def use(dm: RestDm) -> None:
        await asyncio.gather(*(one(dm) for _ in range(10)))
        assert dm.request_errors == 10

    with serving(empty_list) as stub:
        stub.wants_login = True
        with_client(stub, tmp_path, use)
    assert len(stub.logins) == 1
    assert {error.code for error in errors if isinstance(error, DmLoginError)} == {6}
    texts = sorted({str(error) for error in errors}, key=len)
    assert texts[0] == "DAQ login: DM says: Incorrect username or password (AuthenticationError, code 6)"
    assert texts[-1].endswith("; the login is not tried again for 5 s")


@pytest.mark.usefixtures("quick_pause")
def test_a_corrected_password_is_read_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "login").write_text(f"{USER}|wrong")

    async def use(dm: RestDm) -> None:
        with pytest.raises(DmLoginError):
            await dm.transfers(TransferKind.DAQ)
        (tmp_path / "login").write_text(f"{USER}|{PASSWORD}")
        await dm.transfers(TransferKind.DAQ)
        (tmp_path / "login").unlink()
        stub.sessions = set()
        with pytest.raises(DmLoginError, match="cannot be read: No such file"):
            await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as stub:
        stub.wants_login = True
        with_client(stub, tmp_path, use)


def test_the_pause_grows_to_a_minute_and_ends() -> None:
    pause = login.LoginPause()
    lengths: list[float] = []
    now_s = 1000.0
    for _ in range(6):
        pause.check(now_s)
        pause.refused(DmLoginError("no", 6), now_s)
        began_s = now_s
        while True:
            try:
                pause.check(now_s)
                break
            except DmLoginError:
                now_s += 1.0
        lengths.append(now_s - began_s)
    assert lengths == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    pause.taken()
    pause.check(now_s)


def test_a_session_that_is_not_kept_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        for _ in range(5):
            with pytest.raises(DmLoginError, match="though the login was taken"):
                await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as stub:
        stub.wants_login = True
        stub.login_reply = Reply(headers={"Set-Cookie": "session_id=forgotten; Path=/"})
        with_client(stub, tmp_path, use)
    assert len(stub.logins) == 1


def test_a_login_without_a_cookie_is_told(tmp_path: Path) -> None:
    async def use(dm: RestDm) -> None:
        with pytest.raises(DmAnswerError, match="the login was answered without a cookie"):
            await dm.transfers(TransferKind.DAQ)

    with serving(empty_list) as stub:
        stub.wants_login = True
        stub.login_reply = Reply()
        with_client(stub, tmp_path, use)


def test_a_call_cancelled_in_its_login_leaves_the_login_to_the_others(tmp_path: Path) -> None:
    """The first login hangs until its call is given up; the other call then logs in by itself."""
    asked = threading.Event()

    async def use(dm: RestDm) -> None:
        first = asyncio.create_task(dm.transfers(TransferKind.DAQ))
        await asyncio.to_thread(asked.wait, 5.0)
        second = asyncio.create_task(dm.transfers(TransferKind.UPLOAD))
        while len(stub.asked) < 2:
            await asyncio.sleep(0.01)
        stub.login_reply = None
        first.cancel()
        assert await second == []
        with pytest.raises(asyncio.CancelledError):
            await first

    def hang(_: object) -> None:
        asked.set()
        stub.released.wait(10.0)

    with serving(empty_list) as stub:
        stub.wants_login = True
        stub.login_reply = Reply(raw=hang)
        with_client(stub, tmp_path, use)


def test_nothing_shows_the_password_or_the_cookie(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    def answer(seen: Seen) -> Reply:
        echo = (seen.headers.get("cookie", "") + " ").encode()
        return Reply(b"<html>" + echo + b"</html>", 500)

    async def fail(dm: RestDm) -> None:
        try:
            await dm.transfers(TransferKind.DAQ)
        except DmError as error:
            shown.append(str(error))
            shown.append("".join(traceback.format_exception(error)))

    async def use(dm: RestDm) -> None:
        await fail(dm)
        shown.extend([repr(dm), str(dm.warnings), repr(vars(dm))])
        secrets.extend(stub.sessions)

    async def use_refused(dm: RestDm) -> None:
        await fail(dm)

    secrets: list[str] = []
    with serving(answer) as stub:
        stub.wants_login = True
        with_client(stub, tmp_path, use)
        form = f"password={quote(PASSWORD)}"
        stub.sessions = set()
        for reply in (
            refusal(6, f"no user {USER} with {PASSWORD}", "AuthenticationError"),
            Reply(form.encode(), 500),
            Reply(f"{PASSWORD} is wrong".encode(), 400),
        ):
            stub.login_reply = reply
            with_client(stub, tmp_path, use_refused)
    secrets.extend([PASSWORD, quote(PASSWORD)])
    assert len(secrets) == 3 and len(shown) == 11
    assert "***" in shown[0] and "***" in shown[5]
    assert repr(login.Login(USER, PASSWORD)) == f"Login(user={USER!r})"
    everything = "\n".join([*shown, caplog.text])
    for secret in secrets:
        assert secret not in everything


def test_others_who_can_read_the_login_file_are_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_for("http://127.0.0.1:1", tmp_path)
    settings.login_file.chmod(0o640)
    file = login.LoginFile(settings.login_file)
    for _ in range(3):
        assert file.read().user == USER
    assert file.warnings == [f"login file '{settings.login_file}' can be read by other users: chmod 600 it"]
    assert len(caplog.records) == 1
    dm = RestDm(settings)
    assert dm.warnings == tuple(file.warnings)
    asyncio.run(dm.close())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "one line 'user|password' is needed"),
        (b"user password\n", "one line 'user|password' is needed"),
        (b"user|\n", "one line 'user|password' is needed"),
        (b"|geheim\n", "one line 'user|password' is needed"),
        (b"user|geheim\xff\n", "is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_login_file_that_cannot_be_used(content: bytes | None, words: str, tmp_path: Path) -> None:
    settings = settings_for("http://127.0.0.1:1", tmp_path)
    settings.login_file.unlink()
    if content is not None:
        settings.login_file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        RestDm(settings)
    assert words in str(caught.value) and "geheim" not in str(caught.value)


def test_a_password_may_hold_a_bar(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("user|a|b \n")
    assert login.LoginFile(tmp_path / "login").read() == login.Login("user", "a|b")


def test_what_a_backend_says_of_itself(tmp_path: Path) -> None:
    dm = RestDm(settings_for("http://dm.example.org:33336", tmp_path, backend_name="local"))
    assert (dm.name, dm.station, dm.owner, dm.requests, dm.request_errors) == ("local", "25IDC", USER, 0, 0)
    assert dm.warnings == (
        "http://dm.example.org:33336: the password goes over the network in the clear; https is needed",
    )
    assert RestDm(settings_for("http://127.0.0.1:1", tmp_path, owner="bdp")).owner == "bdp"
    asyncio.run(dm.close())
