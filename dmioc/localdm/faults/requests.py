"""What a request is about, and whether a fault is for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from dmioc.localdm.answers import DmAnswerNo
from dmioc.localdm.calls import Call
from dmioc.localdm.endpoints import Endpoint, Form
from dmioc.localdm.faults.kinds import Fault, Scope
from dmioc.localdm.services import Service

_SESSION_ENDPOINTS = frozenset({"login", "logout"})
_OBJECT_NAMES = ("id", "name", "directory", "path")
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its endpoint, and the experiment and the object it names; None where it names none."""

    service: Service
    endpoint: Endpoint
    experiment: str | None
    object: str | None

    @classmethod
    def of(cls, service: Service, endpoint: Endpoint, raw: Mapping[str, str]) -> Asked:
        """What a request names; ``raw`` are its values as they came."""
        call = Call(endpoint, "", raw)
        return cls(service, endpoint, _experiment(service, call), _object(service, call))

    @property
    def names_something(self) -> bool:
        """Whether its path names one object, and no list of them."""
        return any(name in self.endpoint.path_names for name in _OBJECT_NAMES)


def _experiment(service: Service, call: Call) -> str | None:
    forms = call.endpoint.forms
    if "name" in forms and service is not Service.PROC:
        return _text(call, "name")
    for name in (name for name, form in forms.items() if form is Form.JSON):
        document = _document(call, name)
        # A new experiment is described by a document with its own name.
        found = document.get("name" if name == "experiment" else "experimentName")
        if isinstance(found, str):
            return found
    return None


def _object(service: Service, call: Call) -> str | None:
    names = ("id", "name", "directory") if service is Service.PROC else ("id", "directory")
    given = (_text(call, name) for name in names if name in call.endpoint.forms)
    return next((text for text in given if text), None)


def _text(call: Call, name: str) -> str | None:
    try:
        return call.text(name)
    except DmAnswerNo:  # localdm will say so itself
        return None


def _document(call: Call, name: str) -> Mapping[str, object]:
    try:
        return call.document(name)
    except DmAnswerNo:
        return {}


def is_for(fault: Fault, asked: Asked) -> bool:
    """Whether a fault is for a request.

    A request that names no experiment or no object is met only by faults that change records: they then look at those.
    """
    names = fault.endpoint or ("*",)
    if fault.service and asked.service.value not in fault.service:
        return False
    if not fault.endpoint and asked.endpoint.name in _SESSION_ENDPOINTS:
        return False
    if not any(fnmatchcase(asked.endpoint.name, name) for name in names):
        return False
    if fault.method and fault.method != asked.endpoint.verb:
        return False
    may_be_in_records = fault.scope is Scope.RECORDS
    for wanted, named in ((fault.experiment, asked.experiment), (fault.object, asked.object)):
        if wanted and not (may_be_in_records if named is None else fnmatchcase(named, wanted)):
            return False
    return True


def is_named(fault: Fault, asked: Asked) -> bool:
    """Whether the request itself names what the fault is for, so that its records need not be looked at."""
    if not fault.is_for_some:
        return True
    wanted = ((fault.experiment, asked.experiment), (fault.object, asked.object))
    return all(named is not None and fnmatchcase(named, text) for text, named in wanted if text)


def is_for_record(fault: Fault, record: Record) -> bool:
    """Whether a record of an answer is one that the fault is for."""
    experiment = cast("object", record.get("experimentName", record.get("name")))
    identity = [record.get(key) for key in ("id", "name", "dataDirectory")]
    if fault.experiment and not (isinstance(experiment, str) and fnmatchcase(experiment, fault.experiment)):
        return False
    return not fault.object or any(isinstance(one, str) and fnmatchcase(one, fault.object) for one in identity)
