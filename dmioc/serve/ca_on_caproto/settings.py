"""Where Channel Access is served."""

from __future__ import annotations

from dataclasses import dataclass

import caproto

from dmioc.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"
_BEACON_PORT = 5065


@dataclass(frozen=True, slots=True)
class CaSettings:
    """Addresses and limits of the server.

    Attributes:
        interfaces: IPv4 addresses to listen on; ``0.0.0.0`` for all. On one that is neither this nor loopback, searches sent by
            broadcast are heard if its broadcast address is among ``beacon_addresses``.
        port: of UDP, and of TCP. 0: ``EPICS_CA_SERVER_PORT`` or 5064, and any free one for TCP where that is taken.
        beacon_addresses: ``host`` or ``host:port`` that are told that the server is up; the port is ``EPICS_CAS_BEACON_PORT``,
            ``EPICS_CA_REPEATER_PORT`` or 5065 where none is given.
        backlog: most updates of one PV that wait for one client; older ones are dropped, the newest never.
    """

    interfaces: tuple[str, ...] = (LOOPBACK,)
    port: int = 0
    beacon_addresses: tuple[str, ...] = (LOOPBACK,)
    backlog: int = 20

    def server_port(self) -> int:
        """The port, from the environment if none is set.

        Raises `ConfigurationError` for an environment that makes no sense.
        """
        return self.port or int(_environment()["EPICS_CA_SERVER_PORT"])

    def beacon_targets(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every beacon address.

        Raises `ConfigurationError` naming an address whose port is no number.
        """
        default = _environment()["EPICS_CAS_BEACON_PORT"]
        if default == _BEACON_PORT:
            default = _environment()["EPICS_CA_REPEATER_PORT"]
        targets: list[tuple[str, int]] = []
        for address in self.beacon_addresses:
            host, _, port = address.partition(":")
            if port and not port.isdecimal():
                raise ConfigurationError(f"beacon address {address!r} should be HOST or HOST:PORT")
            targets.append((host, int(port or default)))
        return tuple(targets)


def beacon_period_s() -> float:
    """Longest time between two beacons; raises `ConfigurationError` as `CaSettings.server_port` does."""
    return float(_environment()["EPICS_CAS_BEACON_PERIOD"])


def _environment() -> dict[str, str | int | float]:
    """The variables of EPICS with caproto's defaults, read when asked for and not at import."""
    try:
        return caproto.get_environment_variables()
    except caproto.CaprotoError as error:
        raise ConfigurationError(f"Channel Access: {error}") from error
