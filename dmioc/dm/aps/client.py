"""DM by the official package, as the engine sees it."""

from __future__ import annotations

import logging
import socket

from dmioc.dm.aps.calls import ApsCalls
from dmioc.dm.aps.methods import Method
from dmioc.dm.aps.package import ApsPackage
from dmioc.dm.aps.settings import ApsSettings
from dmioc.dm.calls.acquisition import AcquisitionCalls
from dmioc.dm.calls.catalog import CatalogCalls
from dmioc.dm.calls.processing import ProcessingCalls
from dmioc.dm.calls.records import RecordCalls
from dmioc.dm.calls.storage import StorageCalls
from dmioc.errors import ConfigurationError, DmLoginError
from dmioc.model import Service

_log = logging.getLogger(__name__)
NAME = "aps-dm-api"


class ApsDm(ApsCalls, StorageCalls, AcquisitionCalls, ProcessingCalls, CatalogCalls, RecordCalls):
    """A `dmioc.engine.ports.DmBackend` over ``aps-dm-api``.

    Making one imports the package, which takes a while, and reads the login file for the name of its user; no connection is made
    before the first call. To be made in the main thread before other threads run. Belongs to the event loop of its first call.

    While it lives, sockets of the process that set no time-out have ``deadline_s``: the package sets none
    (``dm-protocol.md §2.2``), and would hold a thread for ever when DM's host vanishes.

    Raises:
        ConfigurationError: the package or the login file cannot be used.
    """

    def __init__(self, settings: ApsSettings) -> None:
        super().__init__(settings)
        try:
            self._login_user = self._login_file.read().user
        except DmLoginError as error:
            self._log.close()
            raise ConfigurationError(f"login_file: {error}") from None
        self._timeout_before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(settings.deadline_s)
        self._setting_warnings = (*_setting_warnings(settings, self._package), *self._lacking())
        for text in self._setting_warnings:
            _log.warning(text)

    def __repr__(self) -> str:
        return f"ApsDm({self._package.title!r}, station={self.station!r})"

    @property
    def name(self) -> str:
        """What serves: ``aps-dm-api``."""
        return NAME

    @property
    def package(self) -> ApsPackage:
        """The package in use."""
        return self._package

    @property
    def methods(self) -> tuple[Method, ...]:
        """What it calls, with the corrections of the settings."""
        return tuple(self._methods.values())

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
        """Calls of the package since start."""
        return self._counters.requests

    @property
    def request_errors(self) -> int:
        """Calls that ended in an error of any kind since start; "no such file" is an answer and no error."""
        return self._counters.errors

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know about the package and how the password is guarded, one line each."""
        return (*self._setting_warnings, *self._login_file.warnings)

    def stuck_calls(self, service: Service) -> int:
        """How many of the service's threads are in a call that was given up and has not come back."""
        return self._threads[service].stuck()

    def _lacking(self) -> list[str]:
        reasons = {name: self._package.lacks(method) for name, method in self._methods.items()}
        return [f"{reason}: {name} is refused" for name, reason in reasons.items() if reason]

    async def close(self) -> None:
        """End the threads that are not in a call, and put log and sockets back as they were."""
        for threads in self._threads.values():
            threads.close()
        self._log.close()
        socket.setdefaulttimeout(self._timeout_before)


def _setting_warnings(settings: ApsSettings, package: ApsPackage) -> list[str]:
    warnings: list[str] = []
    if not package.version:
        warnings.append(f"aps-dm-api at {package.path} does not tell its version")
    if any(settings.url(service).startswith("https:") for service in Service):
        warnings.append(
            'aps-dm-api verifies no certificate: whoever answers gets the password; backend = "rest" verifies'
        )
    return warnings
