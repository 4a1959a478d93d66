"""One look at an address of DM: whether it answers, how fast, with what certificate, and what time it has there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast
from urllib.parse import urlsplit

from dmioc.dm.readers.refusals import one_line
from dmioc.errors import DmAnswerError, DmUnreachableError

_PORTS = {"http": 80, "https": 443}
_HEAD_BYTES = 65536
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python does not name
_SECONDS_A_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server showed; names are empty and ``ends_s`` is 0.0 where they cannot be read.

    ``fingerprint`` is the SHA-256 in hex, as ``[dm] fingerprint`` takes it; ``ends_s`` POSIX seconds.
    """

    fingerprint: str
    subject: str = ""
    issuer: str = ""
    ends_s: float = 0.0

    @property
    def is_self_signed(self) -> bool:
        """Whether nobody else vouches for it."""
        return self.subject == self.issuer

    def days_left(self, now_s: float) -> float:
        """Days until it expires, negative ones since it has."""
        return (self.ends_s - now_s) / _SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class Probe:
    """What was seen: seconds to connect and to be answered, HTTP status, certificate (https only), clock.

    ``ahead_s`` is how much the clock of DM's host is before ours, to the second; None if the answer had no time.
    """

    connect_s: float
    answer_s: float
    status: int
    certificate: Certificate | None = None
    ahead_s: float | None = None


async def probe(url: str, deadline_s: float) -> Probe:
    """Connect and ask for nothing in particular, without a login; no certificate is refused.

    Raises:
        DmUnreachableError: no answer within the deadline.
        DmAnswerError: what answers speaks no HTTP.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await _probe(url)
    except TimeoutError:
        raise DmUnreachableError(f"{url}: no answer within {deadline_s:g} s") from None
    except asyncio.LimitOverrunError:
        raise DmAnswerError(f"{url}: what answers speaks no HTTP") from None
    except (OSError, EOFError) as error:
        # asyncio puts a longer text with the address in the error itself.
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number).lower() if number and number > 0 else str(error) or "connection lost"
        raise DmUnreachableError(f"{url}: {one_line(reason)}", request_sent=False) from None


async def _probe(url: str) -> Probe:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = _unverified() if parts.scheme == "https" else None
    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_HEAD_BYTES)
    try:
        connected_s = time.monotonic()
        writer.write(f"GET /dm/ HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode("ascii"))
        head = await reader.readuntil(b"\r\n\r\n")
        now_s = time.time()
        answered_s = time.monotonic()
        shown = cast("ssl.SSLObject | None", writer.get_extra_info("ssl_object"))
        der = shown.getpeercert(binary_form=True) if shown is not None else None
    finally:
        writer.transport.abort()  # nothing more is to come, and a peer that is gone would not say goodbye
    status, headers = _parsed(url, head)
    return Probe(
        connect_s=connected_s - began_s,
        answer_s=answered_s - connected_s,
        status=status,
        certificate=await _certificate(host, port, der) if der else None,
        ahead_s=_ahead_s(headers.get("date", ""), now_s),
    )


def _parsed(url: str, head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise DmAnswerError(f"{url}: what answers speaks no HTTP: {one_line(first, 60)!r}")
    fields = (line.partition(":") for line in lines if ":" in line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


def _ahead_s(date: str, now_s: float) -> float | None:
    """HTTP dates have no fractions: half a second is the best guess for the part that was cut."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now_s
    except ValueError:
        return None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _certificate(host: str, port: int, der: bytes) -> Certificate:
    """The certificate in words. Python reads one only when it trusts it, so that a second connection trusts just this one."""
    fingerprint = hashlib.sha256(der).hexdigest()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        context.load_verify_locations(cadata=der)
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, EOFError):
        return Certificate(fingerprint)
    try:
        shown = cast("ssl.SSLObject", writer.get_extra_info("ssl_object"))
        read = cast("Mapping[str, object]", shown.getpeercert() or {})
    finally:
        writer.transport.abort()
    ends_s = float(ssl.cert_time_to_seconds(str(read["notAfter"]))) if "notAfter" in read else 0.0
    return Certificate(fingerprint, _name(read.get("subject")), _name(read.get("issuer")), ends_s)


def _name(name: object) -> str:
    """The common name, else the organisation, of a name as `ssl` gives it."""
    pairs = {key: value for part in cast("Sequence[Sequence[tuple[str, str]]]", name or ()) for key, value in part}
    return one_line(pairs.get("commonName") or pairs.get("organizationName") or "", 60)


def day(posix_s: float) -> str:
    """The day of a time, ``YYYY-MM-DD`` in UTC."""
    return datetime.fromtimestamp(posix_s, UTC).date().isoformat()
