"""Keeps setpoints and slots on disk while the gateway runs, and brings them back.

Each change is in the change log before a client is told of it; the two files of autosave follow within moments.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING

from dmioc.catalogue import coerce
from dmioc.engine.autosave import SavedState, load, save
from dmioc.engine.change_log import ChangeLog, Changes, Saved, drop_before
from dmioc.errors import RefusedError, StateFileError
from dmioc.model import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from dmioc.catalogue import PV
    from dmioc.engine.core import Core
    from dmioc.engine.readings import Reading, StructureReading, TableReading

_LOG = logging.getLogger(__name__)

PERIOD_S = 0.2
"""At most so long is a change in the change log alone."""

Held = Callable[[Container[str] | None], Mapping[str, Mapping[str, str]]]


class Saver:
    """Writes the state whenever it differs from what is on disk; a sink of the store for both kinds, once the state is
    restored.

    Args:
        core: the shared parts.
        directory: the state directory.
        held: what the slots of these groups hold, by group; of all slots for None.
    """

    def __init__(self, core: Core, directory: Path, held: Held) -> None:
        self._core = core
        self._directory = directory
        self._held = held
        self._written: SavedState | None = None
        self._number = int(core.clock.now_s())
        self._failed = False
        self._setpoints: dict[str, Saved] = {}
        self._setpoints_at = -1
        self._saved_names = frozenset(pv.name for pv in core.catalogue if pv.saved)
        self._noted_held: Mapping[str, Mapping[str, str]] = {}
        self._log = ChangeLog(directory)
        self._saving = asyncio.Lock()
        self._writing = threading.Lock()

    def restore(self) -> Mapping[str, Mapping[str, str]]:
        """Set the saved setpoints; answers what each slot held, by its group. What is bad is told on ``Message``."""
        loaded = load(self._directory)
        # Also when the clock was set back, or when there were more saves than seconds.
        self._number = max(self._number, loaded.number)
        self._log.begin(self._number)
        for complaint in loaded.complaints:
            self._core.messages.add("autosave", complaint, Severity.MAJOR)
        for name, value in loaded.state.setpoints.items():
            self._restore_one(name, value)
        self._noted_held = loaded.state.held
        return loaded.state.held

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        """Note what changed of what is kept, before a client hears of it; see `dmioc.engine.ports.Sink`."""
        catalogue = self._core.catalogue
        setpoints = {name: self._saved_value(catalogue[name]) for name in readings if name in self._saved_names}
        self._note(setpoints, readings)

    def publish_tables(self, revision: int, tables: Mapping[str, TableReading]) -> None:
        """Nothing of a table is kept; see `dmioc.engine.ports.StructureSink`."""

    def publish_structures(self, revision: int, structures: Mapping[str, StructureReading]) -> None:
        """Note what slots hold of which nothing but a structure changed, such as the number of a stream's command."""
        self._note({}, structures)

    def _note(self, setpoints: Mapping[str, Saved], changed: Iterable[str]) -> None:
        # Every put comes here: of the slots only those are asked of which a PV changed.
        held = self._held({self._core.catalogue[name].group for name in changed})
        moved = {slot: object for slot, object in held.items() if object != self._noted_held.get(slot)}
        if not setpoints and not moved:
            return
        try:
            self._log.note(Changes(setpoints, moved))
        except StateFileError as error:
            # A sink must not raise, and nothing can be published from inside of it; the save will fail and tell as well.
            _LOG.error("%s", error)
        self._noted_held = {**self._noted_held, **moved}

    def _restore_one(self, name: str, value: Saved) -> None:
        if name not in self._core.catalogue or not self._core.catalogue[name].saved:
            self._core.messages.add("autosave", f"{name} is no longer a saved setpoint: left out", Severity.MINOR)
            return
        try:
            self._core.store.set(name, coerce(self._core.catalogue[name], value))
        except RefusedError as error:
            self._core.messages.add("autosave", f"saved value left out: {error}", Severity.MINOR)

    def _state(self) -> SavedState:
        store = self._core.store
        if self._setpoints_at != store.setpoints_set:
            self._setpoints_at = store.setpoints_set
            self._setpoints = {pv.name: self._saved_value(pv) for pv in self._core.catalogue if pv.saved}
        return SavedState(self._setpoints, dict(self._held(None)))

    def _saved_value(self, pv: PV) -> Saved:
        store = self._core.store
        value = store.label(pv.name) if pv.states else store.value(pv.name)
        return value if isinstance(value, int | float | str) else "\n".join(value)

    async def stop(self) -> None:
        """Save what is not saved yet, for the last time."""
        await self.save_if_changed()
        self._log.close()

    async def run(self) -> None:
        """Save changes until cancelled."""
        while True:
            await self.save_if_changed()
            await asyncio.sleep(PERIOD_S)

    async def save_if_changed(self) -> None:
        """Write the state if it differs from what was written last; a disk that refuses is told once."""
        # One at a time: an older state must not be written over a newer one.
        async with self._saving:
            await self._save_if_changed()

    async def _save_if_changed(self) -> None:
        state = self._state()
        if state == self._written:
            return
        self._number += 1
        self._log.begin(self._number)
        try:
            await asyncio.to_thread(self._save, state, self._number)
        except StateFileError as error:
            if not self._failed:
                self._failed = True
                self._core.messages.add("autosave", str(error), Severity.MAJOR)
            return
        self._failed = False
        self._written = state

    def _save(self, state: SavedState, number: int) -> None:
        # The thread of a save that was cancelled goes on: the next one must not write into its files.
        with self._writing:
            save(self._directory, state, number)
            drop_before(self._directory, number)
