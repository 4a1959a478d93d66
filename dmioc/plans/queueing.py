"""Plans that a queue server can list and check: the types of their arguments as it can read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

PlanFunction = TypeVar("PlanFunction", bound=Callable[..., Any])
_SENT_AS = {"DMStation": str, "TransferOutcome": str, "Mapping": dict}
"""What cannot be sent to a queue, and what can: a station by its prefix, a DAQ by its id."""


def queueable(plan: PlanFunction) -> PlanFunction:
    """The plan itself, annotated with types instead of their names, for bluesky-queueserver, which looks for no others."""
    answer = plan.__annotations__.pop("return", None)
    plan.__annotations__ = get_type_hints(plan, localns=_SENT_AS)
    plan.__annotations__["return"] = answer
    return plan
