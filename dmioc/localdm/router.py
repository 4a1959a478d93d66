"""Finds the endpoint of a request and its values, from the table of endpoints alone (``dm-protocol.md §1.2, §2.1``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from dmioc.localdm.answers import InvalidRequest
from dmioc.localdm.endpoints import ENDPOINTS, Endpoint
from dmioc.localdm.services import Service
from dmioc.localdm.wire import shortened


class Router:
    """The endpoints of one service."""

    def __init__(self, service: Service, endpoints: Iterable[Endpoint] = ENDPOINTS) -> None:
        self._service = service
        self._endpoints = [(endpoint, endpoint.segments) for endpoint in endpoints if service in endpoint.services]

    def find(self, verb: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint of a path, still percent-encoded, and the values in it.

        A path may lack its last value if that is empty: clients drop ``/b''`` (§2.1). Raises `InvalidRequest`.
        """
        parts = [unquote(part) for part in path.rstrip("/").split("/")[1:]]
        for candidate in (parts, [*parts, ""]):
            matches = [endpoint for endpoint, segments in self._endpoints if _fits(segments, candidate)]
            for endpoint in matches:
                if endpoint.verb == verb:
                    values = [part for part, fixed in zip(candidate, endpoint.segments, strict=True) if fixed is None]
                    return endpoint, dict(zip(endpoint.path_names, values, strict=True))
        verbs = sorted({endpoint.verb for endpoint, segments in self._endpoints if _fits(segments, parts)})
        hint = f"; it takes {', '.join(verbs)} there" if verbs else ""
        raise InvalidRequest(f"{self._service.value} service of localdm has no {verb} {shortened(path)}{hint}")


def _fits(segments: tuple[str | None, ...], parts: list[str]) -> bool:
    if len(segments) != len(parts):
        return False
    return all(segment is None or segment == part for segment, part in zip(segments, parts, strict=True))


def parameters(text: str) -> Mapping[str, str]:
    """The values of a query or of a form, by name; the first of a name that is given twice."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        values.setdefault(name, value)
    return values
