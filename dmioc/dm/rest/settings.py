"""What the REST client is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmioc.dm.rest.endpoints import endpoint_table
from dmioc.dm.station import StationSettings
from dmioc.errors import ConfigurationError

_FINGERPRINT_DIGITS = 64  # SHA-256 in hex


@dataclass(frozen=True)
class RestSettings(StationSettings):
    """Where DM is, who asks, how its certificate is checked and how long an answer may take.

    Attributes:
        ca_file: Certificates (PEM) to trust instead of the system's.
        fingerprint: SHA-256 of the server's certificate in hex, with or without colons; that certificate alone is
            then taken, whatever its name, its dates and its issuer.
        verify: Whether certificates are checked at all; a fingerprint is checked also when this is false.
        endpoints: Corrections of the endpoint table, DM's method name to ``VERB /path``.
        backend_name: What `RestDm.name` answers: ``rest`` or ``local``.

    Raises:
        ConfigurationError: for a value that cannot be; the text names the key.
    """

    ca_file: Path | None = None
    fingerprint: str = ""
    verify: bool = True
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    write_timeout_s: float = 10.0
    pool_timeout_s: float = 10.0
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    backend_name: str = "rest"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_seconds("connect_timeout_s", "read_timeout_s", "write_timeout_s", "pool_timeout_s")
        digits = self.fingerprint_digits
        if digits and (len(digits) != _FINGERPRINT_DIGITS or set(digits) - set("0123456789abcdef")):
            raise ConfigurationError(
                f"fingerprint = {self.fingerprint!r}: a SHA-256 fingerprint has 64 hexadecimal digits, "
                "as `openssl x509 -noout -fingerprint -sha256` prints it"
            )
        endpoint_table(self.endpoints)

    @property
    def fingerprint_digits(self) -> str:
        """The fingerprint as lower-case digits only; empty for none."""
        return self.fingerprint.replace(":", "").replace(" ", "").lower()
