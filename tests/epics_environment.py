"""EPICS on loopback only, with ports of its own for each pytest process, so that suites run side by side.

libca reads the environment once, when it starts: it must be set before ``epics`` is imported, which the autouse fixture ``epics``
of ``conftest.py`` does.
"""

from __future__ import annotations

import functools
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
PORTS = (20000, 32000)
"""Below the range that the kernel hands out by itself, which is from 32768 on."""


@dataclass(frozen=True)
class EpicsPorts:
    """Ports of this pytest process."""

    ca_server: int
    ca_repeater: int
    pva_server: int
    pva_broadcast: int


@functools.cache
def epics_ports() -> EpicsPorts:
    """Free ports, chosen once for the process."""
    chosen: set[int] = set()
    while len(chosen) < 4:
        chosen.add(free_port())
    return EpicsPorts(*chosen)


def free_port() -> int:
    """A port of nobody, for TCP and UDP; one that the kernel does not give to others meanwhile, and another each time."""
    while not is_free(port := random.SystemRandom().randrange(*PORTS)):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether nobody holds the port on loopback, neither TCP nor UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def client_environment() -> dict[str, str]:
    """What clients need to find servers of this process only."""
    ports = epics_ports()
    return {
        "EPICS_CA_ADDR_LIST": LOOPBACK,
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(ports.ca_server),
        "EPICS_CA_REPEATER_PORT": str(ports.ca_repeater),
        "EPICS_CA_MAX_ARRAY_BYTES": "20000000",
        "EPICS_PVA_ADDR_LIST": LOOPBACK,
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_SERVER_PORT": str(ports.pva_server),
        "EPICS_PVA_BROADCAST_PORT": str(ports.pva_broadcast),
    }


def server_environment() -> dict[str, str]:
    """What servers need to be seen by clients of this process only."""
    ports = epics_ports()
    return {
        "EPICS_CA_SERVER_PORT": str(ports.ca_server),
        "EPICS_CA_REPEATER_PORT": str(ports.ca_repeater),
        "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_SERVER_PORT": str(ports.ca_server),
        "EPICS_CAS_BEACON_PORT": str(ports.ca_repeater),
        "EPICS_PVA_SERVER_PORT": str(ports.pva_server),
        "EPICS_PVA_BROADCAST_PORT": str(ports.pva_broadcast),
        "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_PVAS_BEACON_ADDR_LIST": LOOPBACK,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_PVAS_SERVER_PORT": str(ports.pva_server),
        "EPICS_PVAS_BROADCAST_PORT": str(ports.pva_broadcast),
    }


@contextmanager
def repeater_process() -> Iterator[None]:
    """A CA repeater of our own: libca would start one that outlives the test, caproto's tools one that holds stdout."""
    process = subprocess.Popen(
        [sys.executable, "-m", "caproto.commandline.repeater", "--quiet"],
        env=os.environ | client_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
