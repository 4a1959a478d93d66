"""From a value of PVAccess to the fields of an update message, in the format of PVWS (``screens.md §2c``).

PVWS is the PV web socket of ORNL, which cs-web-lib, dbwr and other displays read. What it has no message for, tables, is an
extension: ``columns``, an object with the cells of each column.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from p4p import Value

Fields = dict[str, str]
"""Fields of an update message: their JSON texts by their names; a column of a table as ``columns.`` and its name."""

COLUMN = "columns."
ALWAYS = frozenset({"value", "text", "severity", "seconds", "nanos"})
"""What every update of a scalar tells; the rest only when it is new."""

_SCALAR, _ENUM, _ARRAY, _TABLE = (f"epics:nt/NT{kind}:" for kind in ("Scalar", "Enum", "ScalarArray", "Table"))
_SEVERITIES = ("NONE", "MINOR", "MAJOR", "INVALID")
_WHOLE, _FLOAT = "VInt", "VDouble"


def fields_of(value: Value, *, first: bool) -> Fields:
    """The fields of a value: all of the first one after a connection, later only what has changed, and the event.

    A PV that is neither a scalar, an enum, a list of texts nor a table is answered as a text that says so.
    """
    type_id = value.getID()
    if type_id.startswith(_TABLE):
        return {**_event(value), **_table(value, first=first)}
    if type_id.startswith(_ENUM):
        return {**_event(value), **_enum(value, first=first)}
    if type_id.startswith((_SCALAR, _ARRAY)):
        return {**_event(value), **_scalar(value, first=first)}
    return {"text": json_text(f"a structure {type_id}, which is not shown here"), "severity": json_text("NONE")}


def json_text(value: object) -> str:
    """The JSON of a plain value, without blanks."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _event(value: Value) -> Fields:
    severity = int(value["alarm.severity"])
    name = _SEVERITIES[severity] if 0 <= severity < len(_SEVERITIES) else _SEVERITIES[-1]
    return {
        "severity": json_text(name),
        "alarm": json_text(str(value["alarm.message"])),
        "seconds": json_text(int(value["timeStamp.secondsPastEpoch"])),
        "nanos": json_text(int(value["timeStamp.nanoseconds"])),
    }


def _scalar(value: Value, *, first: bool) -> Fields:
    content: object = _plain(value["value"])
    if isinstance(content, list):
        lines = [str(line) for line in cast("list[object]", content)]
        return {"value": json_text(lines), "text": json_text("\n".join(lines)), **_type("VStringArray", first=first)}
    if isinstance(content, str):
        return {"text": json_text(content), **_type("VString", first=first)}
    name = _WHOLE if isinstance(content, int) else _FLOAT
    fields = {"value": json_text(_finite(content)), **_type(name, first=first)}
    return {**fields, **_display(value)} if first else fields


def _display(value: Value) -> Fields:
    """Units, precision and limits of a number; limits only where there are any."""
    if "display" not in value:
        return {}
    display = value["display"]
    low, high = display["limitLow"], display["limitHigh"]
    limits = {"min": json_text(_finite(low)), "max": json_text(_finite(high))} if low < high else {}
    precision = {"precision": json_text(int(display["precision"]))} if "precision" in display else {}
    return {"units": json_text(str(display["units"])), **precision, **limits}


def _enum(value: Value, *, first: bool) -> Fields:
    index, labels = int(value["value.index"]), [str(label) for label in value["value.choices"]]
    text = labels[index] if 0 <= index < len(labels) else str(index)
    fields = {"value": json_text(index), "text": json_text(text)}
    return {**fields, "labels": json_text(labels), **_type("VEnum", first=True)} if first else fields


def _table(value: Value, *, first: bool) -> Fields:
    names = value["value"].keys()
    wanted = names if first else [name for name in names if value.changed(f"value.{name}")]
    columns = {f"{COLUMN}{name}": json_text(_cells(value[f"value.{name}"])) for name in wanted}
    return {**columns, **_type("VTable", first=first)}


def _type(name: str, *, first: bool) -> Fields:
    return {"vtype": json_text(name)} if first else {}


def _cells(column: object) -> list[object]:
    return [_finite(cell) for cell in cast("Iterable[object]", _plain(column))]


def _plain(value: object) -> Any:
    """Python's own numbers and lists; p4p gives arrays of numpy for arrays of numbers."""
    as_list = getattr(value, "tolist", None)
    return as_list() if callable(as_list) else value


def _finite(value: object) -> object:
    """The value, or the text NaN for a number that JSON does not have, as PVWS writes it."""
    return "NaN" if isinstance(value, float) and not math.isfinite(value) else value
