"""Calls of the data storage service: experiments (``dm-protocol.md §3``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dmioc.dm.calls.base import Calls
from dmioc.dm.calls.values import INVALID_ARGUMENT, json_text
from dmioc.dm.readers.bodies import ObjectReader, RowsReader
from dmioc.dm.readers.mapping import experiment_of, full_experiment
from dmioc.dm.readers.wire import ExperimentRecord
from dmioc.errors import DmRefusedError
from dmioc.model import Experiment, NewExperiment

# By hand, as strftime's %b speaks the language of the machine.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class StorageCalls(Calls):
    """The experiments of `dmioc.engine.ports.DmBackend`."""

    async def experiments(self) -> Sequence[Experiment]:
        """Every experiment of the station, in DM's order, without directories and users."""
        return await self._call(
            "getExperimentsByStation",
            {},
            lambda what: RowsReader(what, ExperimentRecord, experiment_of, lambda found: found.name),
        )

    async def experiment(self, name: str) -> Experiment:
        """One experiment, complete; raises `DmNotFoundError`."""
        values = {"name": name}
        return await self._call("getExperimentByName", values, lambda what: ObjectReader(what, full_experiment))

    async def create_experiment(self, new: NewExperiment) -> Experiment:
        """Create an experiment at the station of the settings and answer it as DM stored it; raises `DmExistsError`.

        Empty values are left out, so that DM's defaults hold. The keys are those of the record, which is assumed.
        """
        content = {
            "name": new.name,
            "stationName": self.station,
            "typeName": new.type,
            "description": new.description,
            "startDate": dm_date("start date", new.start_date),
            "endDate": dm_date("end date", new.end_date),
        }
        text = json_text({key: value for key, value in content.items() if value}, "the experiment")
        return await self._call("addExperiment", {"json": text}, lambda what: ObjectReader(what, full_experiment))


def dm_date(what: str, text: str) -> str:
    """An ISO 8601 date as DM wants it, ``20-Jul-26`` (``dm-protocol.md §3.3``); empty for an empty text.

    Raises:
        DmRefusedError: code 10, for a text that is no date of this century: DM takes two digits of the year.
    """
    if not text.strip():
        return ""
    try:
        day = date.fromisoformat(text.strip()[:10])
    except ValueError:
        day = date.min
    if day.year // 100 != 20:
        raise DmRefusedError(f"{what} {text!r}: YYYY-MM-DD is needed", INVALID_ARGUMENT)
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year % 100:02d}"
