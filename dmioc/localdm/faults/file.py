"""Follows the file of faults while localdm serves, and notes what is in force."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from dmioc.errors import ConfigurationError
from dmioc.localdm.faults.in_force import Armed, FaultsInForce
from dmioc.localdm.faults.kinds import Fault
from dmioc.localdm.faults.reading import read_faults

_log = logging.getLogger(__name__)

NOTE = "localdm.faults.json"
_LOOK_S = 0.05

Enforce = Callable[[list[Armed]], Awaitable[None]]
"""Brings ports into the state that the faults in force ask for; gets those that are new."""


class FaultFile:
    """One file of faults; reading it is a part of making one, and raises `ConfigurationError` as `read_faults` does."""

    def __init__(self, path: Path, directory: Path, in_force: FaultsInForce) -> None:
        self._path = path
        self._note_path = directory / NOTE
        self._in_force = in_force
        self._stamp = _stamp(path)
        self._faults = read_faults(path)
        self._error = ""
        self._noted = b""

    async def begin(self, enforce: Enforce) -> None:
        """Put in force what the file holds."""
        await self._put_in_force(self._faults, enforce)
        self._note()

    async def follow(self, enforce: Enforce) -> None:
        """Put in force what the file holds after each change, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._note()
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                continue
            try:
                faults = await asyncio.to_thread(read_faults, self._path)
            except ConfigurationError as error:
                self._error = str(error)
                _log.error("faults stay as they were: %s", error)
            else:
                self._error = ""
                await self._put_in_force(faults, enforce)
            self._stamp = stamp
            self._note()

    async def _put_in_force(self, faults: tuple[Fault, ...], enforce: Enforce) -> None:
        new = list(self._in_force.replace(faults))
        try:
            await enforce(new)
        except OSError as error:  # somebody took a port while it was closed
            self._error = f"a port cannot be used: {error}"
            _log.error("%s", self._error)
        told = "; ".join(str(armed.fault) for armed in self._in_force.armed)
        _log.warning("faults in force: %s", told or "none")

    def end(self) -> None:
        """Nothing is in force any more: the note goes."""
        self._note_path.unlink(missing_ok=True)

    def _note(self) -> None:
        """Say in a file what is in force, for people and tests; whole at every moment."""
        armed = [
            {"fault": str(one.fault), "kind": one.fault.kind, "seen": one.seen, "hits": one.hits}
            for one in self._in_force.armed
        ]
        note = {"file": str(self._path), "stamp": list(self._stamp), "error": self._error, "in_force": armed}
        content = msgspec.json.format(msgspec.json.encode(note), indent=2)
        if content == self._noted:
            return
        temporary = self._note_path.with_name(f".{NOTE}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(self._note_path)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._note_path, error.strerror)
        self._noted = content


def _stamp(path: Path) -> tuple[int, int, int]:
    """What differs after each change of a file: inode, size, time of the change in ns; zeros for none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
