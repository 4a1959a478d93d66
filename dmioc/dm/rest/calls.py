"""How a call travels over HTTP: settings, sessions and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from dmioc.dm.calls.base import Calls
from dmioc.dm.login import LoginFile
from dmioc.dm.readers.bodies import Reader
from dmioc.dm.rest.endpoints import endpoint_table
from dmioc.dm.rest.session import Counters, Session
from dmioc.dm.rest.settings import RestSettings
from dmioc.dm.rest.tls import tls_context
from dmioc.model import Service

T = TypeVar("T")


class RestCalls(Calls):
    """Asks an endpoint by DM's name of the method, in the session of its service."""

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._login_file = LoginFile(settings.login_file)
        self._counters = Counters()
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoint_table(settings.endpoints)}
        context = tls_context(settings)
        self._sessions = {
            service: Session(service, settings, self._login_file, context, self._counters) for service in Service
        }

    async def _call(
        self,
        name: str,
        values: Mapping[str, str],
        make_reader: Callable[[str], Reader[T]],
        is_question: bool = False,
    ) -> T:
        """What the reader made of the answer; see `Session.call`. The station is known to every endpoint."""
        endpoint = self._endpoints[name]
        every_value = {"station": self._settings.station, **values}
        return await self._sessions[endpoint.service].call(endpoint, every_value, make_reader, is_question)
