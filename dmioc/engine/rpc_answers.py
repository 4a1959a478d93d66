"""Answers of queries by name: structures with the fields of the groups' structures, and tables with the lists' columns."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dmioc.catalogue import Kind, Slots, station_catalogue
from dmioc.catalogue.entries import NT_TABLE
from dmioc.catalogue.structures import structure_fields
from dmioc.engine.experiment import experiment_view
from dmioc.engine.job_view import job_view, report_text
from dmioc.engine.puts import RpcAnswer
from dmioc.engine.readings import TableReading
from dmioc.engine.tables import columns_of
from dmioc.engine.transfer_view import Limits, judged, transfer_view
from dmioc.model import Experiment, Job, Status, Transfer, TransferKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmioc.catalogue import PV
    from dmioc.engine.readings import Cells

_INFOS = {TransferKind.DAQ: "DAQ1:Info", TransferKind.UPLOAD: "UPL1:Info"}
_NO_LIMITS = Limits(math.inf, math.inf)


class Answers:
    """Makes answers; their shapes are those of a station with one slot of each kind, whatever this gateway has."""

    def __init__(self) -> None:
        self._shapes = station_catalogue(Slots(daq=1, upload=1, workflow=1, stream=1))

    def _structure(self, name: str, view: object, first: Mapping[str, object] | None = None) -> RpcAnswer:
        """The fields of a structure PV, from the attributes of a view that its scalars name; ``first`` holds those of none."""
        structure = self._shapes[name]
        fields: dict[str, object] = dict(first or {})
        for field, pv in structure_fields(self._shapes, structure).items():
            if pv.source:
                fields[field] = _value(pv, getattr(view, pv.source))
        return RpcAnswer(structure.type_id, fields)

    def _table(self, name: str, rows: Sequence[object], now_s: float) -> TableReading:
        return TableReading(columns_of(self._shapes[name], rows), now_s)

    def experiment(self, experiment: Experiment, file_count: int) -> RpcAnswer:
        """One experiment, as ``EXP:Info``."""
        return self._structure("EXP:Info", experiment_view("Loaded", experiment, file_count), {"name": experiment.name})

    def transfer(self, transfer: Transfer, *, attached: bool, source_path: str, now_s: float) -> RpcAnswer:
        """One DAQ or upload, as ``DAQn:Info`` or ``UPLn:Info``; the rate is not known of one answer."""
        view = transfer_view(
            judged(transfer),
            source_path=source_path,
            attached=attached,
            rate=0.0,
            now_s=now_s,
            still_for_s=0.0,
            limits=_NO_LIMITS,
        )
        return self._structure(_INFOS[transfer.kind], view)

    def job(self, job: Job, *, attached: bool, now_s: float) -> RpcAnswer:
        """One job, as ``WFn:Job``, with its stages as a table."""
        report = report_text(job, concise=False, now_s=now_s)
        answer = self._structure("WF1:Job", job_view(job, attached=attached, report=report, now_s=now_s, still=False))
        return replace(answer, fields={**answer.fields, "stages": self._table("WF1:Stages", job.stage_runs, now_s)})

    def rows(self, name: str, rows: Sequence[object], now_s: float) -> RpcAnswer:
        """Objects as a list PV has them, e.g. ``JOB:List``."""
        return table_answer(self._table(name, rows, now_s).columns, now_s)


def table_answer(columns: Mapping[str, Cells], now_s: float) -> RpcAnswer:
    """An answer that is one table."""
    return RpcAnswer(NT_TABLE, {"table": TableReading(columns, now_s)})


def _value(pv: PV, raw: object) -> object:
    """An attribute of a view, uncut: states by their label, whole numbers of 64 bits."""
    if isinstance(raw, Status):
        return raw.value
    if isinstance(raw, str | tuple):
        return cast("object", raw)
    if isinstance(raw, int | float):
        return float(raw) if pv.kind is Kind.DOUBLE else int(raw)
    raise TypeError(f"{pv.name}: no field for {raw!r}")
