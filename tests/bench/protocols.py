"""Channel Access and PVAccess of the gateway beside bare servers with as many PVs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from epics_environment import LOOPBACK, client_environment, epics_ports, free_port
from figures import Figure, speed_at_least, times_at_most
from options import Options
from servers import BARE_PREFIX, HERE, addresses, bare_server, bench_gateway

CA_MOST, PVA_LEAST = 1.10, 0.90
MEASURING_S = 1800


def channel_access(options: Options) -> Iterator[Figure]:
    """Round trips, the gateway's time by that of a bare caproto IOC."""
    port = free_port()
    with bench_gateway() as gateway, bare_server("bare_ca.py", {"EPICS_CA_SERVER_PORT": str(port)}) as bare:
        where = {"EPICS_CA_ADDR_LIST": f"{LOOPBACK}:{epics_ports().ca_server} {bare.address}"}
        found = measured("ca_measuring.py", options, (gateway.prefix, BARE_PREFIX), where)
    for name, times in found[gateway.prefix].items():
        yield times_at_most("CA", name, times, found[BARE_PREFIX][name], "ms", CA_MOST, "bare caproto")


def pv_access(options: Options) -> Iterator[Figure]:
    """Round trips, the gateway's speed by that of a bare p4p server."""
    with bench_gateway() as gateway, bare_server("bare_pva.py") as bare:
        words = (addresses(gateway)[1], gateway.prefix, bare.address, BARE_PREFIX)
        found = measured("pva_measuring.py", options, words, {})
    for name, times in found[gateway.prefix].items():
        yield speed_at_least("PVA", name, times, found[BARE_PREFIX][name], "ms", PVA_LEAST, "bare p4p")


def measured(
    script: str, options: Options, words: tuple[str, ...], environment: dict[str, str]
) -> dict[str, dict[str, list[float]]]:
    """What a client process measured: by prefix, by operation, ms of each round."""
    command = [sys.executable, str(HERE / script), str(options.rounds), str(options.operations), *words]
    done = subprocess.run(
        command,
        env=os.environ | client_environment() | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=MEASURING_S,
    )
    return json.loads(done.stdout.splitlines()[-1])
