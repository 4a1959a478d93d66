"""Queries by name to a station's gateway, and its tables, over PVAccess (``pv-contract.md §9``); needs p4p and no ophyd."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from dmioc.devices.json_values import json_text, json_value
from dmioc.devices.prefix import default_prefix
from dmioc.devices.rpc_once import asked_once
from dmioc.errors import CommandFailedError, GatewayLostError, WaitTimeoutError
from dmioc.model.refusal import error_of

if TYPE_CHECKING:
    from p4p import Value
    from p4p.client.thread import Context

CALL_TIMEOUT_S = 30.0
_LOOK_TIMEOUT_S = 1.0
_LEAST_TIMEOUT_S = 0.1
_CLOSED = "Context closed"
"""What p4p says in a thread that outlives its client, which it ends when the interpreter exits."""
_TABLE, _ENUM = "epics:nt/NTTable:", "epics:nt/NTEnum:"
_SCALARS = ("epics:nt/NTScalar:", "epics:nt/NTScalarArray:")
_CODES = {bool: "?", int: "l", float: "d", str: "s"}


@functools.cache
def _context() -> Context:
    """The PVAccess client of this process: made when it is first used, found servers are shared, ended by p4p at exit."""
    from p4p.client.thread import Context  # noqa: PLC0415  # half a second that only its users pay

    return Context("pva", nt=False)


class StationRpc:
    """Asks one gateway by PVAccess; usable from any thread.

    Args:
        prefix: of the station's PVs, e.g. ``25IDC:DM:``; that of `default_prefix` when None.
        timeout_s: longest time for an answer.

    Every method raises `GatewayLostError` when the gateway is not there, and nothing is connected before the
    first of them is called. The connection is shared by all objects of this class.
    """

    def __init__(self, prefix: str | None = None, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.prefix = default_prefix() if prefix is None else prefix
        self.timeout_s = timeout_s
        self._closed = False
        self._is_away = False

    def __repr__(self) -> str:
        return f"StationRpc({self.prefix!r}, timeout_s={self.timeout_s:g})"

    def call(self, method: str, /, **arguments: object) -> Any:
        """Ask a method of the gateway (``call("help")`` lists them) and answer what it says.

        Args:
            method: its name, e.g. ``job``.
            arguments: its arguments; None and empty texts are left out, dictionaries and lists are sent as JSON, numpy's
                numbers and paths are understood.

        A structure is answered as a dictionary, a table as a list with a dictionary for each row.

        Raises:
            RefusedError: the gateway or DM said no, and nothing was changed; the text is theirs.
            CommandFailedError: it was begun and not done, or DM did not answer.
            WaitTimeoutError: no answer in time from a gateway that is there; what was asked for goes on.
            GatewayLostError: the gateway is not there; what was asked for may have been done.
        """
        return self.ask(method, arguments)

    def ask(self, method: str, arguments: Mapping[str, object], timeout_s: float | None = None) -> Any:
        """As `call`, with the arguments in a mapping and a time of its own."""
        from p4p.nt import NTURI  # noqa: PLC0415  # as `_context`

        name = f"{self.prefix}RPC"
        given = {"method": method, **{key: sent for key, value in arguments.items() if (sent := _sent(value)) != ""}}
        uri = NTURI([(key, _CODES[type(value)]) for key, value in given.items()])
        question = uri.wrap(name, kws=given)
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        return self._answer(
            lambda context, left_s: asked_once(context, name, question, f"{self.prefix}Version", left_s),
            f"{method} was not answered",
            limit_s,
        )

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table PV, e.g. ``DAQ:List``; raises `CommandFailedError` for a PV that is no table."""
        value = self.get(name)
        if not isinstance(value, list):
            raise CommandFailedError(f"{self.prefix}{name} is no table: get() reads it")
        return cast("list[dict[str, Any]]", value)

    def get(self, name: str) -> Any:
        """Value of a PV, its name without prefix: a text, a number, the label of a state, a structure as a dictionary."""
        full_name = f"{self.prefix}{name}"
        return self._answer(
            lambda context, left_s: context.get(full_name, timeout=left_s),
            f"{full_name} was not read",
            self.timeout_s,
        )

    def close(self) -> None:
        """Take no further calls; the connection of the process stays, for other objects."""
        self._closed = True

    def _answer(self, ask: Callable[[Context, float], Value], failure: str, timeout_s: float) -> Any:
        from p4p.client.thread import Cancelled, Disconnected, RemoteError  # noqa: PLC0415  # as `_context`

        if self._closed:
            raise GatewayLostError(f"{failure}: {self!r} is closed")
        context = _context()
        left_s = self._reach(context, timeout_s) if self._is_away else timeout_s
        try:
            return python_value(ask(context, left_s))
        except RemoteError as error:
            raise error_of(str(error)) from None
        except TimeoutError as error:
            if self._is_there(context):
                text = f"{failure} within {timeout_s:.3g} s; the gateway is there, so DM may be slow"
                raise WaitTimeoutError(text) from error
            self._is_away = True
            raise GatewayLostError(f"{failure}: no gateway {self.prefix} within {timeout_s:.3g} s") from error
        except (Disconnected, Cancelled) as error:
            self._is_away = True
            raise GatewayLostError(f"{failure}: the gateway {self.prefix} went away") from error
        except RuntimeError as error:
            if _CLOSED not in str(error):
                raise
            raise GatewayLostError(f"{failure}: this process is ending") from error

    def _reach(self, context: Context, timeout_s: float) -> float:
        """Search for a gateway that was away, again and again: the client's own searches come ever more seldom.

        Answers what is left of the time: enough for a question to a gateway that is not there to fail.
        """
        deadline_s = time.monotonic() + timeout_s
        while self._is_away and time.monotonic() < deadline_s:
            self._is_away = not self._is_there(context)
        return max(deadline_s - time.monotonic(), _LEAST_TIMEOUT_S)

    def _is_there(self, context: Context) -> bool:
        try:
            context.hurryUp()
            context.get(f"{self.prefix}State", timeout=_LOOK_TIMEOUT_S)
        except (TimeoutError, RuntimeError):  # RuntimeError: every error of p4p's own
            return False
        return True


def _sent(value: object) -> bool | int | float | str:
    """An argument as it is sent; an empty text for none."""
    plain = json_value(value)
    if isinstance(plain, bool | int | float | str):
        return plain
    return "" if plain is None else json_text(plain)


def python_value(value: object) -> Any:
    """What p4p received as Python's own: tables as lists of rows, other structures as dictionaries, arrays as lists."""
    get_id = getattr(value, "getID", None)
    if callable(get_id):
        return _structure(cast("Value", value), str(get_id()))
    as_list = getattr(value, "tolist", None)  # numpy's arrays, without importing numpy
    if callable(as_list):
        return as_list()
    if isinstance(value, list):
        return [python_value(member) for member in cast("list[object]", value)]
    return value


def _structure(value: Value, type_id: str) -> Any:
    if type_id.startswith(_TABLE):
        return _rows(value)
    if type_id.startswith(_ENUM):
        choices, index = value["value.choices"], value["value.index"]
        return choices[index] if 0 <= index < len(choices) else str(index)
    if type_id.startswith(_SCALARS):
        return python_value(value["value"])
    return {name: python_value(value[name]) for name in value.keys()}


def _rows(table: Value) -> list[dict[str, Any]]:
    columns = {name: python_value(table[f"value.{name}"]) for name in table["value"].keys()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
