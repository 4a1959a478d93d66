"""The whole check of a station."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from dmioc.app import ca_settings_of, catalogue_of, pva_settings_of
from dmioc.check.addresses import clients
from dmioc.check.backend import Reached, endpoints, methods, reached
from dmioc.check.findings import Finding, Report, ok
from dmioc.check.host import Place, aliases, ports, prefix, state_directory, versions
from dmioc.check.services import service
from dmioc.config import BackendName, Settings
from dmioc.dm.rest import RestDm

_PVA_PORT, _PVA_BROADCAST_PORT = 5075, 5076


def check_station(settings: Settings, environment: Mapping[str, str], source: Path | None) -> Report:
    """Look at everything, in a time that has an end: every question to DM has the deadline of the settings.

    Args:
        settings: What is in force.
        environment: Variables of this shell, for what EPICS clients in it would do.
        source: The settings file, for the report.

    Raises:
        ConfigurationError: a prefix or a port that cannot be; what else is wrong is a finding.
    """
    catalogue = catalogue_of(settings)
    name = settings.gateway.prefix
    first = [
        versions(),
        ok(
            "settings",
            f"{source or 'no file'}; prefix {name}, {len(catalogue)} PVs",
            file=str(source or ""),
            prefix=name,
        ),
        state_directory(settings.gateway.state_directory),
    ]
    reach, about = reached(settings)
    rest = asyncio.run(_ask(settings, environment, reach))
    return Report((*first, *about, *rest))


async def _ask(settings: Settings, environment: Mapping[str, str], reach: Reached) -> list[Finding]:
    ca = ca_settings_of(settings)
    (held, is_running), of_aliases, of_dm = await asyncio.gather(
        prefix(settings, ca), aliases(settings, ca), _dm(settings, reach)
    )
    findings = [*of_dm, held, *of_aliases]
    is_station = settings.dm.backend is not BackendName.LOCAL
    for place in _places(settings):
        findings += [ports(place, is_running), *clients(place, environment, is_station)]
    return findings


def _places(settings: Settings) -> list[Place]:
    ca, pva = ca_settings_of(settings), pva_settings_of(settings)
    found = pva.configuration()
    ca_port = ca.server_port()
    return [
        Place("Channel Access", "ca", ca.interfaces, ca_port, ca_port, is_fixed=bool(settings.ca.port)),
        Place(
            "PVAccess",
            "pva",
            pva.interfaces,
            int(found.get("EPICS_PVAS_SERVER_PORT", _PVA_PORT)),
            int(found.get("EPICS_PVAS_BROADCAST_PORT", _PVA_BROADCAST_PORT)),
            is_fixed=bool(settings.pva.port),
        ),
    ]


async def _dm(settings: Settings, reach: Reached) -> list[Finding]:
    dm = reach.dm
    try:
        found = await asyncio.gather(*(service(reach, name, settings.dm) for name in reach.urls))
    finally:
        if dm is not None:
            await dm.close()
    findings = [finding for one in found for finding in one.findings]
    answered = [name for one in found for name in one.answered]
    if isinstance(dm, RestDm):
        return [*findings, *endpoints(dm, reach.is_local, answered)]
    return [*findings, *methods(dm)] if dm is not None else findings
