"""The one state: every scalar PV's reading at one revision, and who is told of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dmioc.catalogue import Kind
from dmioc.engine.puts import Snapshot
from dmioc.engine.readings import Alarm, Reading, StructureReading, TableReading
from dmioc.engine.row_lines import RowPVs
from dmioc.model import Service, Severity

if TYPE_CHECKING:
    from dmioc.catalogue import PV, Catalogue
    from dmioc.engine.ports import Clock, Sink, StructureSink
    from dmioc.engine.readings import Cells, Field, Value

REVISION = "Revision"


@dataclass(frozen=True, slots=True)
class _Base:
    """A reading as last learned, before it is known whether its service still answers."""

    reading: Reading
    from_dm: bool


class Store:
    """Holds the readings; `set` stages, `commit` makes the next revision and tells every sink what changed.

    ``setpoints_set`` counts the changes of saved setpoints, so that whoever keeps them need not compare them all.

    A PV whose value came from a service that does not answer keeps value and time and is shown as INVALID/COMM
    (``pv-contract.md §1``); nothing else has to know of that.
    """

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._sinks: list[Sink] = []
        self._answering: set[Service] = set()
        self._staged: dict[str, Reading] = {}
        self._revision = 0
        self.setpoints_set = 0
        self._base: dict[str, _Base] = {pv.name: self._initial(pv) for pv in catalogue.scalars()}
        self._rows = RowPVs(catalogue)
        self._shown: dict[str, Reading] = {name: base.reading for name, base in self._base.items()}
        self._view = MappingProxyType(self._shown)
        self._structure_sinks: list[StructureSink] = []
        self._staged_tables: dict[str, TableReading] = {}
        self._base_tables = {pv.name: self._initial_table(pv) for pv in catalogue if pv.kind is Kind.TABLE}
        self._shown_tables = dict(self._base_tables)
        self._table_view = MappingProxyType(self._shown_tables)
        self._staged_structures: dict[str, StructureReading] = {}
        self._shown_structures: dict[str, StructureReading] = {}
        self._structure_view = MappingProxyType(self._shown_structures)

    def _initial(self, pv: PV) -> _Base:
        default: Value = pv.default
        if pv.service is None:
            return _Base(Reading(default, self._clock.now_s()), from_dm=False)
        return _Base(Reading(default, self._clock.now_s(), Severity.INVALID, Alarm.UDF), from_dm=False)

    def _initial_table(self, pv: PV) -> TableReading:
        columns: dict[str, Cells] = {column.name: () for column in pv.columns}
        if pv.service is None:
            return TableReading(columns, self._clock.now_s())
        return TableReading(columns, self._clock.now_s(), Severity.INVALID, Alarm.UDF)

    @property
    def revision(self) -> int:
        """Number of the state that is out; grows by one with each commit that changed something."""
        return self._revision

    def snapshot(self) -> Snapshot:
        """The state that is out; the mappings are live views, valid until the next commit."""
        return Snapshot(self._revision, self._view, self._table_view, self._structure_view)

    def value(self, name: str) -> Value:
        """Value of a PV as last set, committed or not."""
        return self._base[name].reading.value

    def text(self, name: str) -> str:
        """Value of a text or string PV, without blanks at its ends."""
        return str(self.value(name)).strip()

    def number(self, name: str) -> float:
        """Value of a number or the index of an enum."""
        value = self.value(name)
        if isinstance(value, int | float):
            return float(value)
        raise TypeError(f"{name} holds {value!r}, not a number")

    def label(self, name: str) -> str:
        """Label of the state an enum is in."""
        return self._catalogue[name].labels[int(self.number(name))]

    def add_sink(self, sink: Sink) -> None:
        """Tell the sink of every later commit."""
        self._sinks.append(sink)

    def add_structure_sink(self, sink: StructureSink) -> None:
        """Tell the sink of every later commit that changes a table or a structure."""
        self._structure_sinks.append(sink)

    def set_table(self, name: str, columns: Mapping[str, Cells]) -> None:
        """Stage the columns of a table; those that are as they were stay the same objects.

        A table whose service does not answer keeps columns and time and is shown as INVALID/COMM.
        """
        old = self._base_tables[name]
        new = {key: old.columns[key] if cells == old.columns[key] else cells for key, cells in columns.items()}
        known = old.alarm is not Alarm.UDF
        if known and all(new[key] is old.columns[key] for key in new):
            return
        self._base_tables[name] = TableReading(new, self._clock.now_s())
        self._stage_table(name)
        for row_name, line in self._rows.of_table(name, new):
            self.set(row_name, line, from_dm=True)

    def set_structure(self, name: str, fields: Mapping[str, Field], time_s: float | None = None) -> None:
        """Stage a structure that has fields of its own, with the POSIX time of the event behind it (None: now).

        Nothing happens if the fields are as they were.
        """
        before = self._staged_structures.get(name) or self._shown_structures.get(name)
        if before is None or before.fields != fields:
            at_s = self._clock.now_s() if time_s is None else time_s
            self._staged_structures[name] = StructureReading(dict(fields), at_s)

    def _stage_table(self, name: str) -> None:
        base = self._base_tables[name]
        service = self._catalogue[name].service
        if service is not None and service not in self._answering and base.alarm is not Alarm.UDF:
            base = replace(base, severity=Severity.INVALID, alarm=Alarm.COMM)
        self._staged_tables[name] = base

    def set(
        self,
        name: str,
        value: Value,
        *,
        time_s: float | None = None,
        alarm: tuple[Severity, Alarm] | None = None,
        from_dm: bool = False,
    ) -> None:
        """Stage a value.

        Args:
            name: PV without prefix.
            value: of the PV's kind, already checked.
            time_s: POSIX time of the event behind it; None: now, if anything changed.
            alarm: severity and status; None: those of the enum's state, else none.
            from_dm: whether it is INVALID/COMM while the PV's service does not answer.
        """
        pv = self._catalogue[name]
        severity, status = alarm if alarm is not None else _state_alarm(pv, value)
        old = self._base[name]
        same = (value, severity, status) == (old.reading.value, old.reading.severity, old.reading.alarm)
        if same and from_dm == old.from_dm and time_s in (None, old.reading.time_s):
            return
        at_s = self._clock.now_s() if time_s is None else time_s
        self._base[name] = _Base(Reading(value, at_s, severity, status), from_dm)
        self.setpoints_set += pv.saved
        self._stage(name)
        for row_name, line in self._rows.of_text(name, value):
            self.set(row_name, line, from_dm=from_dm)

    def set_answering(self, service: Service, answering: bool) -> None:
        """Say whether a service answers; stages every PV whose alarm changes by it."""
        if answering == (service in self._answering):
            return
        (self._answering.add if answering else self._answering.discard)(service)
        for pv in self._catalogue.scalars():
            if pv.service is service and self._base[pv.name].from_dm:
                self._stage(pv.name)
        for name in self._base_tables:
            if self._catalogue[name].service is service:
                self._stage_table(name)

    def _stage(self, name: str) -> None:
        base = self._base[name]
        service = self._catalogue[name].service
        reading = base.reading
        if base.from_dm and service is not None and service not in self._answering:
            reading = replace(reading, severity=Severity.INVALID, alarm=Alarm.COMM)
        self._staged[name] = reading

    def commit(self) -> None:
        """Make what was staged the next revision and tell the sinks; nothing happens when nothing changed."""
        changed = {name: reading for name, reading in self._staged.items() if reading != self._shown[name]}
        tables = {name: table for name, table in self._staged_tables.items() if table != self._shown_tables[name]}
        self._staged.clear()
        structures, self._staged_structures = self._staged_structures, {}
        self._staged_tables.clear()
        if not changed and not tables and not structures:
            return
        self._revision += 1
        revision = Reading(self._revision, self._clock.now_s())
        self._base[REVISION] = _Base(revision, from_dm=False)
        changed[REVISION] = revision
        self._shown.update(changed)
        self._shown_tables.update(tables)
        self._shown_structures.update(structures)
        for sink in self._sinks:
            sink.publish(self._revision, MappingProxyType(changed))
        for sink in self._structure_sinks:
            if tables:
                sink.publish_tables(self._revision, MappingProxyType(tables))
            if structures:
                sink.publish_structures(self._revision, MappingProxyType(structures))


def _state_alarm(pv: PV, value: Value) -> tuple[Severity, Alarm]:
    if pv.states and isinstance(value, int):
        severity = pv.states[value].severity
        return severity, Alarm.STATE if severity else Alarm.NO_ALARM
    return Severity.NO_ALARM, Alarm.NO_ALARM
