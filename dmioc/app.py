"""The composition root: settings -> DM -> engine -> servers; signals and exit codes."""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import logging
import os
import signal
from contextlib import AsyncExitStack
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any

from dmioc.catalogue import Slots, check_prefix, station_catalogue, with_aliases
from dmioc.config import BackendName
from dmioc.errors import ConfigurationError, PrefixInUseError
from dmioc.localdm.child import USERNAME, LocalDmChild
from dmioc.model import Severity
from dmioc.serve.memory import give_memory_back, keep_heap_small, keep_what_there_is, limit_memory
from dmioc.serve.prefix_lock import held_prefix
from dmioc.serve.resources import log_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dmioc.catalogue import Catalogue
    from dmioc.config import Settings
    from dmioc.dm.backend import Backend
    from dmioc.engine import Gateway
    from dmioc.serve.ca import CaServer, CaSettings
    from dmioc.serve.pva import PvaSettings

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"
DEFAULT_PORT = 5064
_LOCK = "lock"
_SEARCH_S = 0.3
"""How long another server of the prefix has to answer a search."""


class ExitCode(IntEnum):
    """How ``dmioc run`` ends (``design.md``, operations)."""

    STOPPED = 0
    CONFIGURATION = 2
    IN_USE = 3


def catalogue_of(settings: Settings) -> Catalogue:
    """The catalogue of a gateway with these settings; raises `ConfigurationError` for a prefix or an alias that cannot be."""
    slots, prefix = settings.slots, settings.gateway.prefix
    catalogue = station_catalogue(Slots(slots.daq, slots.upload, slots.workflow, slots.stream))
    check_prefix(prefix, catalogue)
    aliases = {name: (alias.pv, alias.type) for name, alias in settings.aliases.items()}
    return with_aliases(catalogue, prefix, aliases)


def run(settings: Settings, environment: Mapping[str, str], announce: Callable[[str], None]) -> ExitCode:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        settings: what was configured.
        environment: variables handed to the processes of the local DM.
        announce: gets the lines a person at a terminal reads.

    Raises `ConfigurationError` and `PrefixInUseError`; nothing is left running then.
    """
    catalogue = catalogue_of(settings)
    keep_heap_small()
    asyncio.run(_serve(settings, catalogue, environment, announce))
    return ExitCode.STOPPED


async def _serve(
    settings: Settings, catalogue: Catalogue, environment: Mapping[str, str], announce: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A supervisor may hand its own mask down: procServ 2.7 starts what it runs with SIGTERM, SIGHUP and SIGPIPE blocked.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hung_up, had_terminal = asyncio.Event(), os.isatty(0)

    def hang_up() -> None:
        # A terminal that is closed sends the same signal as somebody who has changed the access file.
        event = stop if had_terminal and not os.isatty(0) else hung_up
        event.set()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    loop.add_signal_handler(signal.SIGUSR1, log_resources)
    async with AsyncExitStack() as closing:
        closing.enter_context(_lock(settings.gateway.state_directory))
        closing.enter_context(held_prefix(settings.gateway.prefix))
        child = _local_child(settings, environment)
        crashed: list[Gateway] = []
        starting: asyncio.Task[None] | None = None
        if child is not None:
            # It starts while this process imports its servers.
            starting = asyncio.create_task(child.start(lambda text: _tell(crashed, text)))
            closing.push_async_callback(child.stop)
            closing.push_async_callback(_end, starting)
            await asyncio.sleep(0)
        gateway, server = await _serve_ca(settings, catalogue, child, closing)
        pva_addresses = await _serve_pva(settings, gateway, closing)
        crashed.append(gateway)
        if starting is not None and not await _unless_stopped(starting, stop):
            return
        keep_what_there_is()
        gateway.start()
        for work in (_reload_access(hung_up, gateway, settings), give_memory_back()):
            closing.push_async_callback(_end, asyncio.create_task(work))
        for line in banner(settings, server.addresses, pva_addresses, child):
            announce(line)
        await stop.wait()
        _LOG.info("stopping")


async def _unless_stopped(starting: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Wait for the local DM; False if the gateway is to stop before. Raises what the start raised."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        return False
    starting.result()
    return True


async def _reload_access(hung_up: asyncio.Event, gateway: Gateway, settings: Settings) -> None:
    """Load the access file anew at each SIGHUP, until cancelled."""
    from dmioc.access import load_rules  # noqa: PLC0415 - heavy, imported by now

    while True:
        await hung_up.wait()
        hung_up.clear()
        await gateway.access.reload(lambda: load_rules(settings.access.file))


def _import_the_rest() -> None:
    """Import what takes long, in a thread, so that the loop goes on."""
    for name in ("dmioc.engine", "dmioc.dm.backend", "dmioc.serve.pva", "dmioc.access"):
        importlib.import_module(name)


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task unless it is over; how it ended no longer matters."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _serve_ca(
    settings: Settings, catalogue: Catalogue, child: LocalDmChild | None, closing: AsyncExitStack
) -> tuple[Gateway, CaServer]:
    """Make the engine and serve it; what was made is undone by ``closing``."""
    # Heavy imports come late: the local DM already starts meanwhile, and the search waits beside the rest of them.
    from dmioc.serve.ca import CaServer, served_already  # noqa: PLC0415

    ca_settings = ca_settings_of(settings)
    prefix = settings.gateway.prefix
    names = (f"{prefix}Heartbeat", *(alias.name for alias in catalogue.aliases))
    searching = asyncio.create_task(served_already(names, ca_settings, _SEARCH_S))
    closing.push_async_callback(_end, searching)
    await asyncio.to_thread(_import_the_rest)
    from dmioc.access import load_guards  # noqa: PLC0415
    from dmioc.engine import Gateway, SystemClock  # noqa: PLC0415

    _refuse_served(await searching, prefix)
    backend = _dm(settings, child)
    dm = backend.dm
    closing.push_async_callback(dm.close)
    directory = settings.gateway.state_directory
    guards = await asyncio.to_thread(load_guards, settings.access, settings.audit, directory)
    gateway = Gateway(
        catalogue, dm, SystemClock(), directory, settings.gateway.jobs_listed, prefix=prefix, guards=guards
    )
    closing.push_async_callback(gateway.stop)
    server = CaServer(gateway, prefix, ca_settings, gateway.access.rights)
    gateway.access.changed.append(server.ask_rights_again)
    gateway.health.clients["CAClients"] = lambda: server.clients
    gateway.restore()
    for warning in (*backend.warnings, *dm.warnings):
        gateway.messages.add("DM", warning, Severity.MINOR)
    closing.push_async_callback(server.stop)
    await server.start()
    return gateway, server


def _refuse_served(name: str, prefix: str) -> None:
    """Raises `PrefixInUseError` for a name that somebody else serves."""
    if name == f"{prefix}Heartbeat":
        raise PrefixInUseError(
            f"prefix {prefix} is already served by another gateway: stop it or choose another prefix"
        )
    if name:
        raise PrefixInUseError(
            f"[aliases] {name!r} is already served by another IOC: take it out of that one, or out of [aliases]"
        )


async def _serve_pva(settings: Settings, gateway: Gateway, closing: AsyncExitStack) -> tuple[str, ...]:
    """Serve the engine over PVAccess too; answers the addresses."""
    from dmioc.serve.pva import PvaServer  # noqa: PLC0415 - heavy

    server = PvaServer(gateway, settings.gateway.prefix, pva_settings_of(settings))
    gateway.health.slow_clients["PVAClients"] = lambda: server.clients
    closing.push_async_callback(server.stop)
    limit_memory()
    await server.start()
    return server.addresses


def _tell(gateways: list[Gateway], text: str) -> None:
    for gateway in gateways:
        gateway.messages.add("local DM", text, Severity.MAJOR)


def _lock(directory: Path) -> IO[str]:
    """Hold the state directory, so that two gateways never write one; given back when the file is closed."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / _LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"state directory {directory} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise PrefixInUseError(
            f"another gateway (pid {holder}) uses {directory}: stop it or choose another --state"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _local_child(settings: Settings, environment: Mapping[str, str]) -> LocalDmChild | None:
    local = settings.local
    if settings.dm.backend is not BackendName.LOCAL:
        if local.faults is not None:
            raise ConfigurationError(
                f"[local] faults = {str(local.faults)!r}: only the local DM makes faults; leave it out with [dm] backend"
                f" {settings.dm.backend.value}"
            )
        return None
    directory = local.directory or settings.gateway.state_directory / "localdm"
    variables = stage_environment(settings, environment)
    return LocalDmChild(directory.absolute(), local.port_base, local.station, variables, faults=local.faults)


def stage_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables by which the stages of workflows find this gateway's PVs (``design.md``, clients that ship with it)."""
    found: dict[str, str] = {}
    for protocol, interfaces in (("CA", settings.ca.interfaces), ("PVA", settings.pva.interfaces)):
        if f"EPICS_{protocol}_ADDR_LIST" not in environment:
            found[f"EPICS_{protocol}_ADDR_LIST"] = " ".join(client_addresses(interfaces))
            found[f"EPICS_{protocol}_AUTO_ADDR_LIST"] = "NO"
    if settings.ca.port:
        found["EPICS_CA_SERVER_PORT"] = str(settings.ca.port)
    if settings.pva.broadcast_port:
        found["EPICS_PVA_BROADCAST_PORT"] = str(settings.pva.broadcast_port)
    return {**environment, **found, "DMIOC_PREFIX": settings.gateway.prefix}


def client_addresses(interfaces: Sequence[str]) -> tuple[str, ...]:
    """Where a client on this host searches for a server of these interfaces."""
    return tuple(LOOPBACK if address == ANY else address for address in interfaces) or (LOOPBACK,)


def ca_settings_of(settings: Settings) -> CaSettings:
    """Where Channel Access is served."""
    from dmioc.serve.ca import CaSettings  # noqa: PLC0415 - heavy

    interfaces = settings.ca.interfaces or (LOOPBACK,)
    return CaSettings(
        interfaces=interfaces, port=settings.ca.port, beacon_addresses=settings.ca.beacon_addresses or interfaces
    )


def pva_settings_of(settings: Settings) -> PvaSettings:
    """Where PVAccess is served."""
    from dmioc.serve.pva import PvaSettings  # noqa: PLC0415 - heavy

    pva = settings.pva
    interfaces = pva.interfaces or (LOOPBACK,)
    automatic = () if ANY in interfaces else interfaces
    return PvaSettings(interfaces, pva.port, pva.broadcast_port, pva.beacon_addresses or automatic)


def _dm(settings: Settings, child: LocalDmChild | None) -> Backend:
    from dmioc.dm.backend import LocalDm, make_backend  # noqa: PLC0415 - heavy

    local = LocalDm(child.urls, child.station, child.login_file, USERNAME) if child is not None else None
    backend = make_backend(settings.dm, local)
    _LOG.info("DM is reached by %s (%s)", backend.dm.name, backend.reason)
    return backend


def banner(
    settings: Settings, ca_addresses: Sequence[str], pva_addresses: Sequence[str], child: LocalDmChild | None
) -> list[str]:
    """What a person reads when the gateway serves: where, what DM, and what to type next."""
    prefix = settings.gateway.prefix
    local = f"local DM in {child.directory}" if child else f"DM station {settings.dm.station}"
    return [
        f"dmioc serves {prefix}* over Channel Access at {' '.join(ca_addresses)}"
        f" and PVAccess at {' '.join(pva_addresses)}, with {local}.",
        "In another terminal:",
        *(f"  export {' '.join(variables)}" for variables in _client_variables(settings)),
        f"  caproto-get {prefix}State",
        "Every PV: dmioc pvs. Ctrl-C stops.",
    ]


def _client_variables(settings: Settings) -> Iterator[list[str]]:
    """What a client on this host needs in its environment, for Channel Access and for PVAccess."""
    # Clients search at the UDP port; the TCP port they are then told may be another one.
    ca_port = ca_settings_of(settings).server_port()
    pva_port = pva_settings_of(settings).configuration().get("EPICS_PVAS_BROADCAST_PORT", "")
    for protocol, interfaces, port in (
        ("CA", settings.ca.interfaces, f"SERVER_PORT={ca_port}" if ca_port != DEFAULT_PORT else ""),
        ("PVA", settings.pva.interfaces, f"BROADCAST_PORT={pva_port}" if pva_port else ""),
    ):
        words = ["AUTO_ADDR_LIST=NO", f"ADDR_LIST={client_addresses(interfaces)[0]}", port]
        yield [f"EPICS_{protocol}_{word}" for word in words if word]
