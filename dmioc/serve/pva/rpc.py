"""Queries by name: an NTURI or a plain structure in, a structure or an NTTable out (``pv-contract.md §9``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from p4p import Type, Value
from p4p.server import ServerOperation

from dmioc.catalogue import Catalogue, Kind
from dmioc.catalogue.entries import NT_TABLE
from dmioc.engine.puts import Origin, Puttable, RpcAnswer
from dmioc.engine.readings import Cells, TableReading
from dmioc.errors import DmiocError, InterruptedCommandError, RefusedError
from dmioc.model.refusal import error_text
from dmioc.serve.pva.encoding import changed_event, check_columns, sendable
from dmioc.serve.pva.layouts import column_codes, table_spec, table_type
from dmioc.serve.pva.operations import INTERNAL_ERROR, PutHandler, origin_of, read_only_take, refuse, sent
from dmioc.serve.pva.views import columns

_log = logging.getLogger(__name__)

MOST_CALLS = 100
"""Queries that may run at the same time; each may ask DM."""

_METHOD = "method"
_URI_FIELDS = ("scheme", "authority", "path")


class RpcHandler(PutHandler):
    """p4p's handler of the RPC PV."""

    def __init__(
        self,
        engine: Puttable,
        full_name: str,
        loop: asyncio.AbstractEventLoop,
        before_answer: Callable[[], None],
        note_refusal: Callable[[Origin, str], str],
    ) -> None:
        take = read_only_take(full_name, "takes queries by name, no puts")
        super().__init__(full_name, loop, take, before_answer, note_refusal)
        self._engine = engine
        self._tables = KnownTables(engine.catalogue)
        self._calls: set[asyncio.Task[None]] = set()

    def rpc(self, _shared: object, operation: ServerOperation) -> None:
        """A query has come; called in a thread of p4p."""
        self._loop.call_soon_threadsafe(self._begin, operation)

    async def stop(self) -> None:
        """Answer what is still running with an error."""
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _begin(self, operation: ServerOperation) -> None:
        if len(self._calls) >= MOST_CALLS:
            refuse(operation, f"{self._name} is busy: {MOST_CALLS} queries are running")
            return
        call = self._loop.create_task(self._call(operation), name=f"query to {self._name}")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, operation: ServerOperation) -> None:
        """The supervisor of one query: p4p gives the client no answer when a handler fails."""
        try:
            method, arguments = question(operation.value(), self._name)
            answer = await self._engine.call(method, arguments, origin_of(operation, "rpc"))
            value = answer_value(answer, self._tables)
            self._before_answer()
            operation.done(value)
        except asyncio.CancelledError:
            refuse(operation, error_text(InterruptedCommandError("the gateway stopped before the end")))
            raise
        except DmiocError as error:
            refuse(operation, error_text(error))
        except Exception:
            _log.exception("query to %s", self._name)
            refuse(operation, INTERNAL_ERROR)


def question(value: Value, full_name: str) -> tuple[str, dict[str, object]]:
    """Method and arguments of a query: from its field ``query`` if it has one (NTURI), else from all of it.

    The method is the argument ``method``, or else what the path of the NTURI has after the PV's name. Raises `RefusedError`
    where there is none.
    """
    fields = cast("dict[str, object]", sent(lambda: _plain(value), full_name))
    query = fields.get("query")
    if isinstance(query, dict):
        arguments = dict(cast("dict[str, object]", query))
        method = arguments.pop(_METHOD, None) or fields.get(_METHOD) or _path_method(fields, full_name)
    else:
        method = fields.pop(_METHOD, None) or _path_method(fields, full_name)
        arguments = {name: argument for name, argument in fields.items() if name not in _URI_FIELDS}
    if not isinstance(method, str) or not method:
        raise RefusedError(f"{full_name} needs the argument method; method=help tells which there are")
    return method, arguments


def _path_method(fields: Mapping[str, object], full_name: str) -> str:
    path = fields.get("path")
    return path.removeprefix(full_name).strip("/:.?") if isinstance(path, str) else ""


def _plain(value: object) -> object:
    """What p4p unpacked as Python's own: structures as dictionaries, arrays as tuples."""
    if isinstance(value, Value):
        return {name: _plain(value[name]) for name in value.keys()}
    if isinstance(value, np.ndarray):
        return tuple(cast("list[object]", value.tolist()))
    if isinstance(value, list):
        return tuple(_plain(item) for item in cast("list[object]", value))
    return value


class KnownTables:
    """Types of the columns of tables: those of the catalogue's table with the same columns, else by their cells."""

    def __init__(self, catalogue: Catalogue) -> None:
        tables = [pv.columns for pv in catalogue if pv.kind is Kind.TABLE]
        self._codes = {tuple(column.name for column in columns): column_codes(columns) for columns in tables}

    def codes(self, table: TableReading) -> Mapping[str, str]:
        """p4p's code of the elements of each column."""
        known = self._codes.get(tuple(table.columns))
        return known or {name: _cells_code(cells) for name, cells in table.columns.items()}


def answer_value(answer: RpcAnswer, tables: KnownTables) -> Value:
    """The answer as p4p sends it; a table alone as an NTTable.

    Raises `ValueError` or `TypeError` for what is no field of an answer: a mistake in the engine.
    """
    fields = list(answer.fields.values())
    if len(fields) == 1 and isinstance(fields[0], TableReading):
        return _table_value(answer.type_id, fields[0], tables)
    spec: list[tuple[str, Any]] = []
    values: dict[str, Any] = {}
    for name, field in answer.fields.items():
        if isinstance(field, TableReading):
            codes = tables.codes(field)
            check_columns(name, codes, field.columns)
            spec.append((name, table_spec(codes)))
            values[f"{name}.labels"] = list(codes)
            values |= columns(codes, field, None, f"{name}.")
        else:
            spec.append((name, _field_code(field)))
            values[name] = _field_value(field)
    return Value(Type(spec, id=answer.type_id), values)


def _table_value(name: str, table: TableReading, tables: KnownTables) -> Value:
    codes = tables.codes(table)
    check_columns(name, codes, table.columns)
    event = changed_event(table, None)
    return Value(
        table_type(codes, has_revision=False),
        {"labels": list(codes), "descriptor": "" if name == NT_TABLE else name, **event, **columns(codes, table, None)},
    )


def _field_code(field: object) -> str:
    if isinstance(field, tuple):
        return f"a{_cells_code(cast('Cells', field))}"
    for kind, code in ((bool, "?"), (int, "l"), (float, "d"), (str, "s")):
        if isinstance(field, kind):
            return code
    raise TypeError(f"{field!r} cannot be a field of an answer")


def _field_value(field: object) -> object:
    if isinstance(field, tuple):
        cells = cast("tuple[object, ...]", field)
        return [sendable(cell) if isinstance(cell, str) else cell for cell in cells]
    return sendable(field) if isinstance(field, str) else field


def _cells_code(cells: Cells) -> str:
    """By the first cell; text if there is none."""
    if not cells or isinstance(cells[0], str):
        return "s"
    return "l" if isinstance(cells[0], int) and all(isinstance(cell, int) for cell in cells) else "d"
