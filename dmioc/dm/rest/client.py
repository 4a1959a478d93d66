"""DM by its REST protocol, as the engine sees it."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from dmioc.dm.calls.acquisition import AcquisitionCalls
from dmioc.dm.calls.catalog import CatalogCalls
from dmioc.dm.calls.processing import ProcessingCalls
from dmioc.dm.calls.records import RecordCalls
from dmioc.dm.calls.storage import StorageCalls
from dmioc.dm.rest.calls import RestCalls
from dmioc.dm.rest.endpoints import Endpoint
from dmioc.dm.rest.settings import RestSettings
from dmioc.errors import ConfigurationError, DmLoginError
from dmioc.model import Service

_log = logging.getLogger(__name__)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class RestDm(RestCalls, StorageCalls, AcquisitionCalls, ProcessingCalls, CatalogCalls, RecordCalls):
    """A `dmioc.engine.ports.DmBackend` that speaks with DM's four services.

    Making one reads the certificate file, and the login file for the name of its user; no connection is made before
    the first call. Belongs to the event loop of its first call.

    Raises:
        ConfigurationError: the login file or ``ca_file`` cannot be used.
    """

    def __init__(self, settings: RestSettings) -> None:
        super().__init__(settings)
        try:
            self._login_user = self._login_file.read().user
        except DmLoginError as error:
            raise ConfigurationError(f"login_file: {error}") from None
        # httpx writes a line for each request, and httpcore writes the cookies.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._setting_warnings = tuple(_setting_warnings(settings))
        for text in self._setting_warnings:
            _log.warning(text)

    def __repr__(self) -> str:
        return f"RestDm({self._settings.backend_name!r}, station={self.station!r})"

    @property
    def name(self) -> str:
        """What serves: ``local`` or ``rest``."""
        return self._settings.backend_name

    @property
    def station(self) -> str:
        """Name of the DM station, e.g. ``25IDC``."""
        return self._settings.station

    @property
    def owner(self) -> str:
        """DM user that owns jobs: the one of the settings, else the login user."""
        return self._settings.owner or self._login_user

    @property
    def requests(self) -> int:
        """Requests sent to DM since start, logins included."""
        return self._counters.requests

    @property
    def request_errors(self) -> int:
        """Calls that ended in an error of any kind since start; "no such file" is an answer and no error."""
        return self._counters.errors

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know about how the password and the connection are guarded, one line each."""
        return (*self._setting_warnings, *self._login_file.warnings)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What it asks where, with the corrections of the settings."""
        return tuple(self._endpoints.values())

    async def close(self) -> None:
        """Give back every connection; the backend is of no use afterwards."""
        for session in self._sessions.values():
            await session.close()


def _setting_warnings(settings: RestSettings) -> list[str]:
    addresses = {settings.url(service) for service in Service}
    warnings: list[str] = []
    if not settings.verify and not settings.fingerprint_digits and any(a.startswith("https") for a in addresses):
        warnings.append("DM's certificates are not verified (verify = false): whoever answers gets the password")
    for address in sorted(addresses):
        parts = urlsplit(address)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            warnings.append(f"{address}: the password goes over the network in the clear; https is needed")
    return warnings
