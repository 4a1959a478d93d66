"""What several plans do with their arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HOUR_S = 3600.0
DAY_S = 86400.0
RAISE = "raise"
_ON_FAILURE = (RAISE, "report")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises `ValueError` for an argument that is none of its choices."""
    if value not in choices:
        raise ValueError(f"{name} takes {' or '.join(choices)}, not {value!r}")


def check_on_failure(value: str) -> None:
    """Raises `ValueError` unless it says what to do with what ended, and not as Done: ``raise`` or ``report``."""
    check_choice("on_failure", value, _ON_FAILURE)


def merged_arguments(args: Mapping[str, Any] | None, workflow_args: Mapping[str, Any]) -> dict[str, Any]:
    """DM arguments from a mapping and from keywords; raises `ValueError` for one that is in both."""
    twice = sorted(set(args or {}) & set(workflow_args))
    if twice:
        raise ValueError(f"given in args and as a keyword: {', '.join(twice)}")
    return {**(args or {}), **workflow_args}


def check_has_workflow(workflow: str, job: Mapping[str, Any]) -> None:
    """Raises `ValueError` for arguments of a workflow without one: most likely they are misspelt."""
    if job and not workflow:
        raise ValueError(f"no workflow is given that could take {', '.join(sorted(job))}")


def json_object(values: Mapping[str, Any] | None) -> str:
    """JSON for a setpoint that takes an object; empty for none."""
    return json.dumps(dict(values), ensure_ascii=False) if values else ""
