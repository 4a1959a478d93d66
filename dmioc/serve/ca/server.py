"""The Channel Access server: start, stop, and the engine's readings on their way out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from caproto import CaprotoError

from dmioc.catalogue import PV
from dmioc.engine.puts import Puttable
from dmioc.engine.readings import Reading
from dmioc.errors import ConfigurationError
from dmioc.serve.ca.channels import Rights
from dmioc.serve.ca.context import ServerContext
from dmioc.serve.ca.samples import sample_of
from dmioc.serve.ca.settings import CaSettings

_log = logging.getLogger(__name__)


def catalogue_rights(pv: PV, _user: str, _host: str) -> tuple[bool, bool]:
    """Everybody reads everything and writes what the catalogue says is writable."""
    return True, pv.writable


class CaServer:
    """Serves every scalar PV of the engine's catalogue, aliases too, under ``prefix``; a `dmioc.engine.ports.Sink` of it.

    ``rights`` decides who may read and write a PV; by default everybody may what the catalogue allows.
    """

    def __init__(self, engine: Puttable, prefix: str, settings: CaSettings, rights: Rights = catalogue_rights) -> None:
        self._engine = engine
        self._prefix = prefix
        self._settings = settings
        self._rights = rights
        self._context: ServerContext | None = None
        self._wrong: set[str] = set()

    @property
    def clients(self) -> int:
        """Connected clients: open circuits."""
        return len(self._context.circuits) if self._context is not None else 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of every TCP address that clients are served at; empty when not started."""
        return self._context.served_addresses if self._context is not None else ()

    async def start(self) -> None:
        """Take the engine's state and serve it; searches are answered when this returns.

        Raises `ConfigurationError` naming the address that cannot be used.
        """
        try:
            self._context = ServerContext(self._engine, self._prefix, self._rights, self._settings)
        except CaprotoError as error:  # it reads the environment
            raise ConfigurationError(f"Channel Access: {error}") from error
        snapshot = self._engine.snapshot()
        self.publish(snapshot.revision, snapshot.readings)
        self._engine.add_sink(self)
        try:
            await self._context.open()
        except ConfigurationError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every connection and socket; clients see a disconnect. Once more does nothing."""
        if self._context is not None:
            await self._context.close()
            self._context = None

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        """Let the clients have what changed; a PV that is as it was is not sent again. To be called in the loop's thread.

        A reading that the PV cannot hold is logged once and not shown; the last good one stays.
        """
        if self._context is None:
            return
        for name, reading in readings.items():
            for channel in self._context.of_pv(name):
                try:
                    sample = sample_of(channel.pv, reading)
                except ValueError as error:
                    if name not in self._wrong:
                        self._wrong.add(name)
                        _log.error("not shown over Channel Access at revision %d: %s", revision, error)
                    continue
                self._wrong.discard(name)
                channel.take(sample)

    def ask_rights_again(self) -> None:
        """Ask ``rights`` again for every open channel and tell the clients where they changed."""
        for circuit in list(self._context.circuits) if self._context is not None else ():
            circuit.ask_rights_again()
