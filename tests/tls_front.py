"""TLS in front of a service that speaks none, with a certificate made for the test."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest


@dataclass(frozen=True)
class TlsFront:
    """Where it listens, and the SHA-256 of its certificate."""

    url: str
    fingerprint: str


@contextmanager
def tls_front(url: str, folder: Path, days: int) -> Iterator[TlsFront]:
    """Carries every connection to the address of a service; the certificate is for ``dm.test`` and by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    key, certificate = folder / "front.key", folder / "front.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=dm.test"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=30
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    target = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, context, target), daemon=True).start()
        yield TlsFront(f"https://127.0.0.1:{server.getsockname()[1]}", hashlib.sha256(der).hexdigest())


def _accept(server: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            plain, _ = server.accept()
            threading.Thread(target=_carry, args=(plain, context, target), daemon=True).start()


def _carry(plain: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with plain, suppress(OSError):
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection(target) as service:
            back = threading.Thread(target=_copy, args=(service, client), daemon=True)
            back.start()
            _copy(client, service)
            back.join(5.0)


def _copy(source: socket.socket, destination: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            destination.sendall(data)
    with suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
