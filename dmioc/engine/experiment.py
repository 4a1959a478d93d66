"""The experiment in use, the list of the station's, and the creation of a new one (``pv-contract.md §3``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command, Orders
from dmioc.engine.polling import Poller
from dmioc.engine.projection import Shown, publish_view
from dmioc.engine.puts import CommandState, Outcome
from dmioc.engine.signals import Signal
from dmioc.engine.tables import columns_of
from dmioc.errors import DmNotFoundError, DmRefusedError, RefusedError
from dmioc.model import Experiment, NewExperiment, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core

GROUP = "EXP:"
NAME = "EXP:Name"
INDEX = "EXP:Index"
_IMPOSSIBLE_NAME_CODES = frozenset({10, 11})
"""InvalidArgument and InvalidRequest (``dm-protocol.md §2.3``)."""
_NEW_NAMES = {
    "name": "EXP:New:Name",
    "type": "EXP:New:Type",
    "description": "EXP:New:Description",
    "start_date": "EXP:New:StartDate",
    "end_date": "EXP:New:EndDate",
}
_ANSWER_TIMEOUT_S = 30.0
_COUNT_TIMEOUT_S = 2.0
"""The number of files is waited for if the catalog is quick to give it."""


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """What ``EXP:`` shows; the attributes are the sources that the catalogue names."""

    state: str
    id: int
    type: str
    storage_name: str
    storage_host: str
    description: str
    start_date: str
    end_date: str
    created: str
    root_path: str
    storage_directory: str
    data_directory: str
    analysis_directory: str
    storage_url: str
    users: tuple[str, ...]
    user_count: int
    file_count: int


def experiment_view(state: str, experiment: Experiment | None, file_count: int) -> ExperimentView:
    """The view of an experiment, or of none: all empty."""
    known = experiment or Experiment("")
    return ExperimentView(
        state=state,
        id=known.id,
        type=known.type,
        storage_name=known.storage_name,
        storage_host=known.storage_host,
        description=known.description,
        start_date=known.start_date,
        end_date=known.end_date,
        created=known.created,
        root_path=known.root_path,
        storage_directory=known.storage_directory,
        data_directory=known.data_directory,
        analysis_directory=known.analysis_directory,
        storage_url=known.storage_url,
        users=known.users,
        user_count=known.user_count or len(known.users),
        file_count=file_count if experiment else 0,
    )


class ExperimentInUse:
    """Follows ``EXP:Name`` in DM and keeps the station's list."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pvs = core.catalogue.group(GROUP)
        self._table = core.catalogue["EXP:List"]
        self._state = "Unset"
        self._experiment: Experiment | None = None
        self._file_count = 0
        self.experiments: tuple[Experiment, ...] = ()
        self._answered = Signal()
        ds, cat = core.links[Service.DS], core.links[Service.CAT]
        self._poller = Poller("experiment", ds, core.store, self._poll, self._idle_period_s)
        self._list_poller = Poller("experiments", ds, core.store, self._poll_list, self._idle_period_s)
        self._files_poller = Poller("file count", cat, core.store, self._poll_files, self._idle_period_s)
        core.commands.register(Command("EXP:New:Create", Orders(self._order, self.create)))
        self._publish()

    @property
    def pollers(self) -> tuple[Poller, ...]:
        """What has to run."""
        return (self._poller, self._list_poller, self._files_poller)

    @property
    def name(self) -> str:
        """The name in use, as put, without blanks at its ends."""
        return self._core.store.text(NAME)

    def _idle_period_s(self) -> float:
        return self._core.store.number("IdlePollPeriod")

    def restored(self) -> None:
        """``EXP:Name`` was set from the saved state: ask DM for it."""
        self._changed_name()

    def _changed_name(self) -> None:
        self._experiment = None
        self._file_count = 0
        self._state = "Unverified" if self.name else "Unset"
        self._publish()
        self._poller.wake()

    async def put_name(self) -> Outcome:
        """``EXP:Name`` was put: ends when DM has answered for it or cannot be reached.

        Any text is kept; a name DM does not know is no refusal, ``EXP:State`` tells (``pv-contract.md §3``).
        """
        self._changed_name()
        self._core.store.commit()
        await self._poller.now(_ANSWER_TIMEOUT_S)
        if self._experiment is not None:
            await self._files_poller.now(_COUNT_TIMEOUT_S)
        return Outcome(CommandState.OK, f"{self.name or 'no experiment'}: {self._state}")

    def row_name(self, index: int) -> str:
        """Name in row ``index`` (from 0) of ``EXP:List``; raises `RefusedError` for a row that is not there."""
        if not 0 <= index < len(self.experiments):
            rows = f"0 to {len(self.experiments) - 1}" if self.experiments else "none: DM gave no list yet"
            raise RefusedError(f"{INDEX} takes a row of EXP:List ({rows}), not {index}")
        return self.experiments[index].name

    async def confirmed(self, name: str) -> str:
        """The name, which is that of the experiment in use or was when it was asked for; DM is asked when it may not know it.

        Raises `RefusedError` when it is empty or DM does not know it, and `DmError`.
        """
        if not name:
            raise RefusedError("EXP:Name is empty: put the name of the experiment first")
        if name != self.name or self._state != "Loaded" or not self._core.links[Service.DS].answers:
            try:
                self._take(name, await self._core.dm.experiment(name))
            except DmRefusedError as error:
                if not _is_unknown(error):
                    raise
                raise RefusedError(f"DM does not know the experiment {name}: {error}") from error
        return name

    async def _poll(self) -> bool:
        name = self.name
        if not name:
            return False
        try:
            experiment = await self._core.dm.experiment(name)
        except DmRefusedError as error:
            if not _is_unknown(error):
                raise
            self._take(name, None)
        else:
            self._take(name, experiment)
        return True

    def _take(self, name: str, experiment: Experiment | None) -> None:
        # Another name may have been put while DM was asked.
        if name != self.name:
            return
        state = "Loaded" if experiment else "NotFound"
        if state != self._state:
            self._core.messages.add(GROUP, f"{name} is loaded" if experiment else f"DM does not know {name}")
            self._files_poller.wake()
        self._state = state
        self._experiment = experiment
        self._publish()
        self._answered.fire()

    async def _poll_list(self) -> bool:
        experiments = await self._core.dm.experiments()
        # DM promises no order (dm-protocol.md §3.2): newest first by creation, then by id.
        self.experiments = tuple(sorted(experiments, key=lambda one: (one.created, one.id), reverse=True))
        self._core.store.set_table(self._table.name, columns_of(self._table, self.experiments))
        return True

    async def _poll_files(self) -> bool:
        experiment = self._experiment
        if experiment is None:
            return False
        count = await self._core.dm.file_count(experiment.name)
        if self._experiment is not None and self._experiment.name == experiment.name:
            self._file_count = count
            self._publish()
        return True

    def _publish(self) -> None:
        view = experiment_view(self._state, self._experiment, self._file_count)
        publish_view(self._core.store, self._pvs, view, Shown(from_dm=bool(self.name), alarms={}))

    def _order(self) -> Order:
        return {"in_use": self.name, **{field: self._core.store.text(name) for field, name in _NEW_NAMES.items()}}

    async def create(self, order: Order, is_again: bool) -> str:
        """Command New:Create: create the experiment that New:* describes, then select it."""
        store = self._core.store
        done = "created"
        try:
            experiment = await create_experiment(self._core, msgspec.convert(order, NewExperiment), _NEW_NAMES)
        except RefusedError:
            if not is_again:
                raise
            # DM may have created it before the gateway ended: then it is there.
            experiment, done = await self._core.dm.experiment(str(order["name"])), "DM has"
        if is_again and self.name != order["in_use"]:
            # Somebody has selected another one since.
            return f"{done} {experiment.name} (id {experiment.id}); {self.name} was selected since"
        store.set(NAME, experiment.name)
        self._changed_name()
        store.commit()
        await asyncio.gather(self._poller.now(_ANSWER_TIMEOUT_S), self._list_poller.now(_ANSWER_TIMEOUT_S))
        return f"{done} {experiment.name} (id {experiment.id}) and selected it"


async def create_experiment(core: Core, new: NewExperiment, names: Mapping[str, str]) -> Experiment:
    """Have DM create an experiment.

    Args:
        core: the shared parts.
        new: texts as they were given.
        names: by attribute of ``new``, what the caller knows it by, for refusals.

    Raises `RefusedError` for what cannot be, or what DM refuses, and `DmError`.
    """
    if not new.name:
        raise RefusedError(f"{names['name']} is empty: put the name of the new experiment")
    start_date = _date(new.start_date, names["start_date"])
    end_date = _date(new.end_date, names["end_date"])
    if start_date and end_date and end_date < start_date:
        raise RefusedError(f"{names['end_date']} {end_date} is before {names['start_date']} {start_date}")
    try:
        return await core.dm.create_experiment(replace(new, start_date=start_date, end_date=end_date))
    except DmRefusedError as error:
        if error.may_be_done:
            raise
        raise RefusedError(f"DM did not create {new.name}: {error}") from error


def _is_unknown(error: DmRefusedError) -> bool:
    """Whether DM says that there is no such experiment, or that there cannot be one of that name."""
    return isinstance(error, DmNotFoundError) or error.code in _IMPOSSIBLE_NAME_CODES


def _date(text: str, name: str) -> str:
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError as error:
        raise RefusedError(f"{name} takes a date such as 2026-11-21, not {text!r}") from error
