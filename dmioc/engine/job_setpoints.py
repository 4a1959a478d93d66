"""What the setpoints of a workflow slot ask for (``pv-contract.md §6``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dmioc.catalogue.workflows import ARGUMENT_PAIRS
from dmioc.engine.objects import json_object, merged
from dmioc.engine.submission import Submission
from dmioc.errors import RefusedError

if TYPE_CHECKING:
    from dmioc.engine.store import Store


def submission_of(store: Store, group: str, owner: str, added: Mapping[str, Mapping[str, object]]) -> Submission:
    """The submission that a slot's setpoints make.

    Args:
        store: where they are.
        group: the slot's, e.g. ``WF1:``.
        owner: of the job, unless the setpoint names one.
        added: further arguments by the PV they come from.

    Raises `RefusedError` naming the setpoint that is wrong, or gives an argument that another one gives too.
    """
    name = store.text(f"{group}Name")
    if not name:
        raise RefusedError(f"{group}Name is empty: put the name of a workflow")
    file_path = store.text(f"{group}FilePath")
    parts: dict[str, Mapping[str, object]] = {
        f"{group}FilePath": {"filePath": file_path} if file_path else {},
        f"{group}Args": json_object(store, f"{group}Args"),
    }
    for number in range(1, ARGUMENT_PAIRS + 1):
        key, value = store.text(f"{group}Arg{number}Key"), str(store.value(f"{group}Arg{number}Value"))
        if key:
            parts[f"{group}Arg{number}Key"] = {key: value}
        elif value:
            raise RefusedError(f"{group}Arg{number}Value is set and {group}Arg{number}Key is empty: set both or none")
    return Submission(
        owner=store.text(f"{group}Owner") or owner,
        workflow=name,
        arguments=merged({**parts, **added}),
        request_id=store.text(f"{group}RequestID"),
        if_running=store.label(f"{group}IfRunning"),
        timeout_s=store.number(f"{group}WaitTimeout"),
    )
