"""Each way in which an answer can be wrong gives the class of error that says so, in one line that names it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rest_payloads import DAQ
from rest_stub import PASSWORD, Reply, Seen, client_for, json_reply, refusal, serving

from dmioc.dm.rest import session
from dmioc.errors import (
    DmAnswerError,
    DmError,
    DmExistsError,
    DmLoginError,
    DmNotFoundError,
    DmRefusedError,
    DmUnreachableError,
)
from dmioc.model import TransferKind

HTML = b"<html><head><title>502 Bad Gateway</title></head>\n<body>" + b"x" * 3000 + b"</body></html>"


def error_of(url: str, folder: Path, **changes: object) -> DmError:
    """The error of one call that asks for the DAQs; it must be one line, and be counted."""

    async def main() -> DmError:
        dm = client_for(url, folder, **changes)
        try:
            with pytest.raises(DmError) as caught:
                await dm.transfers(TransferKind.DAQ)
            assert dm.request_errors == 1
            return caught.value
        finally:
            await dm.close()

    error = asyncio.run(main())
    text = str(error)
    assert text.startswith("DAQ listDaqs: ") or text.startswith("DAQ login: "), text
    assert text.isprintable() and len(text) < 700
    assert PASSWORD not in text
    return error


def error_for(reply: Reply, folder: Path, **changes: object) -> DmError:
    with serving(lambda _: reply) as stub:
        return error_of(stub.url, folder, **changes)


def raw(*pieces: bytes) -> Reply:
    def write(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_RDWR)

    return Reply(raw=write)


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        (1, "DmException", DmRefusedError),
        (5, "AuthorizationError", DmLoginError),
        (11, "InvalidRequest", DmRefusedError),
        (14, "ObjectNotFound", DmNotFoundError),
        (15, "ObjectAlreadyExists", DmExistsError),
        (19, "SomethingNew", DmRefusedError),
    ],
)
@pytest.mark.parametrize(("status", "with_headers"), [(200, True), (200, False), (500, True), (404, False)])
def test_dm_says_no(
    code: int, kind: str, expected: type[DmError], status: int, with_headers: bool, tmp_path: Path
) -> None:
    error = error_for(refusal(code, "Experiment x does not exist.", kind, status, with_headers), tmp_path)
    assert type(error) is expected
    assert isinstance(error, DmRefusedError) and error.code == code
    assert str(error) == f"DAQ listDaqs: DM says: Experiment x does not exist. ({kind}, code {code})"


def test_only_the_class_name_in_the_header(tmp_path: Path) -> None:
    error = error_for(Reply(headers={"Dm-Exception-Type": "ObjectNotFound", "Dm-Status-Message": "gone"}), tmp_path)
    assert type(error) is DmNotFoundError and error.code == 14


@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (Reply(HTML, 500, {"Content-Type": "text/html"}), DmAnswerError, "HTTP 500 (text/html) without DM's headers"),
        (Reply(HTML, 404, {"Content-Type": "text/html"}), DmAnswerError, "GET /dm/daqs is assumed; endpoints.listDaqs"),
        (Reply(HTML, 403, {"Content-Type": "text/html"}), DmAnswerError, "HTTP 403"),
        (Reply(HTML, 502, {"Content-Type": "text/html"}), DmUnreachableError, "HTTP 502"),
        (Reply(b"", 503), DmUnreachableError, "HTTP 503 (no content type) without DM's headers: an empty body"),
        (Reply(b"", 302, {"Location": "http://192.0.2.1/"}), DmAnswerError, "HTTP 302"),
        (Reply(b"[]", headers={"Dm-Status-Code": "twelve"}), DmAnswerError, "'twelve', a number is needed"),
        (Reply(HTML, headers={"Content-Type": "text/html"}), DmAnswerError, "a list is needed, came: '<html>"),
        (Reply(b""), DmAnswerError, "a list is needed, came: an empty body"),
        (Reply(b"null"), DmAnswerError, "a list is needed, came: 'null'"),
        (Reply(b'{"id": "x"}'), DmAnswerError, "a list is needed"),
        (Reply(b'[{"id": "x"}, {"id": "y"'), DmAnswerError, "the list is cut"),
        (Reply(b"["), DmAnswerError, "the list is cut"),
        (Reply(b'[{"id": "x"}'), DmAnswerError, "the list is cut"),
        (Reply(b'[{"id": "x"} {"id": "y"}]'), DmAnswerError, "not JSON"),
        (Reply(b'[{"id": "x"},]'), DmAnswerError, "not a list of records"),
        (Reply(b"[5]"), DmAnswerError, "not a list of records"),
        (Reply(b'[{"id": "x"}] and more'), DmAnswerError, "not a list of records"),
        (Reply(b'[{"id" "x"}]'), DmAnswerError, "not JSON"),
        (Reply(b'[{"id": "\xff"}]'), DmAnswerError, "record 0: not JSON: not UTF-8"),
        (Reply(b'[{"id": ""}]'), DmAnswerError, "$.id"),
        (Reply(b'[{"x":' + b"[" * 20000 + b"]" * 20000 + b"}]"), DmAnswerError, "not JSON: maximum recursion"),
        (Reply(b"not gzip", headers={"Content-Encoding": "gzip"}), DmAnswerError, "cannot be decompressed"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), DmAnswerError, "speaks no HTTP"),
        (raw(), DmUnreachableError, "disconnected"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"), DmUnreachableError, "closed connection"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"), DmUnreachableError, "closed connection"),
    ],
)
def test_answers_that_make_no_sense(reply: Reply, expected: type[DmError], words: str, tmp_path: Path) -> None:
    error = error_for(reply, tmp_path)
    assert type(error) is expected, error
    assert words in str(error)
    assert "x" * 121 not in str(error)


def test_a_compressed_answer_is_read(tmp_path: Path) -> None:
    reply = json_reply([DAQ])
    reply.body = gzip.compress(reply.body)
    reply.headers["Content-Encoding"] = "gzip"

    async def main(url: str) -> int:
        dm = client_for(url, tmp_path)
        try:
            return len(await dm.transfers(TransferKind.DAQ))
        finally:
            await dm.close()

    with serving(lambda _: reply) as stub:
        assert asyncio.run(main(stub.url)) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b'{"id": "x", "status": 3}', "Expected `str | null`, got `int` - at `$.status`"),
        (b'{"status": "done"}', "missing required field `id`"),
        (b'{"id": "x", "status": "do', "not JSON: Input data was truncated"),
        (b'{"id": "\xff\xfe"}', "not UTF-8"),
        (b"", "came: an empty body"),
        (HTML, "not JSON"),
        (b'{"id": "x", "note": NaN, "status": 3}', "$.status"),
    ],
)
def test_objects_that_make_no_sense(body: bytes, words: str, tmp_path: Path) -> None:
    async def main(url: str) -> str:
        dm = client_for(url, tmp_path)
        try:
            with pytest.raises(DmAnswerError) as caught:
                await dm.transfer(TransferKind.UPLOAD, "x")
            return str(caught.value)
        finally:
            await dm.close()

    with serving(lambda _: Reply(body)) as stub:
        text = asyncio.run(main(stub.url))
    assert text.startswith("DAQ getUploadInfo: ") and words in text and text.isprintable()


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = error_of(url, tmp_path)
    assert type(error) is DmUnreachableError
    assert f"{url}: connection refused" in str(error)


def test_the_host_has_no_address(tmp_path: Path) -> None:
    error = error_of("http://no-such-host.invalid:1", tmp_path)
    assert type(error) is DmUnreachableError
    assert "no-such-host.invalid" in str(error)


def hanging(seconds_between: float, piece: bytes, head: bytes) -> Callable[[Seen], Reply]:
    def write(connection: socket.socket) -> None:
        try:
            connection.sendall(head)
            for _ in range(1000):
                time.sleep(seconds_between)
                connection.sendall(piece)
        except OSError:
            pass

    return lambda _: Reply(raw=write)


def test_silence_ends_at_the_read_timeout(tmp_path: Path) -> None:
    with serving(hanging(5.0, b"", b"")) as stub:
        began = time.monotonic()
        error = error_of(stub.url, tmp_path, read_timeout_s=0.3)
        assert time.monotonic() - began < 3.0
    assert type(error) is DmUnreachableError
    assert "no byte of an answer for 0.3 s" in str(error)


def test_a_body_that_trickles_ends_at_the_deadline(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n["
    with serving(hanging(0.02, b" ", head)) as stub:
        began = time.monotonic()
        error = error_of(stub.url, tmp_path, read_timeout_s=5.0, deadline_s=0.5)
        assert 0.4 < time.monotonic() - began < 3.0
    assert type(error) is DmUnreachableError
    assert "no whole answer within 0.5 s" in str(error)


def test_an_answer_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LONGEST_ANSWER_BYTES", 100_000)
    error = error_for(Reply(b"[" + b" " * 200_000 + b"]"), tmp_path)
    assert type(error) is DmAnswerError
    assert "longer than 100000 bytes" in str(error)


def test_a_call_can_be_cancelled_and_the_client_goes_on(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        dm = client_for(url, tmp_path)
        try:
            call = asyncio.create_task(dm.transfers(TransferKind.UPLOAD))
            while dm.requests == 0:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await dm.transfers(TransferKind.DAQ) == []
            assert dm.request_errors == 0
        finally:
            await dm.close()

    slow = hanging(5.0, b"", b"")
    with serving(lambda seen: slow(seen) if "uploads" in seen.target else Reply(b"[]")) as stub:
        asyncio.run(main(stub.url))


def test_a_question_is_repeated_once_when_the_kept_connection_was_closed(tmp_path: Path) -> None:
    replies = [raw(), json_reply([DAQ]), raw(), json_reply(DAQ)]

    async def main(url: str) -> int:
        dm = client_for(url, tmp_path)
        try:
            assert len(await dm.transfers(TransferKind.DAQ)) == 1
            with pytest.raises(DmUnreachableError):  # a command may have been carried out: never twice
                await dm.start_daq("e", "/d", {})
            return dm.requests
        finally:
            await dm.close()

    with serving(lambda _: replies.pop(0)) as stub:
        assert asyncio.run(main(stub.url)) == 3
    assert len(replies) == 1


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_make_another_path_is_not_sent(name: str, tmp_path: Path) -> None:
    async def main(url: str) -> None:
        dm = client_for(url, tmp_path)
        try:
            with pytest.raises(DmRefusedError, match="names nothing"):
                await dm.job("owner", name)
            with pytest.raises(DmRefusedError, match="JSON"):
                await dm.start_job("owner", "w", {"a": object()})
            with pytest.raises(DmRefusedError, match="cannot be sent"):
                await dm.start_job("owner", "w", {"a": "x" * 60000})
            assert dm.requests == 0
        finally:
            await dm.close()

    with serving(lambda _: Reply()) as stub:
        asyncio.run(main(stub.url))
    assert not stub.seen


def test_not_found_is_an_answer_to_a_question_about_files(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        dm = client_for(url, tmp_path)
        try:
            assert await dm.file_exists("e", "a/b.h5") is False
            assert await dm.file_count("e") == 0
            assert (dm.requests, dm.request_errors) == (2, 0)
            with pytest.raises(DmNotFoundError):
                await dm.experiment("e")
            assert dm.request_errors == 1
        finally:
            await dm.close()

    with serving(lambda _: refusal(14, "File a/b.h5 does not exist", "ObjectNotFound")) as stub:
        asyncio.run(main(stub.url))
