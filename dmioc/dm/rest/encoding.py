"""How values travel in DM's addresses and forms (``dm-protocol.md §2.1``)."""

from __future__ import annotations

import base64
from urllib.parse import quote

_LINE_LENGTH = 76  # of base64 in MIME, which is what Python's encodebytes writes


def encode(text: str) -> str:
    """DM's encoding of a value: base64 twice, written as Python writes bytes.

    This is the form that the vendor's own Python client puts on the wire, recorded from the real service: the inner
    base64 has a newline every 76 characters and at its end, and the outer one stands between ``b'`` and ``'``. The
    other form that is known to work (dmax: no inner newlines) is somebody else's reading of it; this is the surer one.
    """
    inner = base64.b64encode(text.encode("utf-8", "replace"))
    lines = b"".join(inner[at : at + _LINE_LENGTH] + b"\n" for at in range(0, len(inner), _LINE_LENGTH))
    return f"b'{base64.b64encode(lines).decode('ascii')}'"


def in_path(encoded: str) -> str:
    """An encoded value as a path segment.

    Base64 of base64 never holds ``/`` or ``+`` (no byte of the inner text ends in the bits these need), and the quotes
    and ``=`` are allowed in a path: the recordings show them as they are.
    """
    return encoded


def in_query(encoded: str) -> str:
    """An encoded value in a query or form; by replacement, as `quote` needs 0.1 s for a megabyte."""
    return encoded.replace("'", "%27").replace("=", "%3D")


def plain(text: str) -> str:
    """A value that DM takes without its encoding, safe in a path, query or form."""
    return quote(text.encode("utf-8", "replace"), safe="")
