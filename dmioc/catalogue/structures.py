"""Which scalar PVs make up a structure over PVAccess: the same values, in one, at one revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.entries import Kind
from dmioc.model import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmioc.catalogue.entries import PV, Catalogue

_SERVICE_GROUPS = tuple(f"{service.value}:" for service in Service)
_SERVICE_NAMES = ("State", "Error", "Latency", "Age")


def structure_fields(catalogue: Catalogue, structure: PV) -> Mapping[str, PV]:
    """The fields of a structure PV by their names, each with the scalar PV that it shows, in the catalogue's order.

    ``Status`` shows the gateway's own PVs and those of the services; every other structure the readbacks of its group.
    ``DAQ1:FilesTotal`` becomes ``filesTotal``, ``WF1:Workflow_RBV`` ``workflow``, ``DS:State`` ``dsState``.
    """
    if structure.group:
        pvs = [pv for pv in catalogue.group(structure.group) if pv.kind.is_scalar and _is_shown(pv)]
        return {_field(pv.short_name): pv for pv in pvs}
    own = [pv for pv in catalogue.group("") if pv.kind.is_scalar and pv.kind is not Kind.COMMAND and not pv.row_of]
    services = [catalogue[f"{group}{name}"] for group in _SERVICE_GROUPS for name in _SERVICE_NAMES]
    return {_field(pv.short_name): pv for pv in own} | {
        f"{pv.group.rstrip(':').lower()}{pv.short_name}": pv for pv in services
    }


def _is_shown(pv: PV) -> bool:
    return bool(pv.source) or pv.name == "EXP:Name"


def _field(short_name: str) -> str:
    if short_name == "JobID":
        return "id"
    name = short_name.removesuffix("_RBV")
    head = name[: len(name) - len(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
    # A word of capitals is lowered as a whole (ID -> id, CAClients -> caClients), a first letter alone (FilesDone -> filesDone).
    lowered = len(head) if len(head) == len(name) or len(head) < 2 else len(head) - 1
    return name[:lowered].lower() + name[lowered:]
