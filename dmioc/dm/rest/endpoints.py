"""Where each of DM's methods is found: verb, path and parameters, as data.

A line reads ``VERB /path?query form FORM``; ``{e:x}`` stands for a value in DM's encoding, ``{x}`` for a plain one.
Known endpoints have the section of ``dm-protocol.md`` that tells them. The others are assumed: ``dm-protocol.md §12``
calls them UNKNOWN, the paths are those that ``localdm`` serves, and a site may correct each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dmioc.dm.calls.values import INVALID_ARGUMENT
from dmioc.dm.rest.encoding import encode, in_path, in_query, plain
from dmioc.errors import ConfigurationError, DmRefusedError
from dmioc.model import Service

_LINE = re.compile(
    r"(?P<verb>GET|POST|PUT|DELETE) (?P<path>/[^\s?]*)(?:\?(?P<query>[^\s?]+))?(?: form (?P<form>[^\s?]+))?"
)
_PLACEHOLDER = re.compile(r"\{(?P<encoded>e:)?(?P<name>\w+)\}")
# A site's path may do without these: some DM calls take them from the session.
_MAY_BE_LEFT_OUT = frozenset({"station", "owner"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of DM: its name in DM's Python API, its service, and where it is asked.

    ``query`` and ``form`` are templates as ``path`` is, empty for none; ``section`` is that of ``dm-protocol.md``.
    """

    name: str
    service: Service
    verb: str
    path: str
    query: str
    form: str
    is_known: bool
    section: str

    @property
    def template(self) -> str:
        """The endpoint as one line, in the form in which a site corrects it."""
        query = f"?{self.query}" if self.query else ""
        form = f" form {self.form}" if self.form else ""
        return f"{self.verb} {self.path}{query}{form}"

    @property
    def placeholders(self) -> frozenset[str]:
        """Names of the values that the endpoint needs."""
        return frozenset(match["name"] for match in _PLACEHOLDER.finditer(self.template))

    def target(self, values: Mapping[str, str]) -> str:
        """Path and query with the values in their places.

        Raises:
            DmRefusedError: code 10, for a value that would make another path: empty, ``.`` or ``..``.
        """
        for match in _PLACEHOLDER.finditer(self.path):
            value = values[match["name"]]
            if not value or (not match["encoded"] and value in {".", ".."}):
                raise DmRefusedError(f"{self.name}: {match['name']} {value!r} names nothing", INVALID_ARGUMENT)
        path = _filled(self.path, values, is_path=True)
        return f"{path}?{_filled(self.query, values)}" if self.query else path

    def body(self, values: Mapping[str, str]) -> str:
        """The form with the values in their places; empty for an endpoint without one."""
        return _filled(self.form, values)


def _filled(template: str, values: Mapping[str, str], is_path: bool = False) -> str:
    def value_of(match: re.Match[str]) -> str:
        value = values[match["name"]]
        if not match["encoded"]:
            return plain(value)
        return in_path(encode(value)) if is_path else in_query(encode(value))

    return _PLACEHOLDER.sub(value_of, template)


def _endpoint(name: str, service: Service, line: str, section: str, is_known: bool) -> Endpoint:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ConfigurationError(
            f"endpoints.{name} = {line!r}: VERB /path is needed, with VERB one of GET, POST, PUT, DELETE, "
            "and ?name={e:x} or ' form name={e:x}' after it where DM wants parameters"
        )
    query, form = match["query"] or "", match["form"] or ""
    return Endpoint(name, service, match["verb"], match["path"], query, form, is_known, section)


def _known(name: str, service: Service, line: str, section: str) -> Endpoint:
    return _endpoint(name, service, line, section, is_known=True)


def _assumed(name: str, service: Service, line: str, section: str) -> Endpoint:
    return _endpoint(name, service, line, section, is_known=False)


_DS, _DAQ, _PROC, _CAT = Service.DS, Service.DAQ, Service.PROC, Service.CAT
_JOBS_QUERY = "queryDict={e:query}&skip={skip}&limit={limit}&keyList={e:keys}"
_TABLE = (
    _known("getExperimentsByStation", _DS, "GET /dm/experimentsByStation/{station}", "§3.1"),
    _known("getExperimentByName", _DS, "GET /dm/experimentsByName/{e:name}/{station}", "§3.1"),
    _assumed("statFile", _DS, "GET /dm/experimentsByName/{e:name}/{station}/stat/{e:path}", "§7.4"),
    _assumed("addExperiment", _DS, "POST /dm/experiments/addExperiment?experiment={e:json}", "§3.3"),
    _known("startDaq", _DAQ, "POST /dm/experimentsByName/{e:name}/startDaq/{e:dir}?taskInfo={e:json}", "§4.1"),
    _assumed("stopDaq", _DAQ, "POST /dm/experimentsByName/{e:name}/stopDaq/{e:dir}", "§4.2"),
    _assumed("listDaqs", _DAQ, "GET /dm/daqs", "§4.2"),
    _assumed("getDaqInfo", _DAQ, "GET /dm/daqs/{id}", "§4.2"),
    _assumed("upload", _DAQ, "POST /dm/experimentsByName/{e:name}/upload/{e:dir}?taskInfo={e:json}", "§5"),
    _assumed("stopUpload", _DAQ, "POST /dm/uploads/{id}/stopUpload", "§5"),
    _assumed("listUploads", _DAQ, "GET /dm/uploads", "§5"),
    _assumed("getUploadInfo", _DAQ, "GET /dm/uploads/{id}", "§5"),
    _known("listWorkflows", _PROC, "GET /dm/workflowsByOwner/{owner}?queryDict={e:query}", "§6.1"),
    _known("getWorkflowByName", _PROC, "GET /dm/workflowsByOwner/{owner}/{e:name}", "§6.1"),
    _known("listProcessingJobs", _PROC, f"GET /dm/processingJobsByOwner/{{owner}}?{_JOBS_QUERY}", "§6.1"),
    _known("getProcessingJobById", _PROC, "GET /dm/processingJobsByOwner/{owner}/{id}", "§6.1"),
    _known(
        "startProcessingJob",
        _PROC,
        "POST /dm/processingJobsByWorkflow/{owner}/{e:workflow}/startProcessingJob?argsDict={e:json}",
        "§6.1",
    ),
    _assumed("stopProcessingJob", _PROC, "POST /dm/processingJobsByOwner/{owner}/{id}/stopProcessingJob", "§6.6"),
    _assumed("getExperimentFile", _CAT, "GET /dm/experimentFiles/{e:name}/{e:path}", "§7.1"),
    _assumed("getExperimentFileCollectionStats", _CAT, "GET /dm/experimentFileCollections/{e:name}/stats", "§7.1"),
    _assumed("addExperimentDataset", _CAT, "POST /dm/datasets/addExperimentDataset form datasetInfo={e:json}", "§7.2"),
)


def endpoint_table(corrections: Mapping[str, str] | None = None) -> tuple[Endpoint, ...]:
    """Every endpoint that the client uses, with a site's corrections in place, in the order of the services.

    A correction is ``VERB /path`` with the placeholders of the endpoint it replaces; parameters are kept unless the
    correction brings its own.

    Raises:
        ConfigurationError: for a name that the table does not have, or a line that cannot be; the text names what can.
    """
    table = {endpoint.name: endpoint for endpoint in _TABLE}
    for name, line in (corrections or {}).items():
        if name not in table:
            raise ConfigurationError(f"endpoints.{name}: no such endpoint; those there are: {', '.join(sorted(table))}")
        table[name] = _corrected(table[name], line)
    return tuple(table.values())


def _corrected(endpoint: Endpoint, line: str) -> Endpoint:
    new = _endpoint(endpoint.name, endpoint.service, line, endpoint.section, is_known=True)
    if not new.query and not new.form:
        new = replace(new, query=endpoint.query, form=endpoint.form)
    usable = ", ".join(sorted(f"{{{name}}}" for name in endpoint.placeholders)) or "none"
    if "{" in _PLACEHOLDER.sub("", new.template) or new.placeholders - endpoint.placeholders:
        raise ConfigurationError(
            f"endpoints.{endpoint.name} = {line!r}: placeholders of this endpoint are {usable}, "
            "each as {e:name} where DM wants its encoding"
        )
    missing = endpoint.placeholders - new.placeholders - _MAY_BE_LEFT_OUT
    if missing:
        raise ConfigurationError(
            f"endpoints.{endpoint.name} = {line!r}: {', '.join(f'{{{name}}}' for name in sorted(missing))} is missing"
        )
    return new
