"""What every client of DM has to know: where its services are, which station, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dmioc.errors import ConfigurationError
from dmioc.model import Service


@dataclass(frozen=True)
class StationSettings:
    """Where DM is and who asks.

    Attributes:
        ds_url: Address of the data storage service, ``scheme://host:port`` (``dm-protocol.md §1.2``); the others so.
        station: Name of the DM station, e.g. ``25IDC``.
        login_file: File with one line ``user|password`` (``dm-protocol.md §1.4``).
        owner: DM user that owns jobs; empty for the login user.
        deadline_s: Longest time for a whole request: login, sending and the last byte of the answer.

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
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        for key in ("ds_url", "daq_url", "proc_url", "cat_url"):
            _check_url(key, getattr(self, key))
        self._check_seconds("deadline_s")
        if not self.station or "/" in self.station:
            raise ConfigurationError(f"station = {self.station!r}: the name of a DM station is needed, e.g. '25IDC'")

    def _check_seconds(self, *keys: str) -> None:
        for key in keys:
            if not getattr(self, key) > 0.0:
                raise ConfigurationError(f"{key} = {getattr(self, key)!r}: more than 0 seconds are needed")

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
