"""Whether EPICS clients that are started in this shell find the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dmioc.check.findings import Finding, ok, warning
from dmioc.check.host import Place

_LOOPBACK = "127."
_NAMES_OF_LOOPBACK = frozenset({"localhost", "localhost.localdomain"})
_PORT_VARIABLES = {"CA": "EPICS_CA_SERVER_PORT", "PVA": "EPICS_PVA_BROADCAST_PORT"}


def clients(place: Place, environment: Mapping[str, str], is_station: bool) -> list[Finding]:
    """What the address lists of clients say, beside where the gateway listens.

    Args:
        place: Where the protocol is served.
        environment: Variables of this shell; other shells may have others.
        is_station: Whether a DM is configured, so that clients on other hosts are to be expected.
    """
    kind = "CA" if place.section == "ca" else "PVA"
    found = [_search(place, kind, environment)]
    if is_station and all(_is_loopback(host) for host in place.interfaces):
        text = f"served at {' '.join(place.interfaces)}: clients on other hosts do not find it"
        found.append(
            warning(f"{place.protocol} interfaces", text, f'[{place.section}] interfaces = ["0.0.0.0"] serves them')
        )
    return found


def _search(place: Place, kind: str, environment: Mapping[str, str]) -> Finding:
    what = f"{place.protocol} clients"
    listed = environment.get(f"EPICS_{kind}_ADDR_LIST", "").split()
    is_auto = environment.get(f"EPICS_{kind}_AUTO_ADDR_LIST", "").strip().upper() != "NO"
    where = " and ".join([*([" ".join(listed)] if listed else []), *(["by broadcast"] if is_auto else [])])
    text = f"of this shell search {where or 'nowhere'}"
    values = {"addresses": listed, "auto": is_auto}
    if not _is_found(place, listed, is_auto):
        host = next((host for host in place.interfaces if host != "0.0.0.0"), "127.0.0.1")
        remedy = f"export EPICS_{kind}_AUTO_ADDR_LIST=NO EPICS_{kind}_ADDR_LIST={host}"
        return warning(what, f"{text}, which does not reach {' '.join(place.interfaces)}", remedy, **values)
    variable = _PORT_VARIABLES[kind]
    asked = environment.get(variable, "").strip()
    if (asked or place.is_fixed) and asked != str(place.udp_port) and not any(":" in one for one in listed):
        shown = f"{variable}={asked}" if asked else f"{variable} is not set"
        return warning(
            what,
            f"{text}; {shown}, the gateway is at {place.udp_port}",
            f"export {variable}={place.udp_port}",
            **values,
        )
    return ok(what, text, **values)


def _is_found(place: Place, listed: Sequence[str], is_auto: bool) -> bool:
    hosts = {address.partition(":")[0] for address in listed}
    if all(_is_loopback(host) for host in place.interfaces):
        # What is bound to loopback alone hears no broadcast.
        return any(_is_loopback(host) for host in hosts)
    return is_auto or bool(hosts)


def _is_loopback(host: str) -> bool:
    return host.startswith(_LOOPBACK) or host in _NAMES_OF_LOOPBACK
