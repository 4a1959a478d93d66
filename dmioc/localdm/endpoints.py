"""Every endpoint localdm serves, as data: the router is made from this table, and so is ``dmioc localdm --endpoints``.

A route is written as it is on the wire: ``{station}`` is a plain value, ``{e:name}`` one that is encoded (§2.1), and
``{e:queryDict=json}`` JSON that is encoded; what follows ``?`` may come in the query or in a form. Known endpoints are
those of ``dm-protocol.md``; the others are assumed, because nobody outside has seen DM's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from dmioc.localdm.services import ALL_SERVICES, Service

_HOLE = re.compile(r"\{(e:)?(\w+)(=json)?\}")
EXPERIMENT = "/dm/experimentsByName/{e:name}/{station}"
_DAQ_EXPERIMENT = "/dm/experimentsByName/{e:name}"
_FILES = "/dm/experimentFiles"
_WORKFLOW = "allowCurrentUsername={allowCurrentUsername}&workflow={e:workflow=json}"


class Form(Enum):
    """How a value is written on the wire (§2.1)."""

    PLAIN = "plain"
    TEXT = "encoded text"
    JSON = "encoded JSON"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; ``name`` is the method of DM's Python package, ``source`` the section of ``dm-protocol.md``."""

    name: str
    services: tuple[Service, ...]
    verb: str
    path: str
    parameters: str
    known: bool
    source: str

    @property
    def segments(self) -> tuple[str | None, ...]:
        """The parts of the path between slashes; None where a value stands."""
        return tuple(None if _HOLE.fullmatch(part) else part for part in self.path.split("/")[1:])

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the values in the path, in order."""
        return tuple(hole[1] for hole in _HOLE.findall(self.path))

    @property
    def forms(self) -> dict[str, Form]:
        """How each value is written, by its name."""
        holes = _HOLE.findall(f"{self.path}?{self.parameters}")
        return {name: Form.JSON if json else Form.TEXT if encoded else Form.PLAIN for encoded, name, json in holes}


def _known(name: str, service: Service, verb: str, route: str, source: str) -> Endpoint:
    path, _, parameters = route.partition("?")
    return Endpoint(name, (service,), verb, path, parameters, True, source)


def _assumed(name: str, service: Service, verb: str, route: str, source: str) -> Endpoint:
    path, _, parameters = route.partition("?")
    return Endpoint(name, (service,), verb, path, parameters, False, source)


_DS, _DAQ, _PROC, _CAT = Service.DS, Service.DAQ, Service.PROC, Service.CAT
_COMMON = (
    Endpoint("login", ALL_SERVICES, "POST", "/dm/login", "username={username}&password={password}", True, "§1.5"),
    Endpoint("logout", ALL_SERVICES, "POST", "/dm/logout", "", False, "§1.5"),
    Endpoint("logout", ALL_SERVICES, "GET", "/dm/logout", "", False, "§1.5"),
    Endpoint("getServiceStatus", ALL_SERVICES, "GET", "/dm/serviceStatus", "", False, "§10"),
)
_STORAGE = (
    _known("getExperimentsByStation", _DS, "GET", "/dm/experimentsByStation/{station}", "§3.1"),
    _known("getExperimentByName", _DS, "GET", EXPERIMENT, "§3.1"),
    _known("getExperimentById", _DS, "GET", "/dm/experimentsById/{id}", "§3.1"),
    _known("updateExperimentGroup", _DS, "PUT", "/dm/experiments/updateGroup?name={e:name}", "§3.1"),
    _known(
        "downloadFile",
        _DS,
        "POST",
        "/dm/downloads/downloadFile/{name}?experimentFilePath={e:experimentFilePath}",
        "§3.1",
    ),
    _assumed("addExperiment", _DS, "POST", "/dm/experiments/addExperiment?experiment={e:experiment=json}", "§3.3"),
    _assumed("updateExperiment", _DS, "PUT", "/dm/experiments/updateExperiment?experiment={e:experiment=json}", "§3.3"),
    _assumed("deleteExperimentByName", _DS, "DELETE", EXPERIMENT, "§3.3"),
    _assumed("deleteExperimentById", _DS, "DELETE", "/dm/experimentsById/{id}", "§3.3"),
    _assumed("startExperiment", _DS, "PUT", f"{EXPERIMENT}/start", "§3.3"),
    _assumed("stopExperiment", _DS, "PUT", f"{EXPERIMENT}/stop", "§3.3"),
    _assumed("upsertExperimentMetadata", _DS, "PUT", f"{EXPERIMENT}/metadata?key={{e:key}}&value={{e:value}}", "§3.3"),
    _assumed("getUsers", _DS, "GET", "/dm/users", "§3.4"),
    _assumed("getUserByUsername", _DS, "GET", "/dm/usersByUsername/{username}", "§3.4"),
    _assumed(
        "addUserExperimentRole", _DS, "POST", f"{EXPERIMENT}/userRoles/{{username}}?roleName={{e:roleName}}", "§3.4"
    ),
    _assumed(
        "deleteUserExperimentRole",
        _DS,
        "DELETE",
        f"{EXPERIMENT}/userRoles/{{username}}?roleName={{e:roleName}}",
        "§3.4",
    ),
    _assumed("statFile", _DS, "GET", f"{EXPERIMENT}/stat/{{e:path}}", "§7.4"),
    _assumed("deleteFile", _DS, "DELETE", f"{EXPERIMENT}/files/{{e:path}}", "§7.4"),
)
_TRANSFER = (
    _known(
        "startDaq", _DAQ, "POST", f"{_DAQ_EXPERIMENT}/startDaq/{{e:directory}}?taskInfo={{e:taskInfo=json}}", "§4.1"
    ),
    _assumed("stopDaq", _DAQ, "POST", f"{_DAQ_EXPERIMENT}/stopDaq/{{e:directory}}", "§4.2"),
    _assumed("listDaqs", _DAQ, "GET", "/dm/daqs", "§4.2"),
    _assumed("getDaqInfo", _DAQ, "GET", "/dm/daqs/{id}", "§4.2"),
    _assumed("clearDaq", _DAQ, "DELETE", "/dm/daqs/{id}", "§4.2"),
    _assumed("upload", _DAQ, "POST", f"{_DAQ_EXPERIMENT}/upload/{{e:directory}}?taskInfo={{e:taskInfo=json}}", "§5"),
    _assumed("stopUpload", _DAQ, "POST", "/dm/uploads/{id}/stopUpload", "§5"),
    _assumed("listUploads", _DAQ, "GET", "/dm/uploads", "§5"),
    _assumed("getUploadInfo", _DAQ, "GET", "/dm/uploads/{id}", "§5"),
    _assumed("clearUpload", _DAQ, "DELETE", "/dm/uploads/{id}", "§5"),
    _assumed("listUploadRecords", _DAQ, "GET", "/dm/uploadRecords?queryDict={e:queryDict=json}", "§4.2"),
    _assumed("listProcessingPlugins", _DAQ, "GET", "/dm/processingPlugins", "§4.2"),
    _assumed("isolateExperiment", _DAQ, "POST", "/dm/isolation/{stage}/{e:beamline}?options={e:options=json}", "§4.2"),
    _assumed("isConfiguredForIsolation", _DAQ, "GET", "/dm/isolation/{e:beamline}", "§4.2"),
)
_PROCESSING = (
    _known("listWorkflows", _PROC, "GET", "/dm/workflowsByOwner/{owner}?queryDict={e:queryDict=json}", "§6.1"),
    _known("getWorkflowByName", _PROC, "GET", "/dm/workflowsByOwner/{owner}/{e:name}", "§6.1"),
    _known("addWorkflow", _PROC, "POST", f"/dm/workflows/addWorkflow?{_WORKFLOW}", "§6.1"),
    _known("updateWorkflow", _PROC, "PUT", f"/dm/workflows/updateWorkflow?{_WORKFLOW}", "§6.1"),
    _assumed("upsertWorkflow", _PROC, "PUT", f"/dm/workflows/upsertWorkflow?{_WORKFLOW}", "§6.2"),
    _assumed("getWorkflowById", _PROC, "GET", "/dm/workflowsById/{owner}/{id}", "§6.2"),
    _assumed("deleteWorkflowByName", _PROC, "DELETE", "/dm/workflowsByOwner/{owner}/{e:name}", "§6.2"),
    _known(
        "listProcessingJobs",
        _PROC,
        "GET",
        "/dm/processingJobsByOwner/{owner}?queryDict={e:queryDict=json}&skip={skip}&limit={limit}&keyList={e:keyList=json}",
        "§6.1",
    ),
    _known("getProcessingJobById", _PROC, "GET", "/dm/processingJobsByOwner/{owner}/{id}", "§6.1"),
    _known(
        "startProcessingJob",
        _PROC,
        "POST",
        "/dm/processingJobsByWorkflow/{owner}/{e:name}/startProcessingJob?argsDict={e:argsDict=json}",
        "§6.1",
    ),
    _assumed("stopProcessingJob", _PROC, "POST", "/dm/processingJobsByOwner/{owner}/{id}/stopProcessingJob", "§6.6"),
    _assumed("deleteProcessingJob", _PROC, "DELETE", "/dm/processingJobsByOwner/{owner}/{id}", "§6.6"),
    _assumed("listGlobusRuns", _PROC, "GET", "/dm/globusRuns", "§6.1"),
)
_CATALOG = (
    _assumed(
        "getExperimentFiles",
        _CAT,
        "GET",
        f"{_FILES}/{{e:name}}?queryDict={{e:queryDict=json}}&skip={{skip}}&limit={{limit}}",
        "§7.1",
    ),
    _assumed("getExperimentFile", _CAT, "GET", f"{_FILES}/{{e:name}}/{{e:path}}", "§7.1"),
    _assumed("getExperimentFileById", _CAT, "GET", "/dm/experimentFilesById/{e:name}/{id}", "§7.1"),
    _assumed(
        "addExperimentFile", _CAT, "POST", f"{_FILES}/addExperimentFile?fileMetadata={{e:fileMetadata=json}}", "§7.1"
    ),
    _assumed(
        "updateExperimentFile",
        _CAT,
        "PUT",
        f"{_FILES}/updateExperimentFile?fileMetadata={{e:fileMetadata=json}}",
        "§7.1",
    ),
    _assumed("deleteExperimentFile", _CAT, "DELETE", f"{_FILES}/{{e:name}}/{{e:path}}", "§7.1"),
    _assumed("getExperimentFileCollectionStats", _CAT, "GET", "/dm/experimentFileCollections/{e:name}/stats", "§7.1"),
    _assumed("deleteExperimentFileCollection", _CAT, "DELETE", "/dm/experimentFileCollections/{e:name}", "§7.1"),
    _assumed(
        "renameExperimentFileCollection",
        _CAT,
        "PUT",
        "/dm/experimentFileCollections/{e:name}?newName={e:newName}",
        "§7.1",
    ),
    _assumed(
        "addExperimentDataset",
        _CAT,
        "POST",
        "/dm/datasets/addExperimentDataset?datasetInfo={e:datasetInfo=json}",
        "§7.2",
    ),
    _assumed(
        "updateExperimentDataset",
        _CAT,
        "PUT",
        "/dm/datasets/updateExperimentDataset?datasetInfo={e:datasetInfo=json}",
        "§7.2",
    ),
    _assumed("getExperimentDatasets", _CAT, "GET", "/dm/datasetsByExperiment/{e:name}", "§7.2"),
    _assumed("getExperimentDataset", _CAT, "GET", "/dm/datasetsByExperiment/{e:name}/{e:dataset}", "§7.2"),
    _assumed("getDatasetById", _CAT, "GET", "/dm/datasetsById/{id}", "§7.2"),
    _assumed("addExperimentRun", _CAT, "POST", "/dm/runs/addExperimentRun?runInfo={e:runInfo=json}", "§7.3"),
    _assumed("getExperimentRuns", _CAT, "GET", "/dm/runsByExperiment/{e:name}", "§7.3"),
)
ENDPOINTS: tuple[Endpoint, ...] = _COMMON + _STORAGE + _TRANSFER + _PROCESSING + _CATALOG


def endpoint_table() -> list[tuple[str, str, str, str, str, str]]:
    """Rows for people: service, name, verb, path with its parameters, known or assumed, section; all text."""
    return [
        (
            "all" if endpoint.services == ALL_SERVICES else endpoint.services[0].value,
            endpoint.name,
            endpoint.verb,
            f"{endpoint.path}?{endpoint.parameters}".rstrip("?"),
            "known" if endpoint.known else "assumed",
            endpoint.source,
        )
        for endpoint in ENDPOINTS
    ]
