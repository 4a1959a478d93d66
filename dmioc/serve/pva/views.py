"""What is posted of each PV: scalars, tables, structures; each knows what its clients have and sends only the difference."""

from __future__ import annotations

from collections.abc import Mapping

from p4p import Value
from p4p.server.raw import SharedPV

from dmioc.catalogue import PV
from dmioc.engine.projection import as_held
from dmioc.engine.readings import Alarm, Reading, StructureReading, TableReading
from dmioc.model import Severity
from dmioc.serve.pva.encoding import (
    Fields,
    changed_event,
    check_columns,
    column_cells,
    field_value,
    is_same,
    opening_fields,
    own_fields,
    scalar_value,
    time_fields,
)
from dmioc.serve.pva.layouts import REVISION, STAGES, column_codes, composed_type, own_type, table_type

NOT_ENCODABLE = (ValueError, TypeError, OverflowError, RuntimeError)
"""What an encoding or p4p raises for a value that the PV cannot hold."""


class _View:
    """An open PV of p4p, and a value of its type for its posts."""

    def __init__(self, shared: SharedPV, draft: Value) -> None:
        self._shared = shared
        self._draft = draft

    def _open(self, fields: Fields) -> None:
        self._shared.open(Value(self._draft.type(), fields))

    def _post(self, fields: Fields) -> None:
        """Let the clients have these fields; never waits for a client. All or, when it raises, none of them.

        PVXS copies the fields that are marked; a new value for each post would cost more than all the rest.
        """
        draft = self._draft
        try:
            for path, content in fields.items():
                draft[path] = content
            self._shared.post(draft)
        finally:
            draft.unmark()


class ScalarView(_View):
    """A scalar PV; open from the start, with the catalogue's default as INVALID/UDF.

    PVs of one type may share a draft.
    """

    def __init__(self, pv: PV, shared: SharedPV, draft: Value) -> None:
        super().__init__(shared, draft)
        self._pv = pv
        self._path = "value.index" if pv.kind.has_states else "value"
        self._reading = Reading(pv.default, 0.0, Severity.INVALID, Alarm.UDF)
        value = {self._path: scalar_value(pv, pv.default)}
        self._open({**opening_fields(pv), **changed_event(self._reading, None), **value})

    def publish(self, reading: Reading) -> None:
        """Post what of the reading is not as before; raises one of `NOT_ENCODABLE` and then changes nothing."""
        before = self._reading
        reading = as_held(self._pv, reading)
        fields = changed_event(reading, before)
        if not is_same(reading.value, before.value):
            fields[self._path] = scalar_value(self._pv, reading.value)
        if fields:
            self._post(fields)
            self._reading = reading


class TableView(_View):
    """A table; open from the start, empty and INVALID/UDF."""

    def __init__(self, pv: PV, shared: SharedPV) -> None:
        self._codes = column_codes(pv.columns)
        super().__init__(shared, Value(table_type(self._codes)))
        self._name = pv.name
        self._reading = TableReading(dict.fromkeys(self._codes, ()), 0.0, Severity.INVALID, Alarm.UDF)
        event = changed_event(self._reading, None)
        empty = columns(self._codes, self._reading, None)
        self._open({"labels": list(self._codes), "descriptor": pv.description, **event, **empty})

    def publish(self, revision: int, table: TableReading) -> None:
        """Post the columns that are other objects than before; raises as `ScalarView.publish`."""
        check_columns(self._name, self._codes, table.columns)
        fields = {**changed_event(table, self._reading), **columns(self._codes, table, self._reading)}
        if fields:
            self._post({**fields, REVISION: revision})
            self._reading = table


def columns(codes: Mapping[str, str], table: TableReading, before: TableReading | None, path: str = "") -> Fields:
    """The columns that are not the objects they were before, by their paths in the value."""
    return {
        f"{path}value.{column}": column_cells(code, table.columns[column])
        for column, code in codes.items()
        if before is None or table.columns[column] is not before.columns[column]
    }


class ComposedView(_View):
    """A structure that shows scalar PVs, all at one revision, and maybe the table of stages."""

    def __init__(self, pv: PV, fields: Mapping[str, PV], stages: PV | None, shared: SharedPV) -> None:
        # The gateway's own PV of that name is the revision itself.
        self._fields = {field: member for field, member in fields.items() if field != REVISION}
        super().__init__(shared, Value(composed_type(pv.type_id, self._fields, stages)))
        self._name = pv.name
        self._field_of = {member.name: (field, member) for field, member in self._fields.items()}
        self._stage_codes = column_codes(stages.columns) if stages is not None else {}
        self._readings: dict[str, Reading] = {}
        self._stages: TableReading | None = None
        self._event = Reading("", 0.0, Severity.INVALID, Alarm.UDF)
        self._changed: Fields = {}
        labels = {f"{STAGES}.labels": list(self._stage_codes)} if stages is not None else {}
        self._open({**changed_event(self._event, None), **labels})

    @property
    def name(self) -> str:
        """Name of the PV, without prefix."""
        return self._name

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the scalar PVs that it shows."""
        return tuple(self._field_of)

    def take(self, name: str, reading: Reading) -> None:
        """Note a member's reading for the next post; raises one of `NOT_ENCODABLE` and then changes nothing."""
        field, member = self._field_of[name]
        before = self._readings.get(name)
        if before is None or not is_same(before.value, reading.value):
            self._changed[field] = field_value(member, reading.value)
        self._readings[name] = reading

    def take_stages(self, table: TableReading) -> None:
        """Note the stages for the next post; raises as `take`."""
        check_columns(f"{self._name} {STAGES}", self._stage_codes, table.columns)
        self._changed |= columns(self._stage_codes, table, self._stages, f"{STAGES}.")
        self._stages = table

    def flush(self, revision: int) -> None:
        """Post in one what was noted; raises as `take`."""
        event = self._worst()
        fields = {**self._changed, **changed_event(event, self._event)}
        self._changed = {}
        if fields:
            self._post({**fields, REVISION: revision})
            self._event = event

    def _worst(self) -> Reading:
        """The worst alarm of the members, and the time of the newest of them."""
        readings = self._readings.values()
        events: list[Reading | TableReading] = [*readings] if self._stages is None else [*readings, self._stages]
        worst = max(events, key=_severity_of)
        return Reading("", max(event.time_s for event in events), worst.severity, worst.alarm)


def _severity_of(event: Reading | TableReading) -> int:
    return event.severity


class OwnView(_View):
    """A structure with fields of its own; open from the start, empty since then."""

    def __init__(self, pv: PV, shared: SharedPV, time_s: float) -> None:
        super().__init__(shared, Value(own_type(pv)))
        self._pv = pv
        self._sent: Fields = {column: "" if code == "s" else 0 for column, code in column_codes(pv.columns).items()}
        self._time_s = time_s
        self._open(time_fields(time_s))

    def publish(self, reading: StructureReading) -> None:
        """Post the fields that are not as before; raises as `ScalarView.publish`."""
        fields = own_fields(self._pv, reading)
        changed = {name: value for name, value in fields.items() if not is_same(value, self._sent.get(name))}
        if reading.time_s != self._time_s:
            changed |= time_fields(reading.time_s)
        if changed:
            self._post(changed)
            self._sent, self._time_s = fields, reading.time_s
