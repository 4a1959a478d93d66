"""What the REST client is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dmioc.dm.rest.endpoints import endpoint_table
from dmioc.errors import ConfigurationError
from dmioc.model import Service

_FINGERPRINT_DIGITS = 64  # SHA-256 in hex


@dataclass(frozen=True)
class RestSettings:
    """Where DM is, who asks, how its certificate is checked and how long an answer may take.

    Attributes:
        ds_url: Address of the data storage service, ``scheme://host:port`` (``dm-protocol.md §1.2``); the others so.
        station: Name of the DM station, e.g. ``25IDC``.
        login_file: File with one line ``user|password`` (``dm-protocol.md §1.4``).
        owner: DM user that owns jobs; empty for the login user.
        ca_file: Certificates (PEM) to trust instead of the system's.
        fingerprint: SHA-256 of the server's certificate in hex, with or without colons; that certificate alone is
            then taken, whatever its name, its dates and its issuer.
        verify: Whether certificates are checked at all; a fingerprint is checked also when this is false.
        deadline_s: Longest time for a whole request: login, sending and the last byte of the answer.
        endpoints: Corrections of the endpoint table, DM's method name to ``VERB /path``.
        backend_name: What `RestDm.name` answers: ``rest`` or ``local``.

    Raises:
        ConfigurationError: for a value that cannot be; the text names the key.
    """

    ds_url: str
    daq_url: str
    proc_url: str
    cat_url: str
    station: str
    login_file: Path
    owner: str = ""
    ca_file: Path | None = None
    fingerprint: str = ""
    verify: bool = True
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    write_timeout_s: float = 10.0
    pool_timeout_s: float = 10.0
    deadline_s: float = 30.0
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    backend_name: str = "rest"

    def __post_init__(self) -> None:
        for key in ("ds_url", "daq_url", "proc_url", "cat_url"):
            _check_url(key, getattr(self, key))
        for key in ("connect_timeout_s", "read_timeout_s", "write_timeout_s", "pool_timeout_s", "deadline_s"):
            if not getattr(self, key) > 0.0:
                raise ConfigurationError(f"{key} = {getattr(self, key)!r}: more than 0 seconds are needed")
        if not self.station or "/" in self.station:
            raise ConfigurationError(f"station = {self.station!r}: the name of a DM station is needed, e.g. '25IDC'")
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

    def url(self, service: Service) -> str:
        """Address of a service in lower case, without a trailing slash."""
        urls = {
            Service.DS: self.ds_url,
            Service.DAQ: self.daq_url,
            Service.PROC: self.proc_url,
            Service.CAT: self.cat_url,
        }
        return urls[service].rstrip("/").lower()


def _check_url(key: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = (
            url.isprintable()
            and " " not in url
            and parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
        )
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
        parts = urlsplit("")
    if usable and parts.username is None and parts.path in {"", "/"} and not parts.query and not parts.fragment:
        return
    # A password in the address must not be shown, so the address is cut at it.
    shown = url.rsplit("@", 1)[-1]
    raise ConfigurationError(f"{key} = {shown!r}: scheme://host:port is needed, e.g. 'https://s25idcdm:33336'")
