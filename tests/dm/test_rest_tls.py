"""Whose certificate is taken: pinned, trusted by ca_file, or any when asked for; and the password only then."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rest_stub import Stub, client_for, json_reply, serving, settings_for

from dmioc.dm.rest import RestDm
from dmioc.errors import ConfigurationError, DmUnreachableError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")


@dataclass
class TlsStub:
    stub: Stub
    certificate: Path
    fingerprint: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dm.test"]
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *extra], check=True, capture_output=True, timeout=30)
    return key, certificate


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> Iterator[TlsStub]:
    key, path = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    with serving(lambda _: json_reply([]), context) as stub:
        stub.wants_login = True
        yield TlsStub(stub, path, hashlib.sha256(der).hexdigest())


def ask(url: str, folder: Path, **changes: object) -> None:
    async def main() -> None:
        dm = client_for(url, folder, **changes)
        try:
            await dm.experiments()
        finally:
            await dm.close()

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_an_unknown_certificate_is_refused_by_default(scheme: str, tls: TlsStub, tmp_path: Path) -> None:
    with pytest.raises(DmUnreachableError) as caught:
        ask(tls.stub.url.replace("https", scheme), tmp_path)
    assert "the certificate was not taken: self-signed certificate; set ca_file or fingerprint" in str(caught.value)
    assert not tls.stub.seen


def test_ca_file(tls: TlsStub, tmp_path: Path) -> None:
    ask(tls.stub.url, tmp_path, ca_file=tls.certificate)
    assert len(tls.stub.logins) == 1


def test_ca_file_also_checks_the_name(tls: TlsStub, tmp_path: Path) -> None:
    with pytest.raises(DmUnreachableError, match=r"Hostname mismatch|not valid for 'localhost'"):
        ask(tls.stub.url.replace("127.0.0.1", "localhost"), tmp_path, ca_file=tls.certificate)
    assert not tls.stub.seen


@pytest.mark.parametrize("verify", [True, False])
def test_pinned_fingerprint(verify: bool, tls: TlsStub, tmp_path: Path) -> None:
    digits = tls.fingerprint.upper()
    colons = ":".join(digits[at : at + 2] for at in range(0, 64, 2))
    ask(tls.stub.url, tmp_path, fingerprint=colons, verify=verify)
    assert len(tls.stub.logins) == 1


@pytest.mark.parametrize("verify", [True, False])
def test_another_certificate_than_the_pinned_one_gets_not_a_byte(verify: bool, tls: TlsStub, tmp_path: Path) -> None:
    with pytest.raises(DmUnreachableError) as caught:
        ask(tls.stub.url, tmp_path, fingerprint="ab" * 32, verify=verify)
    assert tls.fingerprint in str(caught.value) and "ab" * 32 in str(caught.value)
    assert not tls.stub.seen


def test_no_check_when_asked_for(tls: TlsStub, tmp_path: Path) -> None:
    ask(tls.stub.url, tmp_path, verify=False)
    assert len(tls.stub.logins) == 1
    dm = RestDm(settings_for(tls.stub.url, tmp_path, verify=False))
    assert dm.warnings == ("DM's certificates are not verified (verify = false): whoever answers gets the password",)
    asyncio.run(dm.close())


def test_tls_where_none_is_spoken(tmp_path: Path) -> None:
    with serving(lambda _: json_reply([])) as stub, pytest.raises(DmUnreachableError) as caught:
        ask(stub.url.replace("http:", "https:"), tmp_path, verify=False)
    assert "no TLS connection: " in str(caught.value)


def test_a_ca_file_that_cannot_be_used(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigurationError, match=f"ca_file = '{path}': no certificates can be read from it"):
            RestDm(settings_for("https://127.0.0.1:1", tmp_path, ca_file=path))
