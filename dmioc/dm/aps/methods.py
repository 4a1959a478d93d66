"""Which method of which class of ``aps-dm-api`` each call uses, as data (``dm-protocol.md §10``).

Documented methods have the section of ``dm-protocol.md`` that tells their arguments. The others are assumed: nobody outside has
seen them, and a site may name the right one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from dmioc.errors import ConfigurationError
from dmioc.model import Service

_NAME = re.compile(r"(?P<api>[A-Za-z_]\w*)\.(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a method is called with; ``optional`` ones are left out where the installed version does not take them."""

    positional: tuple[object, ...] = ()
    keywords: Mapping[str, object] = field(default_factory=dict[str, object])
    optional: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Method:
    """One call: DM's name of it, its service, the class and the function, and how its arguments are made of texts."""

    name: str
    service: Service
    api: str
    function: str
    arguments: Callable[[Mapping[str, str]], Arguments]
    is_known: bool
    section: str

    @property
    def qualified(self) -> str:
        """Class and function, in the form in which a site corrects it."""
        return f"{self.api}.{self.function}"


def _texts(*names: str) -> Callable[[Mapping[str, str]], Arguments]:
    """The named values as they are, in this order."""
    return lambda values: Arguments(tuple(values[name] for name in names))


def _texts_and_object(*names: str) -> Callable[[Mapping[str, str]], Arguments]:
    """The named values, and the JSON object after them."""
    return lambda values: Arguments((*(values[name] for name in names), json.loads(values["json"])))


def _new_experiment(values: Mapping[str, str]) -> Arguments:
    """The name first and everything else by keyword, as every beamline calls it (``dm-protocol.md §3.3``)."""
    content = cast("dict[str, object]", json.loads(values["json"]))
    return Arguments((content.pop("name"),), content)


def _job_list(values: Mapping[str, str]) -> Arguments:
    """The owner; ``keyList`` is seen in use, ``skip`` and ``limit`` are those of the address (``dm-protocol.md §6.1, §6.2``)."""
    optional = {"keyList": json.loads(values["keys"]), "skip": int(values["skip"]), "limit": int(values["limit"])}
    return Arguments((values["owner"],), optional=optional)


def _of(service: Service, api: str, is_known: bool = True) -> Callable[..., Method]:
    def method(name: str, arguments: Callable[[Mapping[str, str]], Arguments], section: str) -> Method:
        return Method(name, service, api, name, arguments, is_known, section)

    return method


_DS = _of(Service.DS, "ExperimentDsApi")
_DAQ = _of(Service.DAQ, "ExperimentDaqApi")
_PROC = _of(Service.PROC, "WorkflowProcApi")
_PROC_ASSUMED = _of(Service.PROC, "WorkflowProcApi", is_known=False)
_STORED_FILES = _of(Service.DS, "FileDsApi")
_FILES = _of(Service.CAT, "FileCatApi")
_DATASETS = _of(Service.CAT, "DatasetCatApi")
_TABLE: tuple[Method, ...] = (
    _DS("getExperimentsByStation", _texts("station"), "§3.3"),
    _DS("getExperimentByName", _texts("name", "station"), "§3.3"),
    _DS("addExperiment", _new_experiment, "§3.3"),
    _STORED_FILES("statFile", _texts("path", "name"), "§7.4"),
    _DAQ("startDaq", _texts_and_object("name", "dir"), "§4.2"),
    _DAQ("stopDaq", _texts("name", "dir"), "§4.2"),
    _DAQ("listDaqs", _texts(), "§4.2"),
    _DAQ("getDaqInfo", _texts("id"), "§4.2"),
    _DAQ("upload", _texts_and_object("name", "dir"), "§5"),
    _DAQ("stopUpload", _texts("id"), "§5"),
    _DAQ("listUploads", _texts(), "§5"),
    _DAQ("getUploadInfo", _texts("id"), "§5"),
    _PROC("listWorkflows", _texts("owner"), "§6.2"),
    _PROC("getWorkflowByName", _texts("owner", "name"), "§6.2"),
    _PROC("listProcessingJobs", _job_list, "§6.2"),
    _PROC("getProcessingJobById", _texts("owner", "id"), "§6.2"),
    _PROC("startProcessingJob", _texts_and_object("owner", "workflow"), "§6.2"),
    _PROC_ASSUMED("stopProcessingJob", _texts("owner", "id"), "§6.6"),
    _FILES("getExperimentFile", _texts("name", "path"), "§7.1"),
    _FILES("getExperimentFileCollectionStats", _texts("name"), "§7.1"),
    _DATASETS("addExperimentDataset", _texts_and_object(), "§7.2"),
)


def method_table(corrections: Mapping[str, str] | None = None) -> tuple[Method, ...]:
    """Every method that the client uses, with a site's corrections in place.

    Raises:
        ConfigurationError: for a name that the table does not have, or a line that is not ``Class.method``.
    """
    table = {method.name: method for method in _TABLE}
    for name, line in (corrections or {}).items():
        if name not in table:
            raise ConfigurationError(f"methods.{name}: no such method; those there are: {', '.join(sorted(table))}")
        match = _NAME.fullmatch(line)
        if match is None:
            raise ConfigurationError(
                f"methods.{name} = {line!r}: Class.method is needed, e.g. 'WorkflowProcApi.{name}'"
            )
        table[name] = replace(table[name], api=match["api"], function=match["function"], is_known=True)
    return tuple(table.values())
