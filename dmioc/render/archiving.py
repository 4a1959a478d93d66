"""What an archiver keeps of the station: a rule, the list of names, and the request of the Archiver Appliance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.model import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmioc.catalogue import PV, Catalogue
    from dmioc.render.site import Site

_HEALTH_GROUPS = frozenset({"", *(f"{service.value}:" for service in Service)})


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a PV is archived.

    Attributes:
        method: ``monitor``: every change; ``scan``: the value at each period.
        period_s: of a scan; for a monitor the shortest time between two changes that the archiver plans for.
    """

    method: str
    period_s: float


EVERY_CHANGE = Sampling("monitor", 1.0)
EVERY_MINUTE = Sampling("scan", 60.0)


def sampling(pv: PV) -> Sampling | None:
    """How to archive the PV; None: not at all.

    The rule: what the gateway publishes as a state, a count, a percentage or a short string is kept at every change,
    so that the history tells which DAQ or job was at which stage when. The numbers of the gateway's and the services'
    health change all the time: once a minute. Not kept are texts (up to 1 MB each; the audit file and the log have
    them), setpoints and commands (every put is in the audit file), and elsewhere the clocks that only tick.
    """
    if pv.writable or pv.kind.is_text or not pv.kind.is_scalar:
        return None
    if pv.kind in (Kind.ENUM, Kind.STRING):
        return EVERY_CHANGE
    if pv.group in _HEALTH_GROUPS and pv.service is None:
        return EVERY_MINUTE
    return None if pv.unit == "s" else EVERY_CHANGE


def archive_tag(how: Sampling) -> str:
    """The value of a record's info ``archive``, as ChannelFinder hands it to an appliance: ``monitor@1.0``."""
    return f"{how.method}@{how.period_s}"


def archive_names(catalogue: Catalogue, site: Site) -> str:
    """The full names, one a line: what is pasted into an archiver's page."""
    return "".join(f"{name}\n" for name, _ in _archived(catalogue, site))


def archive_request(catalogue: Catalogue, site: Site) -> str:
    """The JSON body of the Archiver Appliance's ``archivePV``: one object a line."""
    entries = [
        {"pv": name, "samplingmethod": how.method.upper(), "samplingperiod": str(how.period_s)}
        for name, how in _archived(catalogue, site)
    ]
    return "[\n" + ",\n".join(f" {json.dumps(entry)}" for entry in entries) + "\n]\n"


def _archived(catalogue: Catalogue, site: Site) -> Iterator[tuple[str, Sampling]]:
    for pv in catalogue:
        how = sampling(pv)
        if how is not None:
            yield site.prefix + pv.name, how
