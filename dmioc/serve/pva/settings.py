"""Where PVAccess is served."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dmioc.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
_LAST_PORT = 65535
_TAKEN_OVER = ("EPICS_PVAS_IGNORE_ADDR_LIST", "EPICS_PVA_CONN_TMO")
"""Variables that are PVXS' own matter; it reads none itself, since it would add the environment's interfaces to ours."""


@dataclass(frozen=True, slots=True)
class PvaSettings:
    """Addresses of the server.

    Attributes:
        interfaces: addresses to listen on; ``0.0.0.0`` for all.
        port: of TCP. 0: ``EPICS_PVAS_SERVER_PORT``, ``EPICS_PVA_SERVER_PORT`` or 5075, and any free one where that is taken.
        broadcast_port: of UDP, where searches come in. 0: ``EPICS_PVAS_BROADCAST_PORT``, ``EPICS_PVA_BROADCAST_PORT`` or 5076.
        beacon_addresses: ``host`` or ``host:port`` that are told that the server is up; none: the broadcast addresses of the
            interfaces.
    """

    interfaces: tuple[str, ...] = (LOOPBACK,)
    port: int = 0
    broadcast_port: int = 0
    beacon_addresses: tuple[str, ...] = (LOOPBACK,)

    def configuration(self) -> dict[str, str]:
        """The settings in PVXS' words, with the environment's ports where none are set; PVXS itself is to read no environment.

        Raises `ConfigurationError` when no interface is named, to PVXS that would mean all of them; and for a port in the
        environment that is none.
        """
        if not self.interfaces:
            raise ConfigurationError(f"PVAccess has no interface to listen on; {LOOPBACK} would be one")
        found = {
            "EPICS_PVAS_INTF_ADDR_LIST": " ".join(self.interfaces),
            "EPICS_PVAS_BEACON_ADDR_LIST": " ".join(self.beacon_addresses),
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO" if self.beacon_addresses else "YES",
        }
        found |= {name: os.environ[name] for name in _TAKEN_OVER if name in os.environ}
        for name, port in (("SERVER_PORT", self.port), ("BROADCAST_PORT", self.broadcast_port)):
            if port or (port := _environment_port(name)):
                found[f"EPICS_PVAS_{name}"] = str(port)
        return found


def _environment_port(name: str) -> int:
    """The server's own variable, else the one for all; 0 where neither is set."""
    for variable in (f"EPICS_PVAS_{name}", f"EPICS_PVA_{name}"):
        text = os.environ.get(variable, "").strip()
        if text:
            if text.isdecimal() and int(text) <= _LAST_PORT:
                return int(text)
            raise ConfigurationError(f"{variable} should be a port from 0 to {_LAST_PORT}, not {text!r}")
    return 0
