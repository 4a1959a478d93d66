"""How the server's certificate is checked.

DM's certificates are signed by no authority that systems know (``dm-protocol.md §1.6``), so that a site either names a
file of certificates to trust, or pins the one certificate by its fingerprint, or asks for no check.
"""

from __future__ import annotations

import hashlib
import ssl

from dmioc.dm.rest.settings import RestSettings
from dmioc.errors import ConfigurationError
from dmioc.model import Service


class _PinnedContext(ssl.SSLContext):
    """A context that takes one certificate only, by the SHA-256 of its DER form."""

    fingerprint: str = ""


class _PinnedObject(ssl.SSLObject):
    """Checks the fingerprint as the last step of the handshake, before any byte of a request is sent."""

    def do_handshake(self) -> None:
        """Shake hands and compare; raises `ssl.SSLCertVerificationError` for another certificate."""
        super().do_handshake()
        context = self.context
        expected = context.fingerprint if isinstance(context, _PinnedContext) else ""
        came = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
        if came != expected:
            raise ssl.SSLCertVerificationError(
                f"the server's certificate has fingerprint {came}, the pinned one is {expected}"
            )


def tls_context(settings: RestSettings) -> ssl.SSLContext:
    """The context for every service: pinned, or verified by ``ca_file`` or the system, or not verified.

    Without an https address it is one that trusts nobody: the system's certificates take 25 ms to read.

    Raises:
        ConfigurationError: ``ca_file`` cannot be read or holds no certificate.
    """
    if settings.fingerprint_digits:
        return _pinned_context(settings.fingerprint_digits)
    if not settings.verify:
        return _unverified(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if not any(settings.url(service).startswith("https:") for service in Service):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"ca_file = {str(settings.ca_file)!r}: no certificates can be read from it: {error.strerror or error}"
        ) from error


def _pinned_context(fingerprint: str) -> ssl.SSLContext:
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.fingerprint = fingerprint
    context.sslobject_class = _PinnedObject
    return _unverified(context)


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
