"""A look at an address of DM: time, certificate, clock; and addresses where no DM is."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest
from rest_stub import json_reply, serving
from tls_front import tls_front

from dmioc.dm.probe import Certificate, Probe, probe
from dmioc.errors import DmAnswerError, DmUnreachableError


async def _probe(url: str, deadline_s: float = 5.0) -> Probe:
    return await probe(url, deadline_s)


def test_probe(tmp_path: Path) -> None:
    with serving(lambda _: json_reply({})) as stub:
        found = asyncio.run(_probe(stub.url))
        assert found.certificate is None and abs(found.ahead_s or 9.0) < 2.0
        assert not stub.logins
        with tls_front(stub.url, tmp_path, days=400) as front:
            shown = asyncio.run(_probe(front.url)).certificate
    assert shown is not None
    assert (shown.fingerprint, shown.subject, shown.is_self_signed) == (front.fingerprint, "dm.test", True)
    assert 399.0 < shown.days_left(time.time()) <= 400.0
    assert Certificate("ab").ends_s == 0.0
    with pytest.raises(DmUnreachableError, match="connection refused"):
        asyncio.run(_probe("http://127.0.0.1:9"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(DmUnreachableError, match="no answer within"):
            asyncio.run(_probe(f"http://127.0.0.1:{server.getsockname()[1]}", 0.2))


def test_what_answers_may_be_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example SMTP ready\r\n\r\n")

        threading.Thread(target=talk, daemon=True).start()
        with pytest.raises(DmAnswerError, match=r"speaks no HTTP: '220 mail\.example SMTP ready'"):
            asyncio.run(_probe(f"http://127.0.0.1:{server.getsockname()[1]}"))
